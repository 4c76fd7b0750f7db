//! TLS, WebSocket and listeners, as the face says them.

use std::net::SocketAddr;
use std::sync::Arc;

use libmqtt_runtime::tls::{
    ClientCertificates, KeyPair, Roots, Source, TlsClient, TlsClientOptions, TlsServer,
    TlsServerOptions, TlsVersions, Verification,
};
use libmqtt_runtime::web::{WebSocketClient, WebSocketServer};
use libmqtt_runtime::{BrokerError, CertificateUser, ClientError, Listener, ProxyVersions, page};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

use crate::errors::{self, Result};

/// What both sides of TLS know. Whatever is not there is as by default.
#[napi(object)]
#[derive(Default)]
pub struct TlsSettings {
    /// Certificates to trust, in PEM; none, and no files: a client trusts whom the system trusts.
    pub ca: Option<String>,
    /// Files of such.
    pub ca_files: Vec<String>,
    /// Our certificate and those that vouch for it, in PEM.
    pub cert: Option<String>,
    /// A file of that.
    pub cert_file: Option<String>,
    /// Its key, in PEM.
    pub key: Option<String>,
    /// A file of that.
    pub key_file: Option<String>,
    /// Lists of revoked certificates, in PEM.
    pub crl: Option<String>,
    /// Files of such.
    pub crl_files: Vec<String>,
    /// A client's: whether the server's certificate is checked. A listener's: whether clients must
    /// show one.
    pub strict: bool,
    /// A listener's: whether clients may show certificates.
    pub ask: bool,
    /// The name of the server.
    pub server_name: Option<String>,
    /// Application protocols.
    pub alpn: Vec<Uint8Array>,
    /// 12 or 13 for one version only.
    pub version: Option<u8>,
    /// Cipher suites.
    pub ciphers: Vec<String>,
}

impl TlsSettings {
    fn roots(&self) -> Roots {
        let given = self.ca.iter().map(Source::memory);
        let files = self.ca_files.iter().map(Source::from);
        let sources: Vec<Source> = given.chain(files).collect();
        Roots { sources, ..Roots::default() }
    }

    fn revocations(&self) -> Vec<Source> {
        let given = self.crl.iter().map(Source::memory);
        given.chain(self.crl_files.iter().map(Source::from)).collect()
    }

    fn key_pair(&self) -> Result<Option<KeyPair>> {
        let one = |text: &Option<String>, file: &Option<String>| match (text, file) {
            (Some(text), None) => Some(Source::memory(text)),
            (None, Some(file)) => Some(Source::from(file)),
            _ => None,
        };
        match (one(&self.cert, &self.cert_file), one(&self.key, &self.key_file)) {
            (Some(certificates), Some(key)) => Ok(Some(KeyPair { certificates, key })),
            (None, None) => Ok(None),
            _ => Err(errors::argument("a certificate and its key go together")),
        }
    }

    fn versions(&self) -> TlsVersions {
        match self.version {
            Some(12) => TlsVersions::V12,
            Some(13) => TlsVersions::V13,
            _ => TlsVersions::Both,
        }
    }

    fn alpn(&self) -> Vec<Vec<u8>> {
        self.alpn.iter().map(|protocol| protocol.to_vec()).collect()
    }

    /// For a client.
    pub(crate) fn client(&self) -> Result<TlsClient> {
        let roots = self.roots();
        let options = TlsClientOptions {
            roots: if roots.is_empty() { Roots::system() } else { roots },
            verification: if self.strict { Verification::Full } else { Verification::Nothing },
            key_pair: self.key_pair()?,
            revocations: self.revocations(),
            server_name: self.server_name.clone(),
            versions: self.versions(),
            ciphers: self.ciphers.clone(),
            alpn: self.alpn(),
        };
        TlsClient::new(options).map_err(|error| errors::client(ClientError::Tls(error)))
    }

