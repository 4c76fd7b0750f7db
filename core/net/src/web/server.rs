//! A listener's side of the handshake, and what else it answers over HTTP.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use tungstenite::handshake::derive_accept_key;

use super::head::Head;
use super::{SUBPROTOCOLS, WebSocketError};

/// WebSocket on a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketServer {
    /// The path that clients ask for; none: whatever they ask for.
    pub path: Option<String>,
    /// The pages whose scripts may connect, as browsers name them in `Origin`
    /// (`https://example.org`), at any port with `:*` at the end; empty: all. Who sends no `Origin`
    /// is no browser, and may.
    pub origins: Vec<String>,
    /// What plain requests get, by their path.
    pub resources: Arc<BTreeMap<String, Resource>>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Most bytes in the head of a request.
    pub head_max: usize,
    /// Most bytes in a frame; none: as many as the largest packet has, and 64 KiB at least.
    pub frame_max: Option<u64>,
}

impl Default for WebSocketServer {
    fn default() -> WebSocketServer {
        WebSocketServer {
            path: None,
            origins: Vec::new(),
            resources: Arc::default(),
            trusted_proxies: Vec::new(),
            head_max: 8192,
            frame_max: None,
        }
    }
}

/// Something that a browser can fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its media type: `text/html; charset=utf-8`.
    pub content_type: String,
    /// Its bytes.
    pub body: Arc<[u8]>,
}

impl Resource {
    /// These bytes, copied.
    pub fn new(content_type: &str, body: impl AsRef<[u8]>) -> Resource {
        Resource { content_type: content_type.to_owned(), body: body.as_ref().into() }
    }
}

/// What is done about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its head is not complete.
    Wait,
    /// It becomes a WebSocket connection.
    Open {
        /// What to send.
        response: Vec<u8>,
        /// How long the head was; frames follow.
        used: usize,
        /// Whom a proxy that is trusted has named as the client.
        client: Option<SocketAddr>,
    },
    /// It is answered, and that is all.
    Close(Vec<u8>),
}

impl WebSocketServer {
    /// Answers what `peer` has sent so far.
    pub fn answer(&self, bytes: &[u8], peer: Option<IpAddr>) -> Result<Answer, WebSocketError> {
        let Some(head) = Head::request(bytes)? else {
            if bytes.len() > self.head_max {
                return Err(WebSocketError::HeadTooLong);
            }
            return Ok(Answer::Wait);
        };
        if head.len > self.head_max {
            return Err(WebSocketError::HeadTooLong);
        }
        let (method, target) = head.request.unwrap_or_default();
        let path = target.split(['?', '#']).next().unwrap_or_default();
        if !["GET", "HEAD"].contains(&method) {
            return Ok(text(
                "405 Method Not Allowed",
                "Only GET is answered here.\n",
                "Allow: GET, HEAD\r\n",
            ));
        }
        if !head.has("Upgrade", "websocket") {
            return Ok(self.page(path, method == "HEAD"));
        }
        if self.path.as_deref().is_some_and(|wanted| wanted != path) {
            return Ok(text("404 Not Found", "There is no WebSocket at this path.\n", ""));
        }
        if let Some(origin) = head.one("Origin")
            && !self.origins.is_empty()
            && !self.origins.iter().any(|allowed| is_allowed(allowed, origin))
        {
            return Ok(text("403 Forbidden", "Pages of this origin may not connect.\n", ""));
        }
        let bad = |why: &str| Ok(text("400 Bad Request", why, ""));
        let key = head.one("Sec-WebSocket-Key");
        let (true, true, Some(key)) = (head.is_1_1(), head.has("Connection", "Upgrade"), key)
        else {
            return bad("This is no handshake of WebSocket.\n");
        };
        if head.one("Sec-WebSocket-Version") != Some("13") {
            let other = "Sec-WebSocket-Version: 13\r\n";
            return Ok(text("426 Upgrade Required", "Only version 13 is spoken.\n", other));
        }
        let offers =
            |protocol: &&&str| head.list("Sec-WebSocket-Protocol").any(|p| p == **protocol);
        let Some(protocol) = SUBPROTOCOLS.iter().find(offers) else {
            return bad("The subprotocol mqtt is not among those offered.\n");
        };
        let accept = derive_accept_key(key.as_bytes());
        let response = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
        );
        let client = self.forwarded(&head, peer);
        Ok(Answer::Open { response: response.into_bytes(), used: head.len, client })
    }

    /// What a plain request gets.
    fn page(&self, path: &str, head_only: bool) -> Answer {
        let Some(resource) = self.resources.get(path) else {
            if self.path.as_deref().is_none_or(|ours| ours == path) {
                let other = "Upgrade: websocket\r\n";
                let why = "This is MQTT over WebSocket: connect with an MQTT client.\n";
                return text("426 Upgrade Required", why, other);
            }
            return text("404 Not Found", "There is nothing at this path.\n", "");
        };
        let mut response = head(
            "200 OK",
            &resource.content_type,
            resource.body.len(),
            // What is served may change with the broker.
            "Cache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n",
        );
        if !head_only {
            response.extend_from_slice(&resource.body);
        }
        Answer::Close(response)
    }

    /// Whom proxies have named: each has added who it was called by, so that the last one that is
    /// not a trusted proxy itself is the client.
    fn forwarded(&self, head: &Head<'_>, peer: Option<IpAddr>) -> Option<SocketAddr> {
        let trusted = |address: IpAddr| {
            self.trusted_proxies.iter().any(|network| network.contains(&address.to_canonical()))
        };
        // A Unix socket is reached from this machine only, by whom its folder lets in.
        if self.trusted_proxies.is_empty() || !peer.is_none_or(trusted) {
            return None;
        }
        let mut client = None;
        let named: Vec<&str> = head.list("X-Forwarded-For").collect();
        for text in named.into_iter().rev() {
            let address = address(text)?;
            client = Some(address);
            if !trusted(address.ip()) {
                break;
            }
        }
        client
    }
}

