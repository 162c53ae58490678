//! TLS: what the client trusts, and the embedded core's own certificate.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Whom a client trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The machine's own root certificates.
    Platform,
    /// The certificates in this PEM file, and no others.
    CaFile(PathBuf),
    /// Anybody. It changes what is measured too: no certificate is checked.
    Anybody,
}

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A CA file that cannot be read as PEM certificates.
    #[error("{}: not a file of PEM certificates ({reason})", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No root certificates on this machine.
    #[error(
        "this machine has no root certificates: install the package ca-certificates, or name a `ca_file`"
    )]
    NoRoots,
    /// A name that no certificate can have.
    #[error("`{0}` cannot be the name in a certificate")]
    ServerName(String),
    /// The library refused its settings.
    #[error("TLS cannot be set up: {0}")]
    Library(String),
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> TlsError {
        TlsError::Library(error.to_string())
    }
}

impl From<rcgen::Error> for TlsError {
    fn from(error: rcgen::Error) -> TlsError {
        TlsError::Library(error.to_string())
    }
}

/// Whether a TLS handshake may take up a session of an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resumption {
    /// Each pays in full, as that of a phone which was not there before does.
    #[default]
    Off,
    /// Whoever finds a ticket takes it, as a phone does that comes back.
    On,
}

/// A connector that trusts `trust`.
///
/// # Errors
/// [`TlsError`], with the file or the cure.
pub fn connector(trust: &Trust, resumption: Resumption) -> Result<TlsConnector, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let mut config = match trust {
        Trust::Platform => builder.with_root_certificates(platform_roots()?).with_no_client_auth(),
        Trust::CaFile(path) => builder.with_root_certificates(file_roots(path)?).with_no_client_auth(),
        Trust::Anybody => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unchecked { provider }))
            .with_no_client_auth(),
    };
    config.resumption = match resumption {
        Resumption::Off => rustls::client::Resumption::disabled(),
        // The tickets of one server, the target: the library keeps the latest eight of each.
        Resumption::On => rustls::client::Resumption::in_memory_sessions(1),
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The name that a certificate must have.
///
/// # Errors
/// [`TlsError::ServerName`].
pub fn server_name(name: &str) -> Result<ServerName<'static>, TlsError> {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(bare.to_owned()).map_err(|_| TlsError::ServerName(name.to_owned()))
}

/// An acceptor with a certificate of its own for this machine's loopback names, and the PEM of the authority that
/// signed it.
///
/// # Errors
/// [`TlsError::Library`].
pub fn own_acceptor() -> Result<(TlsAcceptor, String), TlsError> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let mut leaf = CertificateParams::new(vec!["localhost".to_owned()])?;
    leaf.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    leaf.subject_alt_names.push(SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)));
    let key = KeyPair::generate()?;
    let certificate = leaf.signed_by(&key, &authority)?;
    let key =
        PrivateKeyDer::try_from(key.serialize_der()).map_err(|error| TlsError::Library(error.to_owned()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    // What a client needs to resume is in its ticket: the core keeps no session for it.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok((TlsAcceptor::from(Arc::new(config)), authority.pem()))
}

fn platform_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(TlsError::NoRoots) } else { Ok(roots) }
}

fn file_roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let refuse = |reason: String| TlsError::CaFile { path: path.to_owned(), reason };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| refuse(error.to_string()))? {
        let certificate = certificate.map_err(|error| refuse(error.to_string()))?;
        roots.add(certificate).map_err(|error| refuse(error.to_string()))?;
    }
    if roots.is_empty() { Err(refuse("it holds no certificate".to_owned())) } else { Ok(roots) }
}

/// Takes any certificate, on the profile's explicit word.
#[derive(Debug)]
struct Unchecked {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
