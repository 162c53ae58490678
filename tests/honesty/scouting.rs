//! What the scout says when there can be no run, and how it finds the dialect.

use std::net::TcpListener;
use std::sync::Arc;

use rcgen::generate_simple_self_signed;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::driver::{Ran, at_once, run, run_at};
use crate::independent::{Dialect, Fault, Knobs, Server};

const LOAD: &str = "
[clients]
request_timeout = \"1s\"
[[stages]]
duration = \"500ms\"
clients = 2
";

const PATIENCE: &str = "connect_timeout = \"1s\"";

/// There was no run, and `words` say why.
fn refuses(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.exit, 3, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.record.is_null(), "there is a record of a run that never was");
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    for word in words {
        assert!(ran.stderr.contains(word), "`{word}` is not in: {}", ran.stderr);
    }
    assert!(ran.stderr.contains("/signaling/v1"), "where? {}", ran.stderr);
}

#[test]
fn a_server_that_cannot_be_loaded_is_refused_with_what_where_and_why() {
    let cases: Vec<(Fault, &[&str])> = vec![
        (Fault::Http(401), &["401"]),
        (Fault::Http(403), &["403"]),
        (Fault::Http(404), &["404"]),
        (Fault::Http(429), &["429"]),
        (Fault::Http(503), &["503"]),
        (Fault::NotHttp, &["not a WebSocket"]),
        (Fault::NoUpgrade, &["timeout"]),
        (Fault::HangUpInUpgrade, &["closed"]),
        (Fault::CloseAtSignOn(4201), &["4201", "session missed error", "token"]),
        (Fault::CloseAtSignOn(4431), &["4431", "controller attached error"]),
        (Fault::CloseUnregistered(4410), &["4410"]),
        (Fault::NeverState, &["state"]),
        (Fault::NeverRegistered, &["not registered"]),
        (Fault::RegistrationFailed(403), &["registration failed"]),
        (Fault::StateRegistrationFailed(403), &["registration failed"]),
        (Fault::Limited, &["authorization failure"]),
    ];
    at_once(cases, |(fault, words)| {
        let fault = Box::new(move |_, _| fault);
        let server = Server::start(Knobs { fault, ..Knobs::of(Dialect::Flat, 2) });
        refuses(&run(&server, PATIENCE, LOAD), words);
    });
}

#[test]
fn a_port_where_nobody_listens_is_refused_at_once() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let csv = Server::start(Knobs::of(Dialect::Flat, 2)).csv();
    refuses(&run_at(&format!("ws://{address}"), &csv, PATIENCE, LOAD), &["refused", &address.to_string()]);
}

fn tls(name: &str) -> (TlsAcceptor, String) {
    let made = generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    (TlsAcceptor::from(Arc::new(config)), made.cert.pem())
}

#[test]
fn tls_is_told_apart_from_everything_else() {
    let (acceptor, pem) = tls("localhost");
    let (other, _) = tls("elsewhere.example");
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, pem).unwrap();
    let trusted =
        format!("{PATIENCE}\ntls = {{ ca_file = \"{}\", server_name = \"localhost\" }}", ca.display());
    let server = |tls| Server::start(Knobs { tls, ..Knobs::of(Dialect::Flat, 2) });
    let secure = |server: &Server| server.url().replace("ws:", "wss:");

    let good = server(Some(acceptor.clone()));
    let ran = run_at(&secure(&good), &good.csv(), &trusted, LOAD);
    ran.ends_with(0);
    assert_eq!(ran.count("latency.tls.service.count"), 2);
    let ran = run_at(&secure(&good), &good.csv(), &format!("{PATIENCE}\ntls = {{ insecure = true }}"), LOAD);
    ran.ends_with(0);
    assert_eq!(ran.at("target.tls_insecure"), true);

    let cases = [
        (server(Some(acceptor)), PATIENCE.to_owned(), "certificate"),
        (server(Some(other)), trusted.clone(), "certificate"),
        (server(None), trusted, "TLS"),
    ];
    at_once(cases, |(server, target, word)| {
        let ran = run_at(&secure(&server), &server.csv(), &target, LOAD);
        refuses(&ran, &["TLS", word]);
    });
}

#[test]
fn a_server_that_begins_to_refuse_after_the_scout_fails_the_run() {
    let fault = Box::new(
        |subscriber, visit| if (subscriber, visit) == (0, 0) { Fault::None } else { Fault::Http(503) },
    );
    let server = Server::start(Knobs { fault, ..Knobs::of(Dialect::Flat, 2) });
    let ran = run(&server, PATIENCE, LOAD);
    ran.adds_up();
    ran.ends_with(1);
    assert_eq!(ran.signon_failures("http", Some(503)), 2);
    assert_eq!(ran.count("clients.signed_on"), 0);
}

#[test]
fn the_dialect_is_found_by_keepalives_and_by_nothing_else() {
    let cases = [
        (Dialect::Flat, None),
        (Dialect::Flat, Some(4600)),
        (Dialect::Nested, None),
        (Dialect::Nested, Some(4501)),
    ];
    at_once(cases, |(dialect, foreign_keepalive)| {
        let server = Server::start(Knobs { foreign_keepalive, ..Knobs::of(dialect, 2) });
        let ran = run(&server, PATIENCE, LOAD);
        ran.ends_with(0);
        assert_eq!(ran.at("target.dialect_detected"), dialect.name());
        let books = server.books();
        assert_eq!(books.keepalives_foreign, u64::from(dialect == Dialect::Nested));
        assert_eq!(books.keepalives, 1);
        ran.agrees_with(&books);
        let scouts = if dialect == Dialect::Nested { 2 } else { 1 };
        assert_eq!(ran.disconnects_total(), 2 + scouts);
    });
}

#[test]
fn a_server_that_answers_no_keepalive_needs_a_dialect_from_the_profile() {
    let knobs = |dialect| Knobs { answers_keepalives: false, ..Knobs::of(dialect, 2) };
    at_once(Dialect::BOTH, |dialect| {
        let server = Server::start(knobs(dialect));
        refuses(&run(&server, PATIENCE, LOAD), &["neither", "dialect"]);
        let named = format!("{PATIENCE}\ndialect = \"{}\"", dialect.name());
        let ran = run(&server, &named, LOAD);
        ran.adds_up();
        ran.ends_with(0);
        assert_eq!(ran.count("keepalives.missed"), 1);
    });
}
