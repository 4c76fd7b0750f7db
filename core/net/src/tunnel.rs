//! The way through a proxy: HTTP CONNECT and SOCKS 5.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use base64::Engine;

/// Most bytes in the head of a proxy's answer.
const HEAD_MAX: usize = 16 * 1024;

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// HTTP, with the method CONNECT.
    Http,
    /// SOCKS 5, RFC 1928. Names are resolved by the proxy.
    Socks5,
}

/// A proxy that a client goes through.
///
/// As text: `http://proxy:8080`, `socks5://user:password@proxy:1080`; `socks5h` means the same.
/// User and password may be percent-encoded.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyServer {
    /// What it speaks.
    pub kind: ProxyKind,
    /// A name or an address; IPv6 without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User and password, if it wants them.
    pub login: Option<(String, String)>,
}

impl fmt::Debug for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyServer")
            .field("kind", &self.kind)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.login.as_ref().map(|(user, _)| user))
            .finish()
    }
}

/// Why a text names no proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyServerError {
    /// Only these can be gone through.
    #[error("a proxy is http://, socks5:// or socks5h://")]
    Scheme,
    /// There is no host in it.
    #[error("proxy has no host")]
    NoHost,
    /// Its port is not between 1 and 65535.
    #[error("port of proxy is not between 1 and 65535")]
    Port,
    /// User or password are longer than 255 bytes, or wrongly encoded.
    #[error("user or password of proxy cannot be used")]
    Login,
}

impl FromStr for ProxyServer {
    type Err = ProxyServerError;

    fn from_str(text: &str) -> Result<ProxyServer, ProxyServerError> {
        let (scheme, rest) = text.split_once("://").ok_or(ProxyServerError::Scheme)?;
        let (kind, usual) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (ProxyKind::Http, 80),
            "socks5" | "socks5h" => (ProxyKind::Socks5, 1080),
            _ => return Err(ProxyServerError::Scheme),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']').ok_or(ProxyServerError::NoHost)?;
                (host, after.strip_prefix(':').or(Some(after).filter(|rest| !rest.is_empty())))
            }
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        if host.is_empty() || host.contains(['/', '?', '#']) || host.contains(char::is_whitespace) {
            return Err(ProxyServerError::NoHost);
        }
        let port = match port {
            None => usual,
            Some(port) => {
                port.parse().ok().filter(|&port| port != 0).ok_or(ProxyServerError::Port)?
            }
        };
        let login = login.map(|login| {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            Some((decoded(user)?, decoded(password)?))
        });
        let login = match login {
            Some(login) => Some(login.ok_or(ProxyServerError::Login)?),
            None => None,
        };
        Ok(ProxyServer { kind, host: host.to_owned(), port, login })
    }
}

/// Percent-encoded text, decoded, if it is short enough for a login.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                (digit(rest.next())? << 4 | digit(rest.next())?) as u8
            }
            byte => byte,
        });
    }
    let text = String::from_utf8(bytes).ok()?;
    (text.len() <= 255 && !text.contains(|c: char| c.is_control())).then_some(text)
}

/// Why a proxy does not let us through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// What it answers is not what it is asked to speak.
    #[error("proxy does not speak as it should")]
    Protocol,
    /// It wants a login, or does not accept ours.
    #[error("proxy refuses our login")]
    Login,
    /// It does not connect us.
    #[error("proxy refuses: {0}")]
    Refused(String),
    /// The host's name is too long to be told.
    #[error("host name is too long for the proxy")]
    HostTooLong,
}

/// A conversation with a proxy.
#[derive(Debug)]
pub struct Tunnel {
    proxy: ProxyServer,
    host: String,
    port: u16,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Http,
    Method,
    Login,
    Connect,
}

impl Tunnel {
    /// Wants to get to `host` and `port`. What to say first is put into `out`.
    pub fn new(
        proxy: &ProxyServer,
        host: &str,
        port: u16,
        out: &mut Vec<u8>,
    ) -> Result<Tunnel, ProxyError> {
        if host.len() > 255 {
            return Err(ProxyError::HostTooLong);
        }
        let stage = match (proxy.kind, &proxy.login) {
            (ProxyKind::Http, login) => {
                let authority = if host.contains(':') {
                    format!("[{host}]:{port}")
                } else {
                    format!("{host}:{port}")
                };
                let login = login.as_ref().map(|(user, password)| {
                    let plain = format!("{user}:{password}");
                    let coded = base64::engine::general_purpose::STANDARD.encode(plain);
                    format!("Proxy-Authorization: Basic {coded}\r\n")
                });
                let login = login.unwrap_or_default();
                let request =
                    format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{login}\r\n");
                out.extend_from_slice(request.as_bytes());
                Stage::Http
            }
            (ProxyKind::Socks5, None) => {
                out.extend_from_slice(&[5, 1, 0]);
                Stage::Method
            }
            (ProxyKind::Socks5, Some(_)) => {
                out.extend_from_slice(&[5, 2, 0, 2]);
                Stage::Method
            }
        };
        Ok(Tunnel { proxy: proxy.clone(), host: host.to_owned(), port, stage })
    }

