//! TLS by named options.

use super::{OptionError, flag, unknown, word, wrong};
use crate::tls::{
    ClientCertificates, KeyPair, Roots, Source, TlsClient, TlsClientOptions, TlsServer,
    TlsServerOptions, TlsVersions, Verification,
};

/// TLS of a client or of a listener, by options with names.
///
/// | name | value |
/// |------|-------|
/// | `ca_file`, `ca_folder` | whose certificates are trusted, in PEM or DER; each adds |
/// | `ca` | the same, in memory |
/// | `system_roots` | also those that the system trusts; a client's default if no others are named |
/// | `cert_file`, `cert` | our certificate and those between it and its root |
/// | `key_file`, `key` | its private key, not encrypted |
/// | `crl_file`, `crl` | revoked certificates, by every issuer; each adds |
/// | `versions` | `1.2+1.3`, `1.2`, `1.3` |
/// | `ciphers` | names of IANA or OpenSSL with `:` between them |
/// | `alpn` | application protocols with `,` between them, best first |
/// | `server_name` | client: the name to ask for and to expect, instead of the host |
/// | `dangerous_verification` | client: `any_host_name`: whoever has any trusted certificate can pose as the server; `nothing`: anyone can |
/// | `client_certificates` | listener: `none`, `optional`, `required` |
///
/// A listener may have several certificates with their keys, in the same order; the first for the
/// host that a client names is shown. Options without `_file` or `_folder` that hold certificates
/// and keys are given by [`TlsOptions::set_data`].
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    roots: Roots,
    system_roots: Option<bool>,
    certificates: Vec<Source>,
    keys: Vec<Source>,
    revocations: Vec<Source>,
    server_name: Option<String>,
    versions: TlsVersions,
    ciphers: Vec<String>,
    alpn: Vec<Vec<u8>>,
    verification: Verification,
    client_certificates: Option<ClientCertificates>,
}

const VERSIONS: &[(&str, TlsVersions)] =
    &[("1.2+1.3", TlsVersions::Both), ("1.2", TlsVersions::V12), ("1.3", TlsVersions::V13)];
const VERIFICATIONS: &[(&str, Verification)] =
    &[("any_host_name", Verification::AnyHostName), ("nothing", Verification::Nothing)];
const CLIENT_CERTIFICATES: &[(&str, ClientCertificates)] = &[
    ("none", ClientCertificates::None),
    ("optional", ClientCertificates::Optional),
    ("required", ClientCertificates::Required),
];

