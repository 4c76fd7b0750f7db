//! TLS of a client.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::load::Load;
use super::roots::paths;
use super::source::{self, Stamp};
use super::suites::provider;
use super::verify::{AnyCertificate, Verifier};
use super::{KeyPair, Roots, Source, TlsConfigError, TlsVersions, Verification};

/// TLS of a client.
#[derive(Clone, Debug)]
pub struct TlsClientOptions {
    /// Who issues servers' certificates. A certificate that is named itself, as a self-signed one
    /// must be, is trusted too.
    pub roots: Roots,
    /// What of a server's certificate is checked.
    pub verification: Verification,
    /// Our certificate, for servers that ask for one.
    pub key_pair: Option<KeyPair>,
    /// Lists of servers' certificates that were revoked, by every issuer of theirs.
    pub revocations: Vec<Source>,
    /// The name that the server is asked for (SNI) and that must be in its certificate; none: the
    /// host that is dialled.
    pub server_name: Option<String>,
    /// Versions of TLS.
    pub versions: TlsVersions,
    /// Cipher suites, by the names of IANA or OpenSSL; empty: all there are.
    pub ciphers: Vec<String>,
    /// Application protocols (ALPN), best first; empty: none are offered.
    pub alpn: Vec<Vec<u8>>,
}

impl Default for TlsClientOptions {
    /// Trusts whom the system trusts.
    fn default() -> TlsClientOptions {
        TlsClientOptions::new(Roots::system())
    }
}

impl TlsClientOptions {
    /// Trusts these, all else as by default.
    pub fn new(roots: Roots) -> TlsClientOptions {
        TlsClientOptions {
            roots,
            verification: Verification::Full,
            key_pair: None,
            revocations: Vec::new(),
            server_name: None,
            versions: TlsVersions::default(),
            ciphers: Vec::new(),
            alpn: Vec::new(),
        }
    }
}

impl Load for TlsClientOptions {
    type Config = ClientConfig;

    fn stamp(&self) -> Stamp {
        let pair = self.key_pair.iter().flat_map(KeyPair::paths);
        Stamp::of(pair.chain(self.roots.paths()).chain(paths(&self.revocations)))
    }

    fn load(&self) -> Result<Arc<ClientConfig>, TlsConfigError> {
        if let Some(name) = &self.server_name
            && rustls::pki_types::ServerName::try_from(name.as_str()).is_err()
        {
            return Err(TlsConfigError::Other(format!("'{name}' is not a name of a server")));
        }
        let provider = provider(&self.ciphers)?;
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(self.versions.list())
            .map_err(|_| TlsConfigError::NoCipher)?;
        let builder =
            builder.dangerous().with_custom_certificate_verifier(self.verifier(provider.clone())?);
        let mut config = match &self.key_pair {
            Some(pair) => {
                let pair: CertifiedKey = pair.load(&provider)?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair)))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.alpn.clone();
        Ok(Arc::new(config))
    }
}

impl TlsClientOptions {
    fn verifier(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, TlsConfigError> {
        if self.verification == Verification::Nothing {
            return Ok(Arc::new(AnyCertificate(provider)));
        }
        let (roots, named) = self.roots.load()?.split();
        let mut builder = WebPkiServerVerifier::builder_with_provider(roots, provider);
        if !self.revocations.is_empty() {
            for source in &self.revocations {
                builder = builder.with_crls(source::revocations(source)?);
            }
            builder = builder.only_check_end_entity_revocation().enforce_revocation_expiration();
        }
        let inner = builder.build().map_err(|error| TlsConfigError::Other(error.to_string()))?;
        let any_host_name = self.verification == Verification::AnyHostName;
        Ok(Arc::new(Verifier { inner, named, any_host_name }))
    }
}