    /// Takes what the proxy has said so far; what to say next is put into `out`. Says how many
    /// bytes are of no more use, and whether the way is open.
    pub fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(usize, bool), ProxyError> {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            let step = match self.stage {
                Stage::Http => {
                    return self.http(rest).map(|len| (used + len.unwrap_or(0), len.is_some()));
                }
                Stage::Method => self.method(rest, out)?,
                Stage::Login => self.login(rest, out)?,
                Stage::Connect => {
                    return Ok(match connected(rest)? {
                        Some(len) => (used + len, true),
                        None => (used, false),
                    });
                }
            };
            match step {
                Some(len) => used += len,
                None => return Ok((used, false)),
            }
        }
    }

    fn http(&self, bytes: &[u8]) -> Result<Option<usize>, ProxyError> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(bytes).map_err(|_| ProxyError::Protocol)? {
            httparse::Status::Complete(len) => match response.code.unwrap_or_default() {
                200..=299 => Ok(Some(len)),
                407 => Err(ProxyError::Login),
                code => {
                    let reason = response.reason.unwrap_or_default();
                    Err(ProxyError::Refused(format!("{code} {reason}").trim_end().to_owned()))
                }
            },
            httparse::Status::Partial if bytes.len() > HEAD_MAX => Err(ProxyError::Protocol),
            httparse::Status::Partial => Ok(None),
        }
    }

    fn method(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<usize>, ProxyError> {
        let [version, method, ..] = *bytes else { return Ok(None) };
        match (version, method, &self.proxy.login) {
            (5, 0, _) => self.ask(out),
            (5, 2, Some((user, password))) => {
                // Both are at most 255 bytes long.
                out.extend_from_slice(&[1, user.len() as u8]);
                out.extend_from_slice(user.as_bytes());
                out.push(password.len() as u8);
                out.extend_from_slice(password.as_bytes());
                self.stage = Stage::Login;
            }
            (5, _, _) => return Err(ProxyError::Login),
            _ => return Err(ProxyError::Protocol),
        }
        Ok(Some(2))
    }

    fn login(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<usize>, ProxyError> {
        let [_, status, ..] = *bytes else { return Ok(None) };
        if status != 0 {
            return Err(ProxyError::Login);
        }
        self.ask(out);
        Ok(Some(2))
    }

    fn ask(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[5, 1, 0]);
        match self.host.parse() {
            Ok(IpAddr::V4(address)) => {
                out.push(1);
                out.extend_from_slice(&address.octets());
            }
            Ok(IpAddr::V6(address)) => {
                out.push(4);
                out.extend_from_slice(&address.octets());
            }
            Err(_) => {
                out.extend_from_slice(&[3, self.host.len() as u8]);
                out.extend_from_slice(self.host.as_bytes());
            }
        }
        out.extend_from_slice(&self.port.to_be_bytes());
        self.stage = Stage::Connect;
    }
}

