//! What lies between a listener's socket and MQTT: TLS, WebSocket, a proxy.

use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;
use libmqtt_net::tls::{
    ClientCertificates, KeyPair, Roots, Source, TlsConfigError, TlsServer, TlsServerOptions,
    TlsVersions,
};
use libmqtt_net::web::WebSocketServer;
use libmqtt_net::{CertificateUser, ProxyVersions};

use super::directive::{choice, number, text, wrong};
use super::{Obeyed, Settings, Wrong, flag, path};
use crate::Listener;

/// TLS, WebSocket and proxies of a listener, as a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// The server's certificate and those between it and its root: `certfile`.
    pub certificate: Option<PathBuf>,
    /// Its key: `keyfile`.
    pub key: Option<PathBuf>,
    /// Who issues clients' certificates: `cafile` and `capath`.
    pub authorities: Roots,
    /// Revoked certificates of clients: `crlfile`.
    pub revocations: Vec<Source>,
    /// Whether clients must show certificates: `require_certificate`.
    pub demands_certificates: bool,
    /// `use_identity_as_username`, `use_subject_as_username`.
    pub user: CertificateUser,
    /// `tls_version`.
    pub versions: TlsVersions,
    /// `ciphers` and `ciphers_tls1.3`.
    pub ciphers: Vec<String>,
    /// `tls_alpn`.
    pub alpn: Vec<Vec<u8>>,
    /// `protocol websockets`.
    pub web_socket: bool,
    /// `websockets_origin`.
    pub origins: Vec<String>,
    /// `websockets_path`.
    pub path: Option<String>,
    /// `websockets_headers_size`.
    pub head_max: Option<usize>,
    /// `enable_proxy_protocol`.
    pub proxy: Option<ProxyVersions>,
    /// `trusted_proxy`.
    pub trusted: Vec<IpNet>,
}

impl Transport {
    /// Puts it into a listener.
    pub(super) fn apply(&self, listener: &mut Listener) -> Result<(), TlsConfigError> {
        listener.tls = self.tls()?;
        listener.certificate_user = self.user;
        listener.proxy = self.proxy;
        listener.proxies = self.trusted.clone();
        if self.web_socket {
            let usual = WebSocketServer::default();
            listener.web_socket = Some(WebSocketServer {
                path: self.path.clone(),
                origins: self.origins.clone(),
                resources: Arc::default(),
                trusted_proxies: self.trusted.clone(),
                head_max: self.head_max.unwrap_or(usual.head_max),
                frame_max: None,
            });
        }
        Ok(())
    }

    fn tls(&self) -> Result<Option<TlsServer>, TlsConfigError> {
        let other = |why: &str| Err(TlsConfigError::Other(why.to_owned()));
        let pair = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => KeyPair::new(certificate.clone(), key.clone()),
            (None, None) if self.wants_tls() => {
                return other("TLS needs certfile and keyfile");
            }
            (None, None) => return Ok(None),
            _ => return other("certfile and keyfile belong together"),
        };
        if self.user != CertificateUser::No && !self.demands_certificates && self.proxy.is_none() {
            return other("a user name from the certificate needs require_certificate true");
        }
        if self.demands_certificates && self.authorities.is_empty() {
            return other("require_certificate needs cafile or capath");
        }
        let mut options = TlsServerOptions::new(pair);
        if self.demands_certificates {
            options.client_certificates = ClientCertificates::Required;
            options.client_roots = self.authorities.clone();
            options.revocations = self.revocations.clone();
        }
        options.versions = self.versions;
        options.ciphers = self.ciphers.clone();
        options.alpn = self.alpn.clone();
        TlsServer::new(options).map(Some)
    }

    /// Whether anything was said that makes sense only with TLS.
    fn wants_tls(&self) -> bool {
        let plain = Transport {
            web_socket: self.web_socket,
            origins: self.origins.clone(),
            path: self.path.clone(),
            head_max: self.head_max,
            proxy: self.proxy,
            trusted: self.trusted.clone(),
            // A proxy may tell of a certificate that it has seen.
            user: self.user,
            ..Transport::default()
        };
        *self != plain || (self.user != CertificateUser::No && self.proxy.is_none())
    }
}

