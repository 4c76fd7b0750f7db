//! A client's side of the handshake.

use tungstenite::handshake::derive_accept_key;

use super::head::Head;
use super::{SUBPROTOCOLS, WebSocketError};

/// Most bytes in the head of a response.
const HEAD_MAX: usize = 16 * 1024;
/// Headers that the handshake itself has.
const OURS: [&str; 6] = [
    "Host",
    "Upgrade",
    "Connection",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Protocol",
];

/// WebSocket of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebSocketClient {
    /// Further headers of the request, such as `Authorization` or `Origin`.
    pub headers: Vec<(String, String)>,
    /// Most bytes in a frame of the server; none: any.
    pub frame_max: Option<u64>,
}

impl WebSocketClient {
    /// Whether its headers can be sent.
    pub fn check(&self) -> Result<(), WebSocketError> {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        for (name, value) in &self.headers {
            let named = !name.is_empty() && name.chars().all(token);
            let ours = OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours));
            if !named || ours || value.contains(|c: char| c.is_control() && c != '\t') {
                return Err(WebSocketError::Header(format!("{name}: {value}")));
            }
        }
        Ok(())
    }
}

/// A request that waits for its response.
#[derive(Debug)]
pub(crate) struct Request {
    text: String,
    key: String,
}

impl Request {
    /// Asks for `path` at the host called `host`, with port if that is not the usual one.
    pub(crate) fn new(options: &WebSocketClient, host: &str, path: &str, key: [u8; 16]) -> Request {
        use std::fmt::Write;
        let key = base64(key);
        let mut text = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: {}\r\n",
            SUBPROTOCOLS[0]
        );
        for (name, value) in &options.headers {
            // Writing to a string does not fail.
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text.push_str("\r\n");
        Request { text, key }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// How long the head of the response is that has come; none: it is not complete.
    pub(crate) fn answered(&self, bytes: &[u8]) -> Result<Option<usize>, WebSocketError> {
        let Some(head) = Head::response(bytes)? else {
            if bytes.len() > HEAD_MAX {
                return Err(WebSocketError::HeadTooLong);
            }
            return Ok(None);
        };
        let (status, reason) = head.status;
        if status != 101 {
            return Err(WebSocketError::Refused { status, reason: reason.to_owned() });
        }
        let wrong = |what| Err(WebSocketError::NotUpgraded(what));
        if !head.has("Upgrade", "websocket") || !head.has("Connection", "Upgrade") {
            return wrong("it does not say so");
        }
        let accept = derive_accept_key(self.key.as_bytes());
        if head.one("Sec-WebSocket-Accept") != Some(&accept) {
            return wrong("its answer is to another request");
        }
        if head.one("Sec-WebSocket-Extensions").is_some() {
            return wrong("it uses an extension");
        }
        match head.one("Sec-WebSocket-Protocol") {
            Some(protocol) if protocol == SUBPROTOCOLS[0] => Ok(Some(head.len)),
            _ => Err(WebSocketError::NoSubprotocol),
        }
    }
}

fn base64(key: [u8; 16]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
         Sec-WebSocket-Protocol: mqtt\r\n\r\n";

    fn request(headers: &[(&str, &str)]) -> Request {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let options = WebSocketClient { headers, frame_max: None };
        options.check().unwrap();
        Request::new(&options, "h:1", "/mqtt", *b"the sample nonce")
    }

    #[test]
    fn a_request_has_what_the_server_needs() {
        let request = request(&[("Authorization", "Basic x")]);
        let text = String::from_utf8(request.bytes().to_vec()).unwrap();
        assert!(text.starts_with("GET /mqtt HTTP/1.1\r\nHost: h:1\r\n"), "{text}");
        assert!(text.contains("\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), "{text}");
        assert!(text.ends_with("\r\nAuthorization: Basic x\r\n\r\n"), "{text}");
    }

    #[test]
    fn headers_that_break_a_request_are_refused() {
        for (name, value) in [("a b", "x"), ("", "x"), ("a", "x\r\nb: y"), ("host", "x")] {
            let headers = vec![(name.to_owned(), value.to_owned())];
            assert!(WebSocketClient { headers, frame_max: None }.check().is_err(), "{name}");
        }
    }

    #[test]
    fn a_response_is_read_when_it_is_complete() {
        let request = request(&[]);
        for cut in 0..RESPONSE.len() {
            assert_eq!(request.answered(&RESPONSE.as_bytes()[..cut]), Ok(None));
        }
        let more = format!("{RESPONSE}frames");
        assert_eq!(request.answered(more.as_bytes()), Ok(Some(RESPONSE.len())));
    }

    #[test]
    fn other_responses_are_told_apart() {
        let check = |from: &str, to: &str, wanted: WebSocketError| {
            let response = RESPONSE.replace(from, to);
            assert_eq!(request(&[]).answered(response.as_bytes()), Err(wanted), "{to}");
        };
        check("mqtt", "chat", WebSocketError::NoSubprotocol);
        check("s3pP", "x3pP", WebSocketError::NotUpgraded("its answer is to another request"));
        check("websocket", "h2c", WebSocketError::NotUpgraded("it does not say so"));
        let refused = WebSocketError::Refused { status: 401, reason: "Unauthorized".into() };
        check("101 Switching Protocols", "401 Unauthorized", refused);
        check("HTTP/1.1 101", "SSH-2.0", WebSocketError::NotHttp);
    }
}
