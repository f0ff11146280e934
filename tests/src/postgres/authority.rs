//! Certificates of the tests' own.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

/// An authority. A client that is given its file trusts each server that it has certified.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    /// An authority that has told nobody of itself.
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let dir = tempfile::tempdir().expect("a temporary directory");
        let certificate = params.self_signed(&key).expect("a certificate");
        std::fs::write(dir.path().join("ca.pem"), certificate.pem()).expect("a temporary directory");
        Authority { issuer: Issuer::new(params, key), dir }
    }

    /// The file that makes one trust it.
    pub fn file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// The certificate and the key of a server with this name or address: files for the directory of its data. A
    /// certificate that is not valid has expired.
    pub fn files_for(&self, host: &str, is_valid: bool) -> Vec<(&'static str, String)> {
        let mut params = CertificateParams::new(vec![host.to_string()]).expect("the name of a host");
        if !is_valid {
            params.not_after = date_time_ymd(2001, 1, 1);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        vec![("server.crt", certificate.pem()), ("server.key", key.serialize_pem())]
    }
}