/// Whether an entry of the list of origins names this one.
fn is_allowed(entry: &str, origin: &str) -> bool {
    let Some(host) = entry.strip_suffix(":*") else { return entry.eq_ignore_ascii_case(origin) };
    let Some((start, port)) = origin.split_at_checked(host.len()) else { return false };
    let is_number = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    start.eq_ignore_ascii_case(host)
        && (port.is_empty() || port.strip_prefix(':').is_some_and(is_number))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    Some(SocketAddr::new(bare.parse().ok()?, 0))
}

/// What to tell a peer whose request cannot be read.
pub(crate) fn complaint(error: &WebSocketError) -> Vec<u8> {
    let answer = match error {
        WebSocketError::HeadTooLong => {
            text("431 Request Header Fields Too Large", "The request is too long.\n", "")
        }
        _ => text("400 Bad Request", "This is no request of HTTP/1.1.\n", ""),
    };
    match answer {
        Answer::Close(response) => response,
        Answer::Wait | Answer::Open { .. } => Vec::new(),
    }
}

fn text(status: &str, body: &str, headers: &str) -> Answer {
    let mut response = head(status, "text/plain; charset=utf-8", body.len(), headers);
    response.extend_from_slice(body.as_bytes());
    Answer::Close(response)
}

fn head(status: &str, content_type: &str, length: usize, headers: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         {headers}Connection: close\r\n\r\n"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDSHAKE: &str = "GET /mqtt?x HTTP/1.1\r\nHost: h\r\nUpgrade: WebSocket\r\n\
         Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqttv3.1, mqtt\r\n\r\n";

    fn answer(server: &WebSocketServer, request: &str) -> String {
        match server.answer(request.as_bytes(), None).unwrap() {
            Answer::Open { response, .. } | Answer::Close(response) => {
                String::from_utf8(response).unwrap()
            }
            Answer::Wait => "wait".into(),
        }
    }

    #[test]
    fn a_handshake_is_answered_when_it_is_complete() {
        let server = WebSocketServer::default();
        for cut in 0..HANDSHAKE.len() {
            assert_eq!(answer(&server, &HANDSHAKE[..cut]), "wait");
        }
        let request = format!("{HANDSHAKE}frames");
        let Answer::Open { response, used, client } =
            server.answer(request.as_bytes(), None).unwrap()
        else {
            panic!("not opened")
        };
        assert_eq!((used, client), (HANDSHAKE.len(), None));
        let response = String::from_utf8(response).unwrap();
        assert!(response.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        assert!(response.contains("Sec-WebSocket-Protocol: mqtt\r\n"), "{response}");
        let old = HANDSHAKE.replace("mqttv3.1, mqtt", "mqttv3.1");
        assert!(answer(&server, &old).contains("Sec-WebSocket-Protocol: mqttv3.1\r\n"));
    }

    #[test]
    fn what_is_no_handshake_for_us_is_refused_with_the_reason() {
        let server = WebSocketServer {
            path: Some("/mqtt".into()),
            origins: vec!["https://a.example".into(), "http://[::1]:*".into()],
            ..WebSocketServer::default()
        };
        let check = |from: &str, to: &str, wanted: &str| {
            let response = answer(&server, &HANDSHAKE.replace(from, to));
            assert!(response.starts_with(&format!("HTTP/1.1 {wanted}")), "{to}: {response}");
        };
        check("", "", "101");
        check("/mqtt", "/other", "404");
        check("GET", "POST", "405");
        check("13", "8", "426");
        check("mqttv3.1, mqtt", "chat", "400");
        check("HTTP/1.1", "HTTP/1.0", "400");
        check("Sec-WebSocket-Key", "Sec-WebSocket-Kez", "400");
        check("Host: h", "Origin: https://a.example", "101");
        for origin in ["https://b.example", "https://a.example:1", "http://[::1]:x", "null"] {
            check("Host: h", &format!("Origin: {origin}"), "403");
        }
        for origin in ["http://[::1]", "HTTP://[::1]:8080"] {
            check("Host: h", &format!("Origin: {origin}"), "101");
        }
        check("Host: h", "Origin: http://[::1]:80.evil.example", "403");
        check("Upgrade: WebSocket\r\n", "", "426");
        assert_eq!(server.answer(b"\x10\x0c\0\x04MQTT", None), Err(WebSocketError::NotHttp));
        let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(9000));
        assert_eq!(server.answer(long.as_bytes(), None), Err(WebSocketError::HeadTooLong));
    }

    #[test]
    fn plain_requests_get_what_is_there() {
        let page = ("/".to_owned(), Resource::new("text/html", "<p>hello"));
        let server = WebSocketServer {
            path: Some("/mqtt".into()),
            resources: Arc::new([page].into()),
            ..WebSocketServer::default()
        };
        let found = answer(&server, "GET / HTTP/1.1\r\n\r\n");
        assert!(found.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"), "{found}");
        assert!(found.ends_with("\r\nConnection: close\r\n\r\n<p>hello"), "{found}");
        assert!(answer(&server, "HEAD / HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
        assert!(answer(&server, "GET /x HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(answer(&server, "GET /mqtt HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 426"));
    }

    #[test]
    fn only_trusted_proxies_name_the_client() {
        let server = WebSocketServer {
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
            ..WebSocketServer::default()
        };
        let check = |peer: &str, header: &str, wanted: Option<&str>| {
            let header = format!("Host: h\r\nX-Forwarded-For: {header}");
            let request = HANDSHAKE.replace("Host: h", &header);
            match server.answer(request.as_bytes(), Some(peer.parse().unwrap())).unwrap() {
                Answer::Open { client, .. } => {
                    assert_eq!(client, wanted.map(|wanted| wanted.parse().unwrap()), "{header}");
                }
                other => panic!("{other:?}"),
            }
        };
        check("10.1.2.3", "192.0.2.1", Some("192.0.2.1:0"));
        check("::ffff:10.1.2.3", "192.0.2.1:99", Some("192.0.2.1:99"));
        check("::1", "[2001:db8::1]", Some("[2001:db8::1]:0"));
        // The client may have made up what stands before what the proxies have added.
        check("10.1.2.3", "198.51.100.1, 192.0.2.1, 10.9.9.9", Some("192.0.2.1:0"));
        check("10.1.2.3", "nonsense", None);
        check("192.0.2.9", "192.0.2.1", None);
    }
}
