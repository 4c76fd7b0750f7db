//! Where a server is, as a URL says it.

use core::fmt;
use core::str::FromStr;

use libmqtt_net::Address;

/// What a server is reached with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// TCP: `mqtt` or `tcp`, port 1883.
    Mqtt,
    /// TLS: `mqtts`, `ssl` or `tls`, port 8883.
    Mqtts,
    /// WebSocket: `ws`, port 80.
    Ws,
    /// WebSocket over TLS: `wss`, port 443.
    Wss,
    /// A Unix socket: `unix`.
    Unix,
}

impl Scheme {
    /// Whether TLS is spoken.
    pub fn is_secure(self) -> bool {
        matches!(self, Scheme::Mqtts | Scheme::Wss)
    }

    /// Whether WebSocket is spoken.
    pub fn is_web_socket(self) -> bool {
        matches!(self, Scheme::Ws | Scheme::Wss)
    }

    /// The port that is meant when none is named; 0 for a Unix socket.
    pub fn port(self) -> u16 {
        match self {
            Scheme::Mqtt => 1883,
            Scheme::Mqtts => 8883,
            Scheme::Ws => 80,
            Scheme::Wss => 443,
            Scheme::Unix => 0,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Scheme::Mqtt => "mqtt",
            Scheme::Mqtts => "mqtts",
            Scheme::Ws => "ws",
            Scheme::Wss => "wss",
            Scheme::Unix => "unix",
        }
    }

    fn read(text: &str) -> Option<Scheme> {
        Some(match text.to_ascii_lowercase().as_str() {
            "mqtt" | "tcp" => Scheme::Mqtt,
            "mqtts" | "ssl" | "tls" => Scheme::Mqtts,
            "ws" => Scheme::Ws,
            "wss" => Scheme::Wss,
            "unix" => Scheme::Unix,
            _ => return None,
        })
    }
}

/// Where a server is: `mqtt://host:1883`, `host:1883`, `host`, `[::1]:1883`, `::1`,
/// `mqtts://host`, `ws://host:8080/mqtt`, `wss://host/path?query`, `unix:/run/mqtt.sock`,
/// `unix:@abstract`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// What it is reached with.
    pub scheme: Scheme,
    /// A name or an address, IPv6 without brackets; of a Unix socket its path, or `@` and its
    /// abstract name.
    pub host: Box<str>,
    /// The port; 0 for a Unix socket.
    pub port: u16,
    /// What a WebSocket server is asked for: `/mqtt` if the URL ends with host or port; otherwise
    /// empty.
    pub path: Box<str>,
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
    /// Nothing else can be dialled.
    #[error("scheme of server is none of mqtt, tcp, mqtts, ssl, tls, ws, wss, unix")]
    Scheme,
    /// A server has no user or fragment, and only one of WebSocket has a path.
    #[error("server has more than host and port")]
    Excess,
    /// A Unix socket is on this machine.
    #[error("a Unix socket is not reached through a proxy")]
    UnixThroughProxy,
}

impl Server {
    /// The server at this host and port, over TCP.
    pub fn new(host: &str, port: u16) -> Server {
        Server { scheme: Scheme::Mqtt, host: host.into(), port, path: "".into() }
    }

    /// The Unix socket at this path, or with `@` and this abstract name.
    pub fn unix(path: &str) -> Server {
        Server { scheme: Scheme::Unix, host: path.into(), port: 0, path: "".into() }
    }

    /// The address of a Unix socket.
    pub(crate) fn unix_address(&self) -> Option<Address> {
        (self.scheme == Scheme::Unix).then(|| Address::unix(&self.host))
    }

    /// Host and port as they stand in a URL: `[::1]:80`.
    fn authority(&self) -> Authority<'_> {
        Authority(&self.host, Some(self.port))
    }

    /// What an HTTP request calls the server: without the usual port.
    pub(crate) fn host_header(&self) -> String {
        let port = Some(self.port).filter(|&port| port != self.scheme.port());
        Authority(&self.host, port).to_string()
    }

    /// Reads a server that has no scheme of its own as one that is reached like `other`.
    pub(crate) fn like(text: &str, other: &Server) -> Result<Server, ServerError> {
        if text.contains("://") || other.scheme == Scheme::Unix {
            return text.parse();
        }
        let server = format!("{}://{text}", other.scheme.name()).parse::<Server>()?;
        Ok(Server { path: other.path.clone(), ..server })
    }
}

struct Authority<'a>(&'a str, Option<u16>);

impl fmt::Display for Authority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Authority(host, port) = self;
        if host.contains(':') {
            write!(f, "[{host}]")?
        } else {
            f.write_str(host)?
        }
        port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Server, ServerError> {
        Server::read(text, false)
    }
}