/// Obeys a directive about the last listener, or about the default one if there is none yet.
pub(super) fn obey(settings: &mut Settings, word: &str, value: &str) -> Option<Obeyed> {
    let transport = match settings.listeners.last_mut() {
        Some(listener) => &mut listener.transport,
        None => &mut settings.transport,
    };
    tls(transport, word, value).or_else(|| web_and_proxies(transport, word, value))
}

fn tls(transport: &mut Transport, word: &str, value: &str) -> Option<Obeyed> {
    let user = |transport: &mut Transport, which| {
        flag(value).map(|on| match (on, transport.user == which) {
            (true, _) => transport.user = which,
            (false, true) => transport.user = CertificateUser::No,
            (false, false) => {}
        })
    };
    Some(match word {
        "cafile" => path(value).map(|file| transport.authorities.sources = vec![file.into()]),
        "capath" => path(value).map(|folder| transport.authorities.folders = vec![folder]),
        "certfile" => path(value).map(|file| transport.certificate = Some(file)),
        "keyfile" => path(value).map(|file| transport.key = Some(file)),
        "crlfile" => path(value).map(|file| transport.revocations = vec![file.into()]),
        "require_certificate" => flag(value).map(|on| transport.demands_certificates = on),
        "use_identity_as_username" => user(transport, CertificateUser::CommonName),
        "use_subject_as_username" => user(transport, CertificateUser::Subject),
        "tls_version" => versions(value).map(|versions| transport.versions = versions),
        "ciphers" => ciphers(value, "ECDHE").map(|names| {
            transport.ciphers.retain(|name| !name.starts_with("ECDHE"));
            transport.ciphers.extend(names);
        }),
        "ciphers_tls1.3" => ciphers(value, "TLS_").map(|names| {
            transport.ciphers.retain(|name| !name.starts_with("TLS_"));
            transport.ciphers.extend(names);
        }),
        "tls_alpn" => text(value).map(|names| {
            transport.alpn =
                names.split([',', ' ']).filter(|n| !n.is_empty()).map(Into::into).collect();
        }),
        "tls_keyform" => choice(value, &[("pem", ())]),
        _ => return None,
    })
}

fn web_and_proxies(transport: &mut Transport, word: &str, value: &str) -> Option<Obeyed> {
    Some(match word {
        "protocol" => choice(value, &[("mqtt", false), ("websockets", true)])
            .map(|web_socket| transport.web_socket = web_socket),
        "websockets_origin" => text(value).map(|origin| transport.origins.push(origin)),
        "websockets_path" => match value {
            path if path.starts_with('/') => {
                transport.path = Some(path.to_owned());
                Ok(())
            }
            _ => Err(wrong("a path starts with '/'")),
        },
        "websockets_headers_size" => {
            number(value, 256..=65_536).map(|size| transport.head_max = Some(size))
        }
        "enable_proxy_protocol" => {
            let versions = [("1", ProxyVersions::V1), ("2", ProxyVersions::V2)];
            let versions = [versions[0], versions[1], ("any", ProxyVersions::Both)];
            choice(value, &versions).map(|versions| transport.proxy = Some(versions))
        }
        "trusted_proxy" => network(value).map(|network| transport.trusted.push(network)),
        _ => return None,
    })
}

/// The least version, as mosquitto means it.
pub(super) fn versions(value: &str) -> Result<TlsVersions, Wrong> {
    match value {
        "tlsv1.2" => Ok(TlsVersions::Both),
        "tlsv1.3" => Ok(TlsVersions::V13),
        "tlsv1" | "tlsv1.1" => Err(wrong(&format!("'{value}' is broken; use tlsv1.2 or tlsv1.3"))),
        _ => Err(wrong(&format!("'{value}' is neither tlsv1.2 nor tlsv1.3"))),
    }
}

/// Names with colons between them. Whether there are such is seen later.
fn ciphers(value: &str, begins: &str) -> Result<Vec<String>, Wrong> {
    let names: Vec<String> = text(value)?.split(':').map(str::to_owned).collect();
    match names.iter().find(|name| !name.starts_with(begins)) {
        Some(name) => Err(wrong(&format!("'{name}' is not a cipher suite that can be had"))),
        None => Ok(names),
    }
}

/// `192.0.2.0/24`, or a single address.
fn network(value: &str) -> Result<IpNet, Wrong> {
    let single = || value.parse::<std::net::IpAddr>().map(IpNet::from).ok();
    value.parse().ok().or_else(single).ok_or_else(|| wrong(&format!("'{value}' is no address")))
}
