//! TLS of a listener.

use std::path::Path;
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::ServerName;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert,
    WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, server::danger::ClientCertVerifier};

use super::load::Load;
use super::roots::paths;
use super::source::{self, Stamp};
use super::suites::provider;
use super::verify::ClientVerifier;
use super::{Roots, Source, TlsConfigError, TlsVersions};

/// A certificate with those that vouch for it, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// The certificate, then those between it and its root.
    pub certificates: Source,
    /// Its private key: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: Source,
}

impl KeyPair {
    /// A certificate and its key.
    pub fn new(certificates: impl Into<Source>, key: impl Into<Source>) -> KeyPair {
        KeyPair { certificates: certificates.into(), key: key.into() }
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        [&self.certificates, &self.key].into_iter().filter_map(|source| match source {
            Source::File(path) => Some(path.as_path()),
            Source::Memory(_) => None,
        })
    }

    pub(super) fn load(&self, provider: &CryptoProvider) -> Result<CertifiedKey, TlsConfigError> {
        let certificates = source::certificates(&self.certificates)?;
        let key = source::key(&self.key)?;
        CertifiedKey::from_der(certificates, key, provider).map_err(|error| TlsConfigError::Key {
            place: self.key.to_string(),
            why: match error {
                rustls::Error::InconsistentKeys(_) => {
                    format!("it does not belong to the certificate in {}", self.certificates)
                }
                error => error.to_string(),
            },
        })
    }
}

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked for.
    #[default]
    None,
    /// Who shows one must show a good one.
    Optional,
    /// Who shows none is refused.
    Required,
}

/// TLS of a listener.
#[derive(Clone, Debug)]
pub struct TlsServerOptions {
    /// The server's certificates. A client that names a host (SNI) gets the first that is for
    /// that host; others get the first.
    pub key_pairs: Vec<KeyPair>,
    /// Whether clients show certificates.
    pub client_certificates: ClientCertificates,
    /// Who issues clients' certificates.
    pub client_roots: Roots,
    /// Lists of clients' certificates that were revoked, by every issuer of theirs: with lists,
    /// who is in none of them because his issuer's is missing or outdated is refused.
    pub revocations: Vec<Source>,
    /// Versions of TLS.
    pub versions: TlsVersions,
    /// Cipher suites, by the names of IANA or OpenSSL; empty: all there are.
    pub ciphers: Vec<String>,
    /// Application protocols (ALPN), best first. Clients that offer others only are refused.
    /// Empty: not looked at.
    pub alpn: Vec<Vec<u8>>,
}

impl TlsServerOptions {
    /// With this certificate, all else as by default: no client certificates.
    pub fn new(key_pair: KeyPair) -> TlsServerOptions {
        TlsServerOptions {
            key_pairs: vec![key_pair],
            client_certificates: ClientCertificates::None,
            client_roots: Roots::default(),
            revocations: Vec::new(),
            versions: TlsVersions::default(),
            ciphers: Vec::new(),
            alpn: Vec::new(),
        }
    }

    /// Demands certificates of clients, issued by these.
    pub fn with_clients_of(mut self, roots: Roots) -> TlsServerOptions {
        self.client_certificates = ClientCertificates::Required;
        self.client_roots = roots;
        self
    }
}

impl Load for TlsServerOptions {
    type Config = ServerConfig;

    fn stamp(&self) -> Stamp {
        let pairs = self.key_pairs.iter().flat_map(KeyPair::paths);
        Stamp::of(pairs.chain(self.client_roots.paths()).chain(paths(&self.revocations)))
    }

    fn load(&self) -> Result<Arc<ServerConfig>, TlsConfigError> {
        let provider = provider(&self.ciphers)?;
        let pairs: Result<Vec<_>, _> =
            self.key_pairs.iter().map(|pair| pair.load(&provider).map(Arc::new)).collect();
        let pairs = pairs?;
        if pairs.is_empty() {
            return Err(TlsConfigError::Other("a listener needs a certificate and key".into()));
        }
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(self.versions.list())
            .map_err(|_| TlsConfigError::NoCipher)?;
        let builder = match self.client_verifier(provider)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(ByName(pairs)));
        config.alpn_protocols = self.alpn.clone();
        // Tickets hold the sessions, so that resumption costs no memory and works on any thread.
        // Their key is made anew with the configuration: who was trusted before is asked again.
        config.ticketer =
            ring::Ticketer::new().map_err(|error| TlsConfigError::Other(error.to_string()))?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 1;
        Ok(Arc::new(config))
    }
}

impl TlsServerOptions {
    fn client_verifier(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsConfigError> {
        if self.client_certificates == ClientCertificates::None {
            return Ok(None);
        }
        let (roots, _) = self.client_roots.load()?.split();
        let mut builder = WebPkiClientVerifier::builder_with_provider(roots, provider);
        if !self.revocations.is_empty() {
            for source in &self.revocations {
                builder = builder.with_crls(source::revocations(source)?);
            }
            builder = builder.only_check_end_entity_revocation().enforce_revocation_expiration();
        }
        if self.client_certificates == ClientCertificates::Optional {
            builder = builder.allow_unauthenticated();
        }
        let verifier = builder.build().map_err(|error| TlsConfigError::Other(error.to_string()))?;
        Ok(Some(Arc::new(ClientVerifier(verifier))))
    }
}

/// Chooses the certificate for the host that a client names.
#[derive(Debug)]
struct ByName(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let first = self.0.first()?;
        if self.0.len() == 1 {
            return Some(first.clone());
        }
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let is_for = |pair: &&Arc<CertifiedKey>| {
            let (Some(name), Some(certificate)) = (&name, pair.cert.first()) else { return false };
            ParsedCertificate::try_from(certificate)
                .is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok())
        };
        self.0.iter().find(is_for).or(Some(first)).cloned()
    }
}
