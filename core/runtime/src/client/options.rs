//! How a client is set up.

use core::fmt;
use core::str::FromStr;

use libmqtt_engine::client::ClientConfig;
use libmqtt_net::TcpOptions;

/// Where a server is: `mqtt://host:1883`, `host:1883`, `host`, `[::1]:1883`, `::1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// A name or an address; IPv6 without brackets.
    pub host: Box<str>,
    /// The port; 1883 if the text had none.
    pub port: u16,
}

/// Why a text names no server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// There is no host in it.
    #[error("server has no host")]
    NoHost,
    /// Its port is not between 1 and 65535.
    #[error("port of server is not between 1 and 65535")]
    Port,
    /// Only `mqtt` and `tcp` can be dialled.
    #[error("scheme of server is neither mqtt nor tcp")]
    Scheme,
    /// An MQTT server has no path, query, user or fragment.
    #[error("server has more than host and port")]
    Excess,
}

impl Server {
    /// The server at this host and port.
    pub fn new(host: &str, port: u16) -> Server {
        Server { host: host.into(), port }
    }
}

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Server, ServerError> {
        let rest = match text.split_once("://") {
            Some((scheme, rest)) => {
                if !["mqtt", "tcp"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
                    return Err(ServerError::Scheme);
                }
                rest.strip_suffix('/').unwrap_or(rest)
            }
            None => text,
        };
        if rest.contains(['/', '?', '#', '@']) || rest.contains(char::is_whitespace) {
            return Err(ServerError::Excess);
        }
        let (host, port) = if let Some(bracketed) = rest.strip_prefix('[') {
            let (host, after) = bracketed.split_once(']').ok_or(ServerError::Excess)?;
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err(ServerError::Excess),
            }
        } else if rest.matches(':').count() > 1 {
            (rest, None)
        } else {
            rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)))
        };
        if host.is_empty() {
            return Err(ServerError::NoHost);
        }
        let port = match port {
            None => 1883,
            Some(port) => port.parse().ok().filter(|&port| port != 0).ok_or(ServerError::Port)?,
        };
        Ok(Server::new(host, port))
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What [`Client::new`](super::Client::new) needs to know.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// What the engine's client is told: identifier, version, session, will, reconnecting, bounds.
    pub config: ClientConfig,
    /// The servers, tried in turn; if empty, those of `config`. A client within a broker's
    /// process needs none.
    pub servers: Vec<Server>,
    /// Options of its TCP connections.
    pub tcp: TcpOptions,
    /// Events that may wait for the program until nothing that has an outcome is begun any more;
    /// messages among them have their own bounds in `config`.
    pub events_max: usize,
}

impl ClientOptions {
    /// A client of this server, all else as by default.
    pub fn new(server: Server, config: ClientConfig) -> ClientOptions {
        ClientOptions { servers: vec![server], ..ClientOptions::from(config) }
    }
}

impl From<ClientConfig> for ClientOptions {
    fn from(config: ClientConfig) -> ClientOptions {
        ClientOptions {
            config,
            servers: Vec::new(),
            tcp: TcpOptions::default(),
            events_max: 65_536,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_from_text() {
        let check = |text: &str, wanted: Result<(&str, u16), ServerError>| {
            assert_eq!(
                text.parse::<Server>(),
                wanted.map(|(host, port)| Server::new(host, port)),
                "{text}"
            );
        };
        check("localhost", Ok(("localhost", 1883)));
        check("mqtt://localhost:1884", Ok(("localhost", 1884)));
        check("MQTT://h/", Ok(("h", 1883)));
        check("tcp://[::1]:7", Ok(("::1", 7)));
        check("[::1]", Ok(("::1", 1883)));
        check("::1", Ok(("::1", 1883)));
        check("mqtts://h", Err(ServerError::Scheme));
        check("mqtt://user@h", Err(ServerError::Excess));
        check("mqtt://h/path", Err(ServerError::Excess));
        check("h:0", Err(ServerError::Port));
        check("h:65536", Err(ServerError::Port));
        check("h:", Err(ServerError::Port));
        check("", Err(ServerError::NoHost));
        check(":1", Err(ServerError::NoHost));
    }
}
