//! A connection that can be cut.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Something between clients and their server that can be cut: what is under way ends, and nothing goes through.
pub struct Cable {
    address: SocketAddr,
    is_cut: Arc<AtomicBool>,
    ends: Arc<Mutex<Vec<TcpStream>>>,
}

impl Cable {
    /// A cable to the server of this URL.
    pub fn to(url: &str) -> Cable {
        let server: SocketAddr = url.trim_start_matches("ws://").split('/').next().unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (is_cut, ends) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (cut, kept) = (Arc::clone(&is_cut), Arc::clone(&ends));
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if cut.load(Ordering::SeqCst) {
                    continue;
                }
                let far = TcpStream::connect(server).unwrap();
                for (mut from, mut to) in [(&near, &far), (&far, &near)].map(|(from, to)| {
                    to.set_nodelay(true).unwrap();
                    (from.try_clone().unwrap(), to.try_clone().unwrap())
                }) {
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
                kept.lock().unwrap().extend([near, far]);
            }
        });
        Cable { address, is_cut, ends }
    }

    /// The URL of the near end.
    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Cuts it for so long.
    pub fn cut_for(&self, outage: Duration) {
        self.is_cut.store(true, Ordering::SeqCst);
        for end in self.ends.lock().unwrap().drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
        thread::sleep(outage);
        self.is_cut.store(false, Ordering::SeqCst);
    }
}