impl Server {
    /// Reads a server; `any_port`: one whose port may be 0.
    pub(crate) fn read(text: &str, any_port: bool) -> Result<Server, ServerError> {
        if let Some(rest) = text.strip_prefix("unix:") {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            let named = path.strip_prefix('@').unwrap_or(path);
            return if named.is_empty() {
                Err(ServerError::NoHost)
            } else {
                Ok(Server::unix(path))
            };
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Scheme::read(scheme).ok_or(ServerError::Scheme)?, rest),
            None => (Scheme::Mqtt, text),
        };
        let (rest, path) = if scheme.is_web_socket() {
            match rest.find(['/', '?']) {
                Some(at) if rest[at..].starts_with('/') => (&rest[..at], rest[at..].to_owned()),
                Some(at) => (&rest[..at], format!("/{}", &rest[at..])),
                None => (rest, "/mqtt".to_owned()),
            }
        } else {
            (rest.strip_suffix('/').unwrap_or(rest), String::new())
        };
        let strange = |c: char| c.is_whitespace() || c.is_control() || c == '#';
        if rest.contains(['/', '?', '@']) || rest.contains(strange) || path.contains(strange) {
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
            None => scheme.port(),
            Some(port) => {
                port.parse().ok().filter(|&port| any_port || port != 0).ok_or(ServerError::Port)?
            }
        };
        Ok(Server { scheme, host: host.into(), port, path: path.into() })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Scheme::Mqtt => self.authority().fmt(f),
            Scheme::Unix => write!(f, "unix:{}", self.host),
            scheme => write!(f, "{}://{}{}", scheme.name(), self.authority(), self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_from_text() {
        let check = |text: &str, wanted: Result<(Scheme, &str, u16, &str), ServerError>| {
            let wanted = wanted.map(|(scheme, host, port, path)| Server {
                scheme,
                host: host.into(),
                port,
                path: path.into(),
            });
            assert_eq!(text.parse::<Server>(), wanted, "{text}");
            if let Ok(server) = wanted {
                assert_eq!(server.to_string().parse(), Ok(server), "{text}");
            }
        };
        let mqtt = |host, port| Ok((Scheme::Mqtt, host, port, ""));
        check("localhost", mqtt("localhost", 1883));
        check("mqtt://localhost:1884", mqtt("localhost", 1884));
        check("MQTT://h/", mqtt("h", 1883));
        check("tcp://[::1]:7", mqtt("::1", 7));
        check("[::1]", mqtt("::1", 1883));
        check("::1", mqtt("::1", 1883));
        check("mqtts://h", Ok((Scheme::Mqtts, "h", 8883, "")));
        check("ssl://[::1]:1", Ok((Scheme::Mqtts, "::1", 1, "")));
        check("tls://h/", Ok((Scheme::Mqtts, "h", 8883, "")));
        check("ws://h", Ok((Scheme::Ws, "h", 80, "/mqtt")));
        check("ws://h:8080/", Ok((Scheme::Ws, "h", 8080, "/")));
        check("wss://[::1]/a/b?c=d@e", Ok((Scheme::Wss, "::1", 443, "/a/b?c=d@e")));
        check("ws://h?a", Ok((Scheme::Ws, "h", 80, "/?a")));
        check("unix:/run/m.sock", Ok((Scheme::Unix, "/run/m.sock", 0, "")));
        check("unix:///run/m.sock", Ok((Scheme::Unix, "/run/m.sock", 0, "")));
        check("unix:@name", Ok((Scheme::Unix, "@name", 0, "")));
        check("unix:", Err(ServerError::NoHost));
        check("unix:@", Err(ServerError::NoHost));
        check("http://h", Err(ServerError::Scheme));
        check("mqtt://user@h", Err(ServerError::Excess));
        check("mqtt://h/path", Err(ServerError::Excess));
        check("ws://h/a b", Err(ServerError::Excess));
        check("ws://h/\r\nX: y", Err(ServerError::Excess));
        check("ws://h/#a", Err(ServerError::Excess));
        check("h:0", Err(ServerError::Port));
        check("h:65536", Err(ServerError::Port));
        check("h:", Err(ServerError::Port));
        check("", Err(ServerError::NoHost));
        check(":1", Err(ServerError::NoHost));
    }

    #[test]
    fn a_reference_is_reached_as_the_server_that_gave_it() {
        let check = |from: &str, text: &str, wanted: &str| {
            let found = Server::like(text, &from.parse().unwrap()).unwrap();
            assert_eq!(found.to_string(), wanted, "{from} {text}");
        };
        check("mqtts://a:1", "b:2", "mqtts://b:2");
        check("mqtts://a:1", "b", "mqtts://b:8883");
        check("ws://a/x", "b:2", "ws://b:2/x");
        check("mqtts://a", "mqtt://b", "b:1883");
        check("a", "b", "b:1883");
    }
}
