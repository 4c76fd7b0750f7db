//! Versions and cipher suites.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::{CipherSuite, SupportedProtocolVersion, version};

use super::TlsConfigError;

/// Which versions of TLS are spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersions {
    /// 1.2 and 1.3.
    #[default]
    Both,
    /// Only 1.2.
    V12,
    /// Only 1.3.
    V13,
}

impl TlsVersions {
    pub(super) fn list(self) -> &'static [&'static SupportedProtocolVersion] {
        static V12: [&SupportedProtocolVersion; 1] = [&version::TLS12];
        static V13: [&SupportedProtocolVersion; 1] = [&version::TLS13];
        static BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
        match self {
            TlsVersions::Both => &BOTH,
            TlsVersions::V12 => &V12,
            TlsVersions::V13 => &V13,
        }
    }
}

/// The cryptography, with these cipher suites only; none named: all there are.
///
/// They are named as IANA does (`TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`,
/// `TLS_AES_128_GCM_SHA256`) or as OpenSSL does (`ECDHE-RSA-AES128-GCM-SHA256`).
pub(super) fn provider(ciphers: &[String]) -> Result<Arc<CryptoProvider>, TlsConfigError> {
    let mut provider = ring::default_provider();
    if ciphers.is_empty() {
        return Ok(Arc::new(provider));
    }
    let mut chosen = Vec::new();
    for name in ciphers {
        let found = provider.cipher_suites.iter().find(|suite| is_called(suite.suite(), name));
        chosen.push(*found.ok_or_else(|| TlsConfigError::Cipher(name.clone()))?);
    }
    provider.cipher_suites = chosen;
    Ok(Arc::new(provider))
}

fn is_called(suite: CipherSuite, name: &str) -> bool {
    let (iana, openssl) = match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => ("TLS_AES_128_GCM_SHA256", ""),
        CipherSuite::TLS13_AES_256_GCM_SHA384 => ("TLS_AES_256_GCM_SHA384", ""),
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => ("TLS_CHACHA20_POLY1305_SHA256", ""),
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => {
            ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256")
        }
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => {
            ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384")
        }
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => {
            ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305")
        }
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => {
            ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256")
        }
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => {
            ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384")
        }
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => {
            ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305")
        }
        _ => return false,
    };
    name.eq_ignore_ascii_case(iana) || (!openssl.is_empty() && name.eq_ignore_ascii_case(openssl))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_has_a_name_and_others_are_refused() {
        for suite in ring::default_provider().cipher_suites {
            let name = format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
            assert_eq!(provider(&[name]).unwrap().cipher_suites.len(), 1);
        }
        let openssl = "ECDHE-RSA-AES256-GCM-SHA384".to_owned();
        assert_eq!(provider(&[openssl]).unwrap().cipher_suites.len(), 1);
        assert!(matches!(provider(&["DES-CBC3-SHA".into()]), Err(TlsConfigError::Cipher(_))));
        assert!(matches!(provider(&[String::new()]), Err(TlsConfigError::Cipher(_))));
    }
}
