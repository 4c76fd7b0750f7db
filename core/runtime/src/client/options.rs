//! How a client is set up.

use libmqtt_engine::client::ClientConfig;
use libmqtt_net::tls::{TlsClient, TlsClientOptions};
use libmqtt_net::web::WebSocketClient;
use libmqtt_net::{ProxyServer, Route, TcpOptions};

use super::{ClientError, ClientPersistence, Scheme, Server, ServerError};

/// What [`Client::new`](super::Client::new) needs to know.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// What the engine's client is told: identifier, version, session, will, reconnecting, bounds.
    pub config: ClientConfig,
    /// The servers, tried in turn; if empty, those of `config`, where `host:port` without a scheme
    /// is reached with TLS if `tls` is given. A client within a broker's process needs none.
    pub servers: Vec<Server>,
    /// Options of its TCP connections.
    pub tcp: TcpOptions,
    /// TLS, for servers that are reached with `mqtts` or `wss`; none: as by default, which trusts
    /// whom the system trusts.
    pub tls: Option<TlsClient>,
    /// WebSocket, for servers that are reached with `ws` or `wss`.
    pub web_socket: WebSocketClient,
    /// A proxy that all servers are reached through.
    pub proxy: Option<ProxyServer>,
    /// Events that may wait for the program until nothing that has an outcome is begun any more;
    /// messages among them have their own bounds in `config`.
    pub events_max: usize,
    /// Where messages at QoS 1 and 2 are kept until they are delivered; none: in memory.
    pub persistence: Option<ClientPersistence>,
}

impl ClientOptions {
    /// A client of this server, all else as by default.
    pub fn new(server: Server, config: ClientConfig) -> ClientOptions {
        ClientOptions { servers: vec![server], ..ClientOptions::from(config) }
    }

    /// The servers, and a look at whether all that was said is of use for any of them.
    pub(crate) fn read_servers(&self) -> Result<Vec<Server>, ClientError> {
        let mut servers = self.servers.clone();
        for text in self.config.servers.iter().filter(|_| self.servers.is_empty()) {
            let bare = !text.contains("://") && !text.starts_with("unix:");
            let read = match self.tls {
                Some(_) if bare => format!("mqtts://{text}").parse(),
                _ => text.parse(),
            };
            servers.push(read.map_err(|error| ClientError::Server(text.clone(), error))?);
        }
        let none = |is: fn(Scheme) -> bool| !servers.iter().any(|server| is(server.scheme));
        if self.tls.is_some() && none(Scheme::is_secure) {
            return Err(ClientError::Unused("TLS options", "mqtts:// or wss://"));
        }
        if !self.web_socket.headers.is_empty() && none(Scheme::is_web_socket) {
            return Err(ClientError::Unused("WebSocket headers", "ws:// or wss://"));
        }
        Ok(servers)
    }
}

impl From<ClientConfig> for ClientOptions {
    fn from(config: ClientConfig) -> ClientOptions {
        ClientOptions {
            config,
            servers: Vec::new(),
            tcp: TcpOptions::default(),
            tls: None,
            web_socket: WebSocketClient::default(),
            proxy: None,
            events_max: 65_536,
            persistence: None,
        }
    }
}

/// How a client's servers are reached.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) tcp: TcpOptions,
    pub(crate) tls: Option<TlsClient>,
    pub(crate) web_socket: WebSocketClient,
    pub(crate) proxy: Option<ProxyServer>,
}

impl Network {
    /// Looks whether `servers` can be reached like that; the system's roots are read only for
    /// those that want TLS.
    pub(crate) fn new(options: &ClientOptions, servers: &[Server]) -> Result<Network, ClientError> {
        options.web_socket.check()?;
        let mut network = Network {
            tcp: options.tcp,
            tls: options.tls.clone(),
            web_socket: options.web_socket.clone(),
            proxy: options.proxy.clone(),
        };
        for server in servers {
            if server.scheme == Scheme::Unix && network.proxy.is_some() {
                let error = ServerError::UnixThroughProxy;
                return Err(ClientError::Server(server.to_string().into(), error));
            }
            if server.scheme.is_secure() && network.tls.is_none() {
                network.tls = Some(TlsClient::new(TlsClientOptions::default())?);
            }
        }
        Ok(network)
    }

    /// The way to a server. TLS, if it wants it, is there.
    pub(crate) fn route(&self, server: &Server) -> Route {
        let host = || server.host.to_string();
        Route {
            proxy: self.proxy.clone().map(|proxy| (proxy, host(), server.port)),
            tls: self.tls.clone().filter(|_| server.scheme.is_secure()).map(|tls| (tls, host())),
            web_socket: server
                .scheme
                .is_web_socket()
                .then(|| (self.web_socket.clone(), server.host_header(), server.path.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use libmqtt_net::tls::{Roots, Verification};

    use super::*;

    fn options(servers: &[&str], tls: bool) -> ClientOptions {
        let servers = servers.iter().map(|&server| server.into()).collect();
        let mut options = ClientOptions::from(ClientConfig { servers, ..ClientConfig::default() });
        let unchecked = TlsClientOptions {
            verification: Verification::Nothing,
            ..TlsClientOptions::new(Roots::default())
        };
        options.tls = tls.then(|| TlsClient::new(unchecked).unwrap());
        options
    }

    #[test]
    fn a_server_without_scheme_is_reached_as_the_options_say() {
        let read = |server: &str, tls| {
            options(&[server], tls).read_servers().map(|servers| servers[0].to_string()).ok()
        };
        assert_eq!(read("h:7", false).as_deref(), Some("h:7"));
        assert_eq!(read("h:7", true).as_deref(), Some("mqtts://h:7"));
        assert_eq!(read("wss://h", true).as_deref(), Some("wss://h:443/mqtt"));
        assert_eq!(read("mqtt://h", true), None);
        assert_eq!(read("unix:/x", true), None);
        assert_eq!(options(&["h", "mqtt://g"], true).read_servers().unwrap().len(), 2);
    }

    #[test]
    fn headers_that_nobody_would_get_are_refused() {
        let mut options = options(&["h"], false);
        options.web_socket.headers.push(("Origin".into(), "x".into()));
        let error = options.read_servers().unwrap_err();
        assert_eq!(error.to_string(), "WebSocket headers: no server is ws:// or wss://");
        options.config.servers.push("ws://h".into());
        assert!(options.read_servers().is_ok());
    }
}