impl TlsOptions {
    /// Sets an option.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), OptionError> {
        let list = |by: char| value.split(by).filter(|part| !part.is_empty()).map(str::to_owned);
        match name {
            "ca_file" => self.roots.sources.push(value.into()),
            "ca_folder" => self.roots.folders.push(value.into()),
            "system_roots" => self.system_roots = Some(flag(name, value)?),
            "cert_file" => self.certificates.push(value.into()),
            "key_file" => self.keys.push(value.into()),
            "crl_file" => self.revocations.push(value.into()),
            "versions" => self.versions = word(name, value, VERSIONS)?,
            "ciphers" => self.ciphers = list(':').collect(),
            "alpn" => self.alpn = list(',').map(String::into_bytes).collect(),
            "server_name" => self.server_name = Some(value.to_owned()),
            "dangerous_verification" => self.verification = word(name, value, VERIFICATIONS)?,
            "client_certificates" => {
                self.client_certificates = Some(word(name, value, CLIENT_CERTIFICATES)?);
            }
            _ => return self.set_data(name, value.as_bytes()),
        }
        Ok(())
    }

    /// Sets an option to what is in memory, which is copied: `ca`, `cert`, `key`, `crl`, in PEM or
    /// DER.
    pub fn set_data(&mut self, name: &str, data: &[u8]) -> Result<(), OptionError> {
        let sources = match name {
            "ca" => &mut self.roots.sources,
            "cert" => &mut self.certificates,
            "key" => &mut self.keys,
            "crl" => &mut self.revocations,
            _ => return Err(unknown(name)),
        };
        sources.push(Source::memory(data));
        Ok(())
    }

    /// Reads the files, for a client.
    pub fn client(&self) -> Result<TlsClient, OptionError> {
        if self.client_certificates.is_some() {
            return Err(wrong("client_certificates", "it is for a listener"));
        }
        let mut pairs = self.key_pairs()?;
        let key_pair = pairs.pop();
        if !pairs.is_empty() {
            return Err(wrong("cert", "a client has one certificate"));
        }
        let mut roots = self.roots.clone();
        roots.system = self.system_roots.unwrap_or(roots.is_empty());
        Ok(TlsClient::new(TlsClientOptions {
            verification: self.verification,
            key_pair,
            revocations: self.revocations.clone(),
            server_name: self.server_name.clone(),
            versions: self.versions,
            ciphers: self.ciphers.clone(),
            alpn: self.alpn.clone(),
            ..TlsClientOptions::new(roots)
        })?)
    }

    /// Reads the files, for a listener.
    pub fn server(&self) -> Result<TlsServer, OptionError> {
        if self.server_name.is_some() {
            return Err(wrong("server_name", "it is for a client"));
        }
        if self.verification != Verification::Full {
            return Err(wrong("dangerous_verification", "it is for a client"));
        }
        let client_roots = Roots { system: self.system_roots == Some(true), ..self.roots.clone() };
        let client_certificates = self.client_certificates.unwrap_or_default();
        let named = !client_roots.is_empty() || !self.revocations.is_empty();
        if named && client_certificates == ClientCertificates::None {
            let why = "a listener that trusts issuers wants it to be optional or required";
            return Err(wrong("client_certificates", why));
        }
        let key_pairs = self.key_pairs()?;
        if key_pairs.is_empty() {
            return Err(wrong("cert", "a listener needs a certificate and its key"));
        }
        Ok(TlsServer::new(TlsServerOptions {
            key_pairs,
            client_certificates,
            client_roots,
            revocations: self.revocations.clone(),
            versions: self.versions,
            ciphers: self.ciphers.clone(),
            alpn: self.alpn.clone(),
        })?)
    }

    fn key_pairs(&self) -> Result<Vec<KeyPair>, OptionError> {
        if self.certificates.len() != self.keys.len() {
            return Err(wrong(
                "key",
                "each certificate needs its key, and each key its certificate",
            ));
        }
        let pairs = self.certificates.iter().zip(&self.keys);
        let pair = |(certificates, key): (&Source, &Source)| KeyPair {
            certificates: certificates.clone(),
            key: key.clone(),
        };
        Ok(pairs.map(pair).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Status;

    fn of(options: &[(&str, &str)]) -> TlsOptions {
        let mut tls = TlsOptions::default();
        options.iter().for_each(|(name, value)| tls.set(name, value).unwrap());
        tls
    }

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_client_trusts_the_system_unless_others_are_named() {
        let (cert, _) = pair();
        assert!(of(&[]).client().unwrap().options().roots.system);
        let named = of(&[("ca", &cert), ("alpn", "a,b"), ("versions", "1.3")]).client().unwrap();
        assert!(!named.options().roots.system);
        assert_eq!(named.options().alpn, [b"a", b"b"]);
        assert_eq!(named.options().verification, Verification::Full);
        let both = of(&[("ca", &cert), ("system_roots", "true")]).client().unwrap();
        assert!(both.options().roots.system && !both.options().roots.sources.is_empty());
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let (cert, key) = pair();
        let mine = [("cert", &*cert), ("key", &*key)];
        let with = |name, value| of(&[mine[0], mine[1], (name, value)]);
        let refused = |result: Result<(), OptionError>, status, wanted: &str| {
            let error = result.unwrap_err();
            assert_eq!(error.status(), status, "{error}");
            assert!(error.to_string().contains(wanted), "{error}");
        };
        let client = |tls: TlsOptions| tls.client().map(drop);
        let server = |tls: TlsOptions| tls.server().map(drop);
        assert!(server(of(&mine)).is_ok() && client(of(&mine)).is_ok());
        refused(client(of(&[mine[0]])), Status::BadArgument, "needs its key");
        refused(client(of(&[("ca_file", "/none")])), Status::FileUnreadable, "/none");
        refused(client(of(&[("ca", "x")])), Status::FileInvalid, "no certificate");
        refused(client(of(&[("ciphers", "RC4")])), Status::BadArgument, "RC4");
        refused(client(with("client_certificates", "required")), Status::BadArgument, "listener");
        refused(server(of(&[])), Status::BadArgument, "needs a certificate");
        refused(server(with("ca", &cert)), Status::BadArgument, "optional or required");
        refused(server(with("server_name", "x")), Status::BadArgument, "for a client");
        let nothing = with("dangerous_verification", "nothing");
        refused(server(nothing), Status::BadArgument, "for a client");
        let set = |name, value| TlsOptions::default().set(name, value);
        refused(set("verify", "x"), Status::NotFound, "'verify'");
        refused(set("versions", "1.1"), Status::BadArgument, "not one of 1.2+1.3, 1.2, 1.3");
    }
}
