//! One TLS connection: records in, records out, no socket.

use rustls::CommonState;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};

use super::certificate::Certificate;
use super::{TlsClient, TlsError, TlsServer};

/// Most plaintext in a record.
pub(crate) const RECORD_MAX: usize = 16 * 1024;
/// More than a record adds to its plaintext, and than a small record that goes before it.
pub(crate) const RECORD_OVERHEAD: usize = 512;

/// A TLS connection. It keeps no bytes: what it cannot use yet, it is given again.
pub(crate) enum Session {
    Server(Box<UnbufferedServerConnection>),
    Client(Box<UnbufferedClientConnection>),
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Session::Server(_) => "Session(server)",
            Session::Client(_) => "Session(client)",
        })
    }
}

/// What has come of bytes from the wire.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fed {
    /// So many were used; the rest must be given again, with more behind it.
    pub(crate) used: usize,
    /// Bytes of plaintext that came of them.
    pub(crate) plain: usize,
    /// The handshake is over.
    pub(crate) open: bool,
    /// The peer will send nothing more.
    pub(crate) ended: bool,
}

impl Session {
    pub(crate) fn server(tls: &TlsServer) -> Result<Session, TlsError> {
        let connection = UnbufferedServerConnection::new(tls.config())?;
        Ok(Session::Server(Box::new(connection)))
    }

    pub(crate) fn client(tls: &TlsClient, host: &str) -> Result<Session, TlsError> {
        let name = tls.options().server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| TlsError::Other(format!("'{name}' is not a name of a server")))?;
        let connection = UnbufferedClientConnection::new(tls.config(), name)?;
        Ok(Session::Client(Box::new(connection)))
    }

    fn common(&self) -> &CommonState {
        match self {
            Session::Server(connection) => connection,
            Session::Client(connection) => connection,
        }
    }

    /// What the peer's certificate says, if it has shown one.
    pub(crate) fn peer_certificate(&self) -> Option<Certificate> {
        Some(Certificate::new(self.common().peer_certificates()?.first()?))
    }

    /// Takes what came from the wire: puts plaintext to the front of `plain`, which is as long as
    /// `wire`, and records that must go out behind `out`. After an error, `out` may have an alert.
    pub(crate) fn feed(
        &mut self,
        wire: &mut [u8],
        plain: &mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<Fed, TlsError> {
        match self {
            Session::Server(connection) => feed(&mut **connection, wire, plain, out),
            Session::Client(connection) => feed(&mut **connection, wire, plain, out),
        }
    }

    /// Puts `plain` as records to the front of `out`, and says how long they are; none: says that
    /// nothing more will be sent. There must be room for [`RECORD_OVERHEAD`] bytes more for each
    /// [`RECORD_MAX`] begun. `input` is what `feed` has left. Only once it is open, and not after
    /// an error.
    pub(crate) fn seal(
        &mut self,
        plain: Option<&[u8]>,
        input: &mut [u8],
        out: &mut [u8],
    ) -> Result<usize, TlsError> {
        match self {
            Session::Server(connection) => seal(&mut **connection, plain, input, out),
            Session::Client(connection) => seal(&mut **connection, plain, input, out),
        }
    }
}

/// Both kinds of connection.
trait Records {
    type Data;

    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;

    /// Whether it has something for the peer.
    fn wants_write(&self) -> bool;
}

impl Records for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(wire)
    }

    fn wants_write(&self) -> bool {
        CommonState::wants_write(self)
    }
}

impl Records for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(wire)
    }

    fn wants_write(&self) -> bool {
        CommonState::wants_write(self)
    }
}

fn feed<R: Records>(
    connection: &mut R,
    wire: &mut [u8],
    plain: &mut [u8],
    out: &mut Vec<u8>,
) -> Result<Fed, TlsError> {
    let mut fed = Fed::default();
    loop {
        let UnbufferedStatus { discard, state } = connection.process(&mut wire[fed.used..]);
        match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    let payload = record?.payload;
                    plain[fed.plain..fed.plain + payload.len()].copy_from_slice(payload);
                    fed.plain += payload.len();
                }
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, out)?,
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::WriteTraffic(_)) => {
                fed.used += discard;
                fed.open = true;
                return Ok(fed);
            }
            Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                fed.used += discard;
                fed.ended = true;
                return Ok(fed);
            }
            Ok(_) => {
                fed.used += discard;
                return Ok(fed);
            }
            Err(error) => {
                alert(connection, out)?;
                return Err(error.into());
            }
        }
        fed.used += discard;
    }
}

/// Takes what a connection that has failed has for its peer. While there is something, it does not
/// look at what came from the wire, which it must not see again.
fn alert<R: Records>(connection: &mut R, out: &mut Vec<u8>) -> Result<(), TlsError> {
    while connection.wants_write() {
        match connection.process(&mut []).state {
            Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, out)?,
            // What came before the failure is of no use any more.
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while traffic.next_record().is_some() {}
            }
            _ => break,
        }
    }
    Ok(())
}

fn seal<R: Records>(
    connection: &mut R,
    plain: Option<&[u8]>,
    input: &mut [u8],
    out: &mut [u8],
) -> Result<usize, TlsError> {
    let mut filled = 0;
    loop {
        // A connection remembers how far it has looked into what it has left, so that it must be
        // shown that again; it finds nothing in it that it has not found before.
        match connection.process(input).state? {
            ConnectionState::WriteTraffic(mut traffic) => {
                let room = &mut out[filled..];
                let sealed = match plain {
                    Some(plain) => traffic.encrypt(plain, room),
                    None => traffic.queue_close_notify(room),
                };
                return match sealed {
                    Ok(count) => Ok(filled + count),
                    Err(error) => Err(TlsError::Other(format!("{error:?}"))),
                };
            }
            ConnectionState::EncodeTlsData(mut data) => match data.encode(&mut out[filled..]) {
                Ok(count) => filled += count,
                Err(error) => return Err(TlsError::Other(error.to_string())),
            },
            ConnectionState::TransmitTlsData(data) => data.done(),
            // The peer has said that it sends no more; we may.
            ConnectionState::PeerClosed => {}
            state => return Err(TlsError::Other(format!("nothing can be sent: {state:?}"))),
        }
    }
}

