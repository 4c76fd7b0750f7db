//! Heads of HTTP/1.1, of requests and responses.

use super::WebSocketError;

/// Headers at most.
const HEADERS_MAX: usize = 100;

/// A head, taken apart.
pub(super) struct Head<'a> {
    /// A request's method and path; none in a response.
    pub(super) request: Option<(&'a str, &'a str)>,
    /// A response's status and what it says beside it.
    pub(super) status: (u16, &'a str),
    /// The last digit of HTTP/1.x.
    minor: u8,
    headers: Vec<(&'a str, &'a [u8])>,
    /// Bytes that it has.
    pub(super) len: usize,
}

impl<'a> Head<'a> {
    /// A request's head; none: it is not complete.
    pub(super) fn request(bytes: &'a [u8]) -> Result<Option<Head<'a>>, WebSocketError> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let status = request.parse(bytes).map_err(|_| WebSocketError::NotHttp)?;
        let httparse::Status::Complete(len) = status else { return Ok(None) };
        let line = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
        Ok(Some(Head {
            request: Some(line),
            status: (0, ""),
            minor: request.version.unwrap_or_default(),
            headers: list(request.headers),
            len,
        }))
    }

    /// A response's head; none: it is not complete.
    pub(super) fn response(bytes: &'a [u8]) -> Result<Option<Head<'a>>, WebSocketError> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let status = response.parse(bytes).map_err(|_| WebSocketError::NotHttp)?;
        let httparse::Status::Complete(len) = status else { return Ok(None) };
        Ok(Some(Head {
            request: None,
            status: (response.code.unwrap_or_default(), response.reason.unwrap_or_default()),
            minor: response.version.unwrap_or_default(),
            headers: list(response.headers),
            len,
        }))
    }

    pub(super) fn is_1_1(&self) -> bool {
        self.minor == 1
    }

    /// All values under a name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let ours = move |header: &&(&str, &[u8])| header.0.eq_ignore_ascii_case(name);
        self.headers.iter().filter(ours).filter_map(|(_, value)| core::str::from_utf8(value).ok())
    }

    /// The one value under a name.
    pub(super) fn one(&self, name: &str) -> Option<&'a str> {
        self.all(name).next().map(str::trim)
    }

    /// The parts of values that are lists with commas.
    pub(super) fn list(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.all(name).flat_map(|value| value.split(',')).map(str::trim)
    }

    /// Whether a list has this word, in whatever case.
    pub(super) fn has(&self, name: &str, word: &str) -> bool {
        self.list(name).any(|found| found.eq_ignore_ascii_case(word))
    }
}

fn list<'a>(headers: &[httparse::Header<'a>]) -> Vec<(&'a str, &'a [u8])> {
    headers.iter().map(|header| (header.name, header.value)).collect()
}
