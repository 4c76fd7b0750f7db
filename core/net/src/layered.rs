//! A socket below layers.
//!
//! From the wire up: a PROXY header or a way through a proxy, which is gone when it is over; TLS;
//! WebSocket. Bytes are read into the back half of the loop's buffer, and what the layers make of
//! them, which is never more, is put to its front. What is incomplete is kept in `input`, what the
//! socket does not take in `output`; both are empty, and without memory, most of the time.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::Link;
use crate::proxy_header::{ProxyHeaderError, ProxyVersions, proxy_header};
use crate::socket::Socket;
use crate::tls::{
    Certificate, RECORD_MAX, RECORD_OVERHEAD, Session, TlsClient, TlsError, TlsServer,
};
use crate::tunnel::{ProxyError, ProxyServer, Tunnel};
use crate::web::{
    Answer, Frames, HEADER_MAX, Kind, Request, Side, WebSocketClient, WebSocketError,
    WebSocketServer, apply_mask, close_code, complaint, put_frame, put_header,
};

/// Reads without anything for the program in one call.
const ROUNDS_MAX: usize = 4;
/// Times that scratch is filled in one call.
const FILLS_MAX: usize = 8;
/// The end is wanted; nothing is wrong.
const NORMAL: [u8; 2] = 1000u16.to_be_bytes();

