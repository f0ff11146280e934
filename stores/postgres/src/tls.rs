//! Encryption: whom it trusts, and what to do where it fails.
//!
//! There is one mode: the certificate is verified to be that of the host (libpq's `verify-full`). The password's proof
//! is bound to the connection where the server can do that, so that nobody in between could pass it on.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Why there is no encrypted connection to the server that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsError {
    /// This file holds no certificate to trust.
    NoRoots {
        /// Which; `None`: those of the system.
        file: Option<String>,
        /// Why.
        why: String,
    },
    /// The server offers no encryption.
    NotOffered(String),
    /// An authority that nobody here trusts signed the certificate.
    UnknownAuthority(String),
    /// The certificate is for other hosts.
    OtherHost {
        /// The host that is meant.
        host: String,
        /// Those that the certificate is for.
        is_for: Vec<String>,
    },
    /// The certificate is no longer valid, or not yet.
    OutOfTime(String),
    /// Something else is wrong with the handshake.
    Failed {
        /// The host that is meant.
        host: String,
        /// What.
        why: String,
    },
}

/// What makes connections encrypted, and trusts the certificates of a file, or those that the system trusts.
pub(crate) fn connector(file: Option<&Path>) -> Result<MakeRustlsConnect, TlsError> {
    let (certificates, why) = file.map_or_else(of_system, of_file);
    let mut roots = RootCertStore::empty();
    let (kept, _) = roots.add_parsable_certificates(certificates);
    let name = file.map(|file| file.display().to_string());
    let failed = |why| TlsError::NoRoots { file: name.clone(), why };
    if kept == 0 || (file.is_some() && why.is_some()) {
        return Err(failed(why.unwrap_or_else(|| "there is no certificate in it".into())));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| failed(error.to_string()))?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Certificates, and what went wrong.
type Read = (Vec<CertificateDer<'static>>, Option<String>);

fn of_file(file: &Path) -> Read {
    match CertificateDer::pem_file_iter(file).and_then(Iterator::collect) {
        Ok(certificates) => (certificates, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    }
}

fn of_system() -> Read {
    let read = rustls_native_certs::load_native_certs();
    (read.certs, read.errors.first().map(ToString::to_string))
}

impl TlsError {
    /// What is wrong with a handshake with this host; `None`: something else is wrong.
    pub(crate) fn of(host: &str, error: &tokio_postgres::Error) -> Option<TlsError> {
        let host = host.to_string();
        let cause = error.source()?;
        // The client's own words for the one case that it finds itself.
        if cause.to_string() == "server does not support TLS" {
            return Some(TlsError::NotOffered(host));
        }
        let cause = cause.downcast_ref::<std::io::Error>()?.get_ref()?.downcast_ref::<rustls::Error>()?;
        let rustls::Error::InvalidCertificate(fault) = cause else {
            return Some(TlsError::Failed { host, why: cause.to_string() });
        };
        Some(match fault {
            CertificateError::UnknownIssuer => TlsError::UnknownAuthority(host),
            CertificateError::NotValidForName => TlsError::OtherHost { host, is_for: Vec::new() },
            CertificateError::NotValidForNameContext { presented, .. } => {
                TlsError::OtherHost { host, is_for: presented.clone() }
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => TlsError::OutOfTime(host),
            other => TlsError::Failed { host, why: other.to_string() },
        })
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::NoRoots { file: Some(file), why } => {
                write!(f, "sslrootcert={file} has no certificate to trust: {why}; give a file in PEM format")
            }
            TlsError::NoRoots { file: None, why } => write!(
                f,
                "the system trusts no certificates: {why}; install them, or add sslrootcert=PATH to the address"
            ),
            TlsError::NotOffered(host) => write!(
                f,
                "{host} offers no TLS, so nothing is sent to it: turn it on there (ssl = on in postgresql.conf), or \
                 connect to this machine through a tunnel"
            ),
            TlsError::UnknownAuthority(host) => write!(
                f,
                "an authority that is not trusted here has signed the certificate of {host}: add sslrootcert=PATH to \
                 the address, with the authority's certificate in that file"
            ),
            TlsError::OtherHost { host, is_for } if is_for.is_empty() => write!(
                f,
                "the certificate of {host} is not for {host}: the server needs one with that name as a subject \
                 alternative name"
            ),
            TlsError::OtherHost { host, is_for } => write!(
                f,
                "the certificate of {host} is for {}: use such a name in the address, or give the server a certificate \
                 for {host}",
                is_for.join(", ")
            ),
            TlsError::OutOfTime(host) => {
                write!(f, "the certificate of {host} is not valid at this time: renew it, or set this machine's clock")
            }
            TlsError::Failed { host, why } => write!(f, "{host} cannot be verified: {why}"),
        }
    }
}

impl Error for TlsError {}
