//! The listener: `GET /metrics`, and nothing else.
//!
//! Whoever asks may be slow or hostile: headers are bounded, a connection has one request and a few seconds, and there
//! are few at a time. Who comes beyond them waits.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

use super::text;

/// Where the metrics are.
pub(super) const PATH: &str = "/metrics";

/// Connections at a time.
pub(super) const MAX_CONNECTIONS: usize = 8;
/// From a connection to the end of its answer.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// The longest request line and headers.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// How long to wait when no connection can be taken, for want of a descriptor for example.
const PAUSE: Duration = Duration::from_millis(100);

/// A listener on a thread of its own, named `metrics`, until it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    /// Dropped with the server, and the thread ends.
    _alive: oneshot::Sender<()>,
}

impl Server {
    /// Listens, and answers with what `page` gives.
    ///
    /// # Errors
    /// The system's.
    pub fn start(
        address: SocketAddr,
        page: impl Fn() -> Arc<str> + Send + Sync + 'static,
    ) -> io::Result<Server> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind(address))?;
        let address = listener.local_addr()?;
        let (alive, ended) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = listen(listener, Arc::new(page)) => {}
                    _ = ended => {}
                }
            });
        };
        thread::Builder::new().name("metrics".to_owned()).spawn(serve)?;
        Ok(Server { address, _alive: alive })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Takes connections for ever.
async fn listen<P: Fn() -> Arc<str> + Send + Sync + 'static>(listener: TcpListener, page: Arc<P>) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let page = Arc::clone(&page);
                tokio::spawn(async move {
                    serve(stream, &*page).await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Answers one request.
async fn serve(stream: TcpStream, page: &impl Fn() -> Arc<str>) {
    let answer = |request: Request<Incoming>| {
        let response = answer(request.method(), request.uri().path(), page);
        async { Ok::<_, Infallible>(response) }
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(TIME_LIMIT)
        .keep_alive(false)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service_fn(answer));
    // Who is too slow, or gone, gets no answer.
    let _ = tokio::time::timeout(TIME_LIMIT, connection).await;
}

fn answer(method: &Method, path: &str, page: impl Fn() -> Arc<str>) -> Response<Full<Bytes>> {
    let (status, body) = match (path, method) {
        (PATH, &(Method::GET | Method::HEAD)) => (StatusCode::OK, Bytes::from(page().to_string())),
        (PATH, _) => (StatusCode::METHOD_NOT_ALLOWED, Bytes::new()),
        _ => (StatusCode::NOT_FOUND, Bytes::from_static(b"metrics are at /metrics\n")),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(text::CONTENT_TYPE));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}