/// The length of the answer to a request; none: it is not complete.
fn connected(bytes: &[u8]) -> Result<Option<usize>, ProxyError> {
    let [version, status, _, kind, first, ..] = *bytes else { return Ok(None) };
    if version != 5 {
        return Err(ProxyError::Protocol);
    }
    if status != 0 {
        return Err(ProxyError::Refused(
            match status {
                1 => "general failure",
                2 => "not allowed by its rules",
                3 => "network unreachable",
                4 => "host unreachable",
                5 => "connection refused",
                6 => "time to live expired",
                7 => "command not supported",
                8 => "kind of address not supported",
                _ => "unknown reason",
            }
            .to_owned(),
        ));
    }
    let len = match kind {
        1 => 10,
        3 => 7 + usize::from(first),
        4 => 22,
        _ => return Err(ProxyError::Protocol),
    };
    Ok((bytes.len() >= len).then_some(len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_from_text() {
        let check = |text: &str, kind, host: &str, port, login: Option<(&str, &str)>| {
            let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
            let wanted = ProxyServer { kind, host: host.to_owned(), port, login };
            assert_eq!(text.parse(), Ok(wanted), "{text}");
        };
        check("http://p", ProxyKind::Http, "p", 80, None);
        check("socks5h://p:9", ProxyKind::Socks5, "p", 9, None);
        check("socks5://u:p%40s@[::1]/", ProxyKind::Socks5, "::1", 1080, Some(("u", "p@s")));
        let refused = |text: &str, why| assert_eq!(text.parse::<ProxyServer>(), Err(why), "{text}");
        refused("p:80", ProxyServerError::Scheme);
        refused("https://p", ProxyServerError::Scheme);
        refused("http://", ProxyServerError::NoHost);
        refused("http://p:0", ProxyServerError::Port);
        refused("http://u%zz@p", ProxyServerError::Login);
        refused("http://u%0d%0a@p", ProxyServerError::Login);
    }

    /// A dialogue: what we say, what the proxy says, in turn; then whether the way is open. The
    /// proxy's words come whole and byte by byte.
    fn check(proxy: &str, host: &str, talk: &[&[u8]]) -> Result<(), ProxyError> {
        for step in [1, 1000] {
            let mut said = Vec::new();
            let mut tunnel = Tunnel::new(&proxy.parse().unwrap(), host, 1883, &mut said)?;
            let mut open = false;
            for pair in talk.chunks(2) {
                assert_eq!(said, pair[0], "{host}");
                said.clear();
                let mut kept = Vec::new();
                for part in pair[1].chunks(step) {
                    assert!(!open);
                    kept.extend_from_slice(part);
                    let (used, now_open) = tunnel.take(&kept, &mut said)?;
                    kept.drain(..used);
                    open = now_open;
                }
                assert!(kept.is_empty());
            }
            assert!(open && said.is_empty());
        }
        Ok(())
    }

    #[test]
    fn http_proxies_are_asked_to_connect() {
        let asked = b"CONNECT h:1883 HTTP/1.1\r\nHost: h:1883\r\n\r\n";
        check("http://p", "h", &[asked, b"HTTP/1.0 200 Connection established\r\n\r\n"]).unwrap();
        let asked = b"CONNECT [::1]:1883 HTTP/1.1\r\nHost: [::1]:1883\r\n\
            Proxy-Authorization: Basic dTpw\r\n\r\n";
        check("http://u:p@p", "::1", &[asked, b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"]).unwrap();
        let asked = &b"CONNECT h:1883 HTTP/1.1\r\nHost: h:1883\r\n\r\n"[..];
        let refused = |answer: &[u8]| check("http://p", "h", &[asked, answer]).unwrap_err();
        assert_eq!(refused(b"HTTP/1.1 407 No\r\n\r\n"), ProxyError::Login);
        assert_eq!(
            refused(b"HTTP/1.1 502 Bad Gateway\r\n\r\n"),
            ProxyError::Refused("502 Bad Gateway".into())
        );
        assert_eq!(refused(b"SSH-2.0\r\n"), ProxyError::Protocol);
    }

    #[test]
    fn socks_proxies_are_asked_to_connect() {
        let done = &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0][..];
        let by_name = [&[5, 1, 0, 3, 1][..], b"h", &[7, 0x5b]].concat();
        check("socks5://p", "h", &[&[5, 1, 0], &[5, 0], &by_name, done]).unwrap();
        let named = [&[5, 0, 0, 3, 2][..], b"xy", &[0, 0]].concat();
        let four = &[5, 1, 0, 1, 127, 0, 0, 1, 7, 0x5b][..];
        let login = &[1, 1, b'u', 1, b'p'][..];
        let talk = [&[5, 2, 0, 2][..], &[5, 2], login, &[1, 0], four, &named];
        check("socks5://u:p@p", "127.0.0.1", &talk).unwrap();
        let refused = |talk: &[&[u8]]| check("socks5://p", "h", talk).unwrap_err();
        assert_eq!(refused(&[&[5, 1, 0], &[5, 255]]), ProxyError::Login);
        assert_eq!(refused(&[&[5, 1, 0], &[4, 0]]), ProxyError::Protocol);
        let no = &[5, 5, 0, 1, 0, 0, 0, 0, 0, 0][..];
        let why = ProxyError::Refused("connection refused".into());
        assert_eq!(refused(&[&[5, 1, 0], &[5, 0], &by_name, no]), why);
    }
}