fn encode<D>(
    data: &mut rustls::unbuffered::EncodeTlsData<'_, D>,
    out: &mut Vec<u8>,
) -> Result<(), TlsError> {
    let start = out.len();
    match data.encode(&mut []) {
        Ok(_) => return Ok(()),
        Err(EncodeError::InsufficientSize(error)) => out.resize(start + error.required_size, 0),
        Err(error) => return Err(TlsError::Other(error.to_string())),
    }
    match data.encode(&mut out[start..]) {
        Ok(count) => {
            out.truncate(start + count);
            Ok(())
        }
        Err(error) => Err(TlsError::Other(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{KeyPair, Roots, Source, TlsClientOptions, TlsServerOptions};

    /// The two ends of a connection that trust each other.
    fn ends() -> (TlsServer, TlsClient) {
        let made = rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap();
        let certificates = Source::memory(made.cert.pem());
        let key = Source::memory(made.signing_key.serialize_pem());
        let trusts = TlsClientOptions::new(Roots::only(certificates.clone()));
        let server = TlsServerOptions::new(KeyPair { certificates, key });
        (TlsServer::new(server).unwrap(), TlsClient::new(trusts).unwrap())
    }

    /// What `session` says to `heard`; nothing may be left of that.
    fn tell(session: &mut Session, heard: &mut [u8]) -> Result<(Fed, Vec<u8>), TlsError> {
        let mut said = Vec::new();
        let mut plain = vec![0; heard.len()];
        session.feed(heard, &mut plain, &mut said).map(|fed| (fed, said))
    }

    #[test]
    fn a_handshake_is_made_of_a_few_flights() {
        let (server, client) = ends();
        let (mut client, mut server) =
            (Session::client(&client, "h").unwrap(), Session::server(&server).unwrap());
        let (_, mut hello) = tell(&mut client, &mut []).unwrap();
        let (_, mut answer) = tell(&mut server, &mut hello).unwrap();
        let (fed, mut finished) = tell(&mut client, &mut answer).unwrap();
        assert!(fed.open && fed.used == answer.len());
        let (fed, mut tickets) = tell(&mut server, &mut finished).unwrap();
        assert!(fed.open && fed.used == finished.len());
        assert_eq!(tell(&mut client, &mut tickets).unwrap().0.used, tickets.len());
        let mut wire = vec![0; 3 + RECORD_OVERHEAD];
        let sealed = client.seal(Some(b"abc"), &mut [], &mut wire).unwrap();
        let (mut plain, mut said) = (vec![0; sealed], Vec::new());
        let fed = server.feed(&mut wire[..sealed], &mut plain, &mut said).unwrap();
        assert_eq!(&plain[..fed.plain], b"abc");
        let ended = server.seal(None, &mut [], &mut wire).unwrap();
        assert!(tell(&mut client, &mut wire[..ended]).unwrap().0.ended);
    }

    #[test]
    fn flights_may_come_in_any_parts() {
        let (server, client) = ends();
        for step in [1, 7, 100] {
            let mut ends =
                [Session::client(&client, "h").unwrap(), Session::server(&server).unwrap()];
            let mut flight = tell(&mut ends[0], &mut []).unwrap().1;
            let mut open = [false; 2];
            for whose in [1, 0, 1, 0] {
                let (mut kept, mut said) = (Vec::new(), Vec::new());
                for part in flight.chunks(step) {
                    kept.extend_from_slice(part);
                    let mut plain = vec![0; kept.len()];
                    let fed = ends[whose].feed(&mut kept, &mut plain, &mut said).unwrap();
                    kept.drain(..fed.used);
                    open[whose] |= fed.open;
                }
                assert!(kept.is_empty());
                flight = said;
            }
            assert_eq!(open, [true, true], "{step}");
        }
    }

    /// A peer's nonsense is an error, of which the peer is told, and nothing worse.
    #[test]
    fn flights_that_are_cut_or_changed_anywhere_are_borne() {
        let (server, client) = ends();
        let hello = tell(&mut Session::client(&client, "h").unwrap(), &mut []).unwrap().1;
        let mut failed = 0;
        for at in 0..hello.len() {
            let mut cut = hello[..at].to_vec();
            let heard = tell(&mut Session::server(&server).unwrap(), &mut cut);
            assert!(heard.is_ok_and(|(fed, _)| fed.used == 0 && !fed.open));
            for change in [1, 0x80, 0xff] {
                let mut changed = hello.clone();
                changed[at] ^= change;
                let mut session = Session::server(&server).unwrap();
                let (mut plain, mut said) = (vec![0; changed.len()], Vec::new());
                let heard = session.feed(&mut changed, &mut plain, &mut said);
                failed += usize::from(heard.is_err_and(|_| !said.is_empty()));
            }
        }
        assert!(failed > 100, "{failed}");
        // The server's flight, likewise, towards a client.
        for at in (0..600).step_by(7) {
            let mut client = Session::client(&client, "h").unwrap();
            let mut hello = tell(&mut client, &mut []).unwrap().1;
            let mut answer = tell(&mut Session::server(&server).unwrap(), &mut hello).unwrap().1;
            let at = at % answer.len();
            answer[at] ^= 0x55;
            let _ = tell(&mut client, &mut answer);
        }
    }
}