/// Why a layer has failed. It comes inside an [`io::Error`]: see [`LayerError::of`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayerError {
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// WebSocket.
    #[error(transparent)]
    WebSocket(#[from] WebSocketError),
    /// The proxy in front of a listener.
    #[error(transparent)]
    ProxyHeader(#[from] ProxyHeaderError),
    /// The proxy that a client goes through.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The connection was closed within the handshakes.
    #[error("peer closed the connection within the handshake")]
    Closed,
}

impl LayerError {
    /// The layer's error inside an error of a link.
    pub fn of(error: &io::Error) -> Option<&LayerError> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<LayerError> for io::Error {
    fn from(error: LayerError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

/// Whether a client's certificate says who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertificateUser {
    /// No.
    #[default]
    No,
    /// Its Common Name is the name of the user.
    CommonName,
    /// Its whole Subject is.
    Subject,
}

/// What the handshakes have brought to light about a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The client whom a trusted proxy has named.
    pub client: Option<SocketAddr>,
    /// The certificate that the peer has shown, and that was found to be good.
    pub certificate: Option<Certificate>,
    /// What the listener makes of it.
    pub user: CertificateUser,
}

/// The layers of accepted links.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerLayers {
    pub(crate) proxy: Option<ProxyVersions>,
    pub(crate) tls: Option<TlsServer>,
    pub(crate) web: Option<Arc<WebSocketServer>>,
    pub(crate) user: CertificateUser,
}

/// What a client's link goes through, from the socket on.
#[derive(Clone, Debug, Default)]
pub struct Route {
    /// A proxy, and where it is to connect us.
    pub proxy: Option<(ProxyServer, String, u16)>,
    /// TLS, and the host that the server's certificate must be for.
    pub tls: Option<(TlsClient, String)>,
    /// WebSocket: the host, with port if it is not the usual one, and the path.
    pub web_socket: Option<(WebSocketClient, String, String)>,
}

impl Route {
    fn is_direct(&self) -> bool {
        self.proxy.is_none() && self.tls.is_none() && self.web_socket.is_none()
    }

    /// The link that goes this way over an open socket.
    pub(crate) fn link(&self, socket: Socket) -> Result<Link, LayerError> {
        if self.is_direct() {
            return Ok(Link::bare(socket));
        }
        let mut layered = Layered::over(socket);
        if let Some((proxy, host, port)) = &self.proxy {
            let tunnel = Tunnel::new(proxy, host, *port, &mut layered.output)?;
            layered.first = Some(Box::new(First::Tunnel(tunnel)));
        }
        if let Some((tls, host)) = &self.tls {
            layered.tls = Tls::Session(Session::client(tls, host)?);
        }
        if let Some((options, host, path)) = &self.web_socket {
            let mut key = [0; 16];
            getrandom::fill(&mut key).map_err(|error| TlsError::Other(error.to_string()))?;
            let request = Request::new(options, host, path, key);
            let shaking = Shaking { hand: Hand::Client(request, false), head: Vec::new() };
            let frames = Frames::new(Side::Client, options.frame_max.unwrap_or(u64::MAX));
            let side = Side::Client;
            layered.web = Some(Box::new(Web { side, frames, shaking: Some(Box::new(shaking)) }));
        }
        layered.step()?;
        Ok(Link::layered(layered))
    }
}

/// A socket and the layers over it.
#[derive(Debug)]
pub(crate) struct Layered {
    pub(crate) socket: Socket,
    /// From the wire, incomplete.
    input: Vec<u8>,
    /// For the wire.
    output: Vec<u8>,
    first: Option<Box<First>>,
    tls: Tls,
    web: Option<Box<Web>>,
    facts: Option<Box<Facts>>,
    /// TLS is open, or there is none and nothing before it.
    secured: bool,
    /// TLS has been asked what to say first.
    begun: bool,
    more: bool,
    /// The peer will send no more.
    ended: bool,
    /// Nothing follows what is in `output`.
    last: bool,
    /// The peer was told so.
    finished: bool,
}

/// What comes before all else, and then is gone.
#[derive(Debug)]
enum First {
    Header(ProxyVersions),
    Tunnel(Tunnel),
}

#[derive(Debug)]
enum Tls {
    None,
    /// Costs memory only when the peer has said something.
    Awaited(TlsServer),
    Session(Session),
}

#[derive(Debug)]
struct Web {
    side: Side,
    frames: Frames,
    shaking: Option<Box<Shaking>>,
}

/// A handshake of WebSocket.
#[derive(Debug)]
struct Shaking {
    hand: Hand,
    /// What has come of the peer's head.
    head: Vec<u8>,
}

#[derive(Debug)]
enum Hand {
    Server(Arc<WebSocketServer>),
    /// Whether the request is sent.
    Client(Request, bool),
}

impl Layered {
    fn over(socket: Socket) -> Layered {
        Layered {
            socket,
            input: Vec::new(),
            output: Vec::new(),
            first: None,
            tls: Tls::None,
            web: None,
            facts: None,
            secured: false,
            begun: false,
            more: false,
            ended: false,
            last: false,
            finished: false,
        }
    }

    /// The link of an accepted socket; `proxied`: its peer may name another client.
    pub(crate) fn accepted(socket: Socket, layers: &ServerLayers, proxied: bool) -> Layered {
        let mut layered = Layered::over(socket);
        layered.first = layers.proxy.map(|versions| Box::new(First::Header(versions)));
        if let Some(tls) = &layers.tls {
            layered.tls = Tls::Awaited(tls.clone());
        }
        if let Some(options) = &layers.web {
            let frames = Frames::new(Side::Server, options.frame_max.unwrap_or(u64::MAX));
            let shaking = Shaking { hand: Hand::Server(options.clone()), head: Vec::new() };
            let side = Side::Server;
            layered.web = Some(Box::new(Web { side, frames, shaking: Some(Box::new(shaking)) }));
        }
        if proxied {
            layered.facts();
        }
        if layers.user != CertificateUser::No {
            // Also without a certificate: who has none is nobody then.
            layered.facts().user = layers.user;
        }
        layered.secured = layered.first.is_none() && matches!(layered.tls, Tls::None);
        layered
    }

    pub(crate) fn is_open(&self) -> bool {
        self.secured && self.web.as_ref().is_none_or(|web| web.shaking.is_none())
    }

    pub(crate) fn has_more(&self) -> bool {
        self.more
    }

    pub(crate) fn owes(&self) -> bool {
        !self.output.is_empty()
    }

    pub(crate) fn take_facts(&mut self) -> Option<Box<Facts>> {
        if self.is_open() { self.facts.take() } else { None }
    }

    fn facts(&mut self) -> &mut Facts {
        self.facts.get_or_insert_default()
    }

    pub(crate) fn shake(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        self.flush()?;
        while !self.is_open() {
            match self.read(buffer) {
                Ok(0) => return Err(LayerError::Closed.into()),
                Ok(_) if self.is_open() => {
                    // A server of MQTT speaks only when it was spoken to.
                    return Err(LayerError::Closed.into());
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.more {
                        break;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.is_open())
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (plain, wire) = buffer.split_at_mut(buffer.len() / 2);
        for _ in 0..ROUNDS_MAX {
            if self.ended {
                return Ok(0);
            }
            let kept = self.input.len();
            let Some((front, room)) = wire.split_at_mut_checked(kept).filter(|w| !w.1.is_empty())
            else {
                return Err(LayerError::Tls(TlsError::Other("handshake is too long".into())).into());
            };
            self.more = false;
            let count = self.socket.read(room)?;
            if count == 0 {
                self.ended = true;
                return if self.is_open() { Ok(0) } else { Err(LayerError::Closed.into()) };
            }
            self.more = count == room.len() || !Link::SHORT_READ_DRAINS;
            front.copy_from_slice(&self.input);
            let carried = self.take(&mut wire[..kept + count], plain);
            if carried.is_err() {
                // Who has failed says nothing more than why, and is not listened to.
                (self.ended, self.last) = (true, true);
            }
            let flushed = self.flush();
            let carried = carried?;
            flushed?;
            if carried > 0 {
                self.more |= self.ended;
                return Ok(carried);
            }
        }
        self.more = true;
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn keep(&mut self, rest: &[u8]) {
        if rest.is_empty() {
            self.input = Vec::new();
        } else {
            self.input.clear();
            self.input.extend_from_slice(rest);
        }
    }

    /// Takes what came from the wire; leaves what it carries at the front of `plain`.
    fn take(&mut self, wire: &mut [u8], plain: &mut [u8]) -> Result<usize, LayerError> {
        if self.last {
            // It has been answered; what else the peer says is of no use.
            self.keep(&[]);
            return Ok(0);
        }
        let used = self.take_first(wire)?;
        let rest = &mut wire[used..];
        if self.first.is_some() {
            self.keep(rest);
            return Ok(0);
        }
        if let Tls::Awaited(tls) = &self.tls {
            self.tls = Tls::Session(Session::server(tls)?);
            self.begun = true;
        }
        let count = match &mut self.tls {
            Tls::Session(session) => {
                let fed = session.feed(rest, plain, &mut self.output)?;
                if fed.open && !self.secured {
                    self.secured = true;
                    if let Some(certificate) = session.peer_certificate() {
                        self.facts().certificate = Some(certificate);
                    }
                }
                self.ended |= fed.ended;
                self.keep(&rest[fed.used..]);
                fed.plain
            }
            Tls::None | Tls::Awaited(_) => {
                self.secured = true;
                let count = rest.len();
                plain[..count].copy_from_slice(rest);
                self.keep(&[]);
                count
            }
        };
        self.step()?;
        let carried = self.take_web(plain, count)?;
        if self.ended {
            self.say_end()?;
        }
        Ok(carried)
    }

    /// The layer that is gone afterwards; says how many bytes it has used.
    fn take_first(&mut self, wire: &[u8]) -> Result<usize, LayerError> {
        let (used, over) = match self.first.as_deref_mut() {
            None => return Ok(0),
            Some(First::Tunnel(tunnel)) => tunnel.take(wire, &mut self.output)?,
            Some(First::Header(versions)) => match proxy_header(wire, *versions)? {
                None => (0, false),
                Some(header) => {
                    let facts = self.facts();
                    (facts.client, facts.certificate) = (header.client, header.certificate);
                    (header.len, true)
                }
            },
        };
        if over {
            self.first = None;
            self.step()?;
        }
        Ok(used)
    }

    /// Says what a client has to say without being asked.
    fn step(&mut self) -> Result<(), LayerError> {
        if self.first.is_some() {
            return Ok(());
        }
        match &mut self.tls {
            Tls::None => self.secured = true,
            Tls::Session(session) if !core::mem::replace(&mut self.begun, true) => {
                session.feed(&mut [], &mut [], &mut self.output)?;
            }
            Tls::Session(_) | Tls::Awaited(_) => {}
        }
        if !self.secured {
            return Ok(());
        }
        let mut request = Vec::new();
        if let Some(web) = &mut self.web
            && let Some(shaking) = &mut web.shaking
            && let Hand::Client(asked, sent) = &mut shaking.hand
            && !core::mem::replace(sent, true)
        {
            request.extend_from_slice(asked.bytes());
        }
        self.say(&request)
    }

    /// Takes `count` bytes of plaintext; leaves what they carry in their place.
    fn take_web(&mut self, plain: &mut [u8], mut count: usize) -> Result<usize, LayerError> {
        let Some(web) = &mut self.web else { return Ok(count) };
        if let Some(shaking) = web.shaking.take() {
            if count == 0 {
                web.shaking = Some(shaking);
                return Ok(0);
            }
            match self.shake_web(shaking, &plain[..count])? {
                Some(rest) => {
                    plain[..rest.len()].copy_from_slice(&rest);
                    count = rest.len();
                }
                None => return Ok(0),
            }
        }
        let Some(web) = &mut self.web else { return Ok(count) };
        let mut replies = Vec::new();
        let carried = web.frames.take(&mut plain[..count], &mut replies);
        let (side, closed) = (web.side, web.frames.is_closed());
        if self.output.len() > RECORD_MAX {
            // Answers are for those who read them.
            replies.clear();
        }
        if let Err(error) = &carried {
            put_frame(side, Kind::Close, &close_code(error).to_be_bytes(), &mut replies);
        }
        self.say(&replies)?;
        self.ended |= closed;
        Ok(carried?)
    }

    /// Goes on with the handshake. What follows the peer's head, if it is complete.
    fn shake_web(
        &mut self,
        mut shaking: Box<Shaking>,
        plain: &[u8],
    ) -> Result<Option<Vec<u8>>, LayerError> {
        shaking.head.extend_from_slice(plain);
        let used = match &shaking.hand {
            Hand::Client(request, _) => request.answered(&shaking.head)?,
            Hand::Server(options) => match options.answer(&shaking.head, self.peer_ip()) {
                Ok(Answer::Wait) => None,
                Ok(Answer::Open { response, used, client }) => {
                    self.say(&response)?;
                    if client.is_some() {
                        self.facts().client = client;
                    }
                    Some(used)
                }
                Ok(Answer::Close(response)) => {
                    self.say(&response)?;
                    self.last = true;
                    None
                }
                Err(error) => {
                    self.say(&complaint(&error))?;
                    return Err(error.into());
                }
            },
        };
        match used {
            Some(used) => Ok(Some(shaking.head.split_off(used))),
            None => {
                if let (Some(web), false) = (&mut self.web, self.last) {
                    web.shaking = Some(shaking);
                }
                Ok(None)
            }
        }
    }

    /// Who is at the other end, as far as is known.
    fn peer_ip(&self) -> Option<IpAddr> {
        let told = self.facts.as_ref().and_then(|facts| facts.client);
        told.or_else(|| self.socket.peer()).map(|address| address.ip())
    }

    /// Puts bytes of our own behind `output`, over TLS if there is any.
    fn say(&mut self, bytes: &[u8]) -> Result<(), LayerError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let Tls::Session(session) = &mut self.tls else {
            self.output.extend_from_slice(bytes);
            return Ok(());
        };
        let start = self.output.len();
        let records = bytes.len() / RECORD_MAX + 1;
        self.output.resize(start + bytes.len() + records * RECORD_OVERHEAD, 0);
        let sealed = session.seal(Some(bytes), &mut self.input, &mut self.output[start..]);
        self.output.truncate(start + *sealed.as_ref().unwrap_or(&0));
        sealed?;
        Ok(())
    }

    /// Says, once, that nothing follows.
    fn say_end(&mut self) -> Result<(), LayerError> {
        if core::mem::replace(&mut self.last, true) {
            return Ok(());
        }
        if let Tls::Session(session) = &mut self.tls
            && self.secured
        {
            let start = self.output.len();
            self.output.resize(start + RECORD_OVERHEAD, 0);
            let sealed = session.seal(None, &mut self.input, &mut self.output[start..]);
            self.output.truncate(start + *sealed.as_ref().unwrap_or(&0));
            sealed?;
        }
        Ok(())
    }

    /// Writes what is in `output` as far as the socket takes it.
    fn flush(&mut self) -> io::Result<()> {
        let mut sent = 0;
        while sent < self.output.len() {
            match self.socket.write(&self.output[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if sent < self.output.len() {
            self.output.drain(..sent);
            return Ok(());
        }
        self.output = Vec::new();
        if self.last && !core::mem::replace(&mut self.finished, true) {
            // Whatever comes of it: the peer's end, or the deadline, closes it.
            let _ = self.socket.finish();
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self) -> io::Result<()> {
        if self.is_open() && !self.last {
            if let Some(web) = &self.web {
                let (side, mut close) = (web.side, Vec::new());
                put_frame(side, Kind::Close, &NORMAL, &mut close);
                self.say(&close)?;
            }
            self.say_end()?;
        }
        self.last = true;
        self.flush()
    }

    pub(crate) fn write(&mut self, pieces: &[&[u8]], scratch: &mut [u8]) -> io::Result<usize> {
        self.flush()?;
        if self.owes() || pieces.iter().all(|piece| piece.is_empty()) {
            return Ok(0);
        }
        if self.last || !self.is_open() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let mut source = Pieces { pieces, at: 0, taken: 0 };
        let (gather, wire) = scratch.split_at_mut(RECORD_MAX);
        for _ in 0..FILLS_MAX {
            let mut filled = 0;
            while !source.is_empty() && wire.len() - filled >= RECORD_MAX + RECORD_OVERHEAD {
                filled += self.pack(&mut source, gather, &mut wire[filled..])?;
            }
            if filled == 0 {
                break;
            }
            let sent = match self.socket.write(&wire[..filled]) {
                Ok(sent) => sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error),
            };
            if sent < filled {
                self.output.extend_from_slice(&wire[sent..filled]);
                break;
            }
        }
        Ok(source.taken)
    }

    /// Puts as many bytes as go into one record or frame to the front of `out`, wrapped.
    fn pack(
        &mut self,
        source: &mut Pieces<'_>,
        gather: &mut [u8],
        out: &mut [u8],
    ) -> Result<usize, LayerError> {
        let side = self.web.as_ref().map(|web| web.side);
        let Tls::Session(session) = &mut self.tls else {
            let length = source.left().min(out.len() - HEADER_MAX);
            return Ok(match side {
                Some(side) => frame(side, source, length, out),
                None => source.gather(&mut out[..length]),
            });
        };
        let Some(side) = side else {
            if let Some(whole) = source.whole(RECORD_MAX) {
                return Ok(session.seal(Some(whole), &mut self.input, out)?);
            }
            let length = source.gather(&mut gather[..RECORD_MAX]);
            return Ok(session.seal(Some(&gather[..length]), &mut self.input, out)?);
        };
        let length = source.left().min(RECORD_MAX - HEADER_MAX);
        let length = frame(side, source, length, gather);
        Ok(session.seal(Some(&gather[..length]), &mut self.input, out)?)
    }
}

/// Puts `length` bytes as a frame to the front of `out`; says how long it is.
fn frame(side: Side, source: &mut Pieces<'_>, length: usize, out: &mut [u8]) -> usize {
    let (start, mask) = put_header(side, Kind::Binary, length, out);
    let payload = &mut out[start..start + length];
    source.gather(payload);
    if let Some(mask) = mask {
        apply_mask(payload, mask);
    }
    start + length
}

/// Bytes in pieces, taken from the front.
struct Pieces<'a> {
    pieces: &'a [&'a [u8]],
    /// Bytes of the first piece that are taken.
    at: usize,
    /// Bytes taken in all.
    taken: usize,
}

impl<'a> Pieces<'a> {
    fn left(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum::<usize>() - self.at
    }

    fn is_empty(&self) -> bool {
        self.left() == 0
    }

    /// Takes up to `max` bytes without copying, if they are in one piece and none that would fit
    /// too is left behind.
    fn whole(&mut self, max: usize) -> Option<&'a [u8]> {
        while self.pieces.first().is_some_and(|piece| piece.len() == self.at) {
            (self.pieces, self.at) = (&self.pieces[1..], 0);
        }
        let piece = &self.pieces.first()?[self.at..];
        let length = piece.len().min(max);
        if length < self.left().min(max) {
            return None;
        }
        self.at += length;
        self.taken += length;
        Some(&piece[..length])
    }

    /// Copies as many as there are and fit; says how many.
    fn gather(&mut self, out: &mut [u8]) -> usize {
        let mut filled = 0;
        while let (Some(piece), true) = (self.pieces.first(), filled < out.len()) {
            let rest = &piece[self.at..];
            let count = rest.len().min(out.len() - filled);
            out[filled..filled + count].copy_from_slice(&rest[..count]);
            filled += count;
            self.at += count;
            if self.at == piece.len() {
                (self.pieces, self.at) = (&self.pieces[1..], 0);
            }
        }
        self.taken += filled;
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_taken_in_order_and_copied_only_where_they_must() {
        let pieces: &[&[u8]] = &[b"ab", b"", b"cdef", b"g"];
        let mut source = Pieces { pieces, at: 0, taken: 0 };
        assert_eq!(source.whole(4), None);
        let mut out = [0; 3];
        assert_eq!((source.gather(&mut out), &out), (3, b"abc"));
        assert_eq!(source.whole(3), Some(&b"def"[..]));
        assert_eq!(source.whole(3), Some(&b"g"[..]));
        assert!(source.is_empty() && source.taken == 7);
        assert_eq!(source.whole(3), None);
    }
}