    fn server(&self) -> Result<TlsServer> {
        let options = TlsServerOptions {
            key_pairs: self.key_pair()?.into_iter().collect(),
            client_certificates: match (self.ask, self.strict) {
                (false, _) => ClientCertificates::None,
                (true, false) => ClientCertificates::Optional,
                (true, true) => ClientCertificates::Required,
            },
            client_roots: self.roots(),
            revocations: self.revocations(),
            versions: self.versions(),
            ciphers: self.ciphers.clone(),
            alpn: self.alpn(),
        };
        TlsServer::new(options).map_err(|error| errors::broker(BrokerError::Tls(error)))
    }
}

/// A header of a request.
#[napi(object)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// WebSocket of a client that sends these headers.
pub(crate) fn web_socket(headers: &[Header]) -> WebSocketClient {
    let pair = |header: &Header| (header.name.clone(), header.value.clone());
    WebSocketClient { headers: headers.iter().map(pair).collect(), ..WebSocketClient::default() }
}

/// WebSocket of a listener.
#[napi(object)]
pub struct WebSocketSettings {
    /// The path; none: any.
    pub path: Option<String>,
    /// Pages whose scripts may connect; empty: all.
    pub origins: Vec<String>,
    /// Networks of proxies whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<String>,
    /// Whether the page is served.
    pub page: bool,
}

/// Where and how to listen.
#[napi(object)]
pub struct ListenerSettings {
    /// IP address and port.
    pub address: Option<String>,
    /// Or a Unix socket.
    pub path: Option<String>,
    /// Connections that may wait to be accepted.
    pub backlog: Option<u32>,
    /// Whether an IPv6 address is for IPv6 only.
    pub ipv6_only: Option<bool>,
    /// TLS.
    pub tls: Option<TlsSettings>,
    /// `commonName` or `subject`: what of a client's certificate is its User Name.
    pub certificate_user: Option<String>,
    /// WebSocket.
    pub web_socket: Option<WebSocketSettings>,
    /// Whether a proxy sends headers of the PROXY protocol: 1, 2, or 0 for both.
    pub proxy_protocol: Option<u8>,
    /// Networks of these proxies.
    pub proxies: Vec<String>,
}

impl ListenerSettings {
    pub(crate) fn listener(&self) -> Result<Listener> {
        let mut listener = match (&self.address, &self.path) {
            (Some(text), None) => Listener::new(text.parse::<SocketAddr>().map_err(|_| {
                errors::argument(format!("'{text}' is not an IP address and a port to listen on"))
            })?),
            (None, Some(path)) => Listener::unix(path),
            _ => return Err(errors::argument("a listener has an address or a path")),
        };
        listener.backlog = self.backlog.unwrap_or(listener.backlog);
        listener.v6_only = self.ipv6_only;
        listener.tls = match &self.tls {
            Some(tls) => Some(tls.server()?),
            None => None,
        };
        listener.certificate_user = match self.certificate_user.as_deref() {
            None => CertificateUser::No,
            Some("commonName") => CertificateUser::CommonName,
            Some("subject") => CertificateUser::Subject,
            Some(other) => {
                return Err(errors::argument(format!("a certificate has no '{other}' for a user")));
            }
        };
        listener.proxy = match self.proxy_protocol {
            None => None,
            Some(0) => Some(ProxyVersions::Both),
            Some(1) => Some(ProxyVersions::V1),
            Some(2) => Some(ProxyVersions::V2),
            Some(other) => {
                return Err(errors::argument(format!("there is no PROXY protocol {other}")));
            }
        };
        for text in &self.proxies {
            listener.proxies.push(text.parse().map_err(|_| not_a_network(text))?);
        }
        if let Some(settings) = &self.web_socket {
            listener.web_socket = Some(settings.server()?);
        }
        Ok(listener)
    }
}

impl WebSocketSettings {
    fn server(&self) -> Result<WebSocketServer> {
        let mut trusted_proxies = Vec::new();
        for text in &self.trusted_proxies {
            trusted_proxies.push(text.parse().map_err(|_| not_a_network(text))?);
        }
        Ok(WebSocketServer {
            path: self.path.clone(),
            origins: self.origins.clone(),
            trusted_proxies,
            resources: if self.page { page::resources() } else { Arc::default() },
            ..WebSocketServer::default()
        })
    }
}

fn not_a_network(text: &str) -> napi::Error<errors::Code> {
    errors::argument(format!("'{text}' is not a network such as 10.0.0.0/8"))
}
