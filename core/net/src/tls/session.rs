//! One TLS connection: records in, records out, no socket.

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use rustls::{CommonState, Error};

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

    /// Puts `plain` as records to the front of `out`, and says how long they are. There must be
    /// room for [`RECORD_OVERHEAD`] bytes more for each [`RECORD_MAX`] begun. Only once it is open.
    pub(crate) fn seal(&mut self, plain: &[u8], out: &mut [u8]) -> Result<usize, TlsError> {
        match self {
            Session::Server(connection) => seal(&mut **connection, Some(plain), out),
            Session::Client(connection) => seal(&mut **connection, Some(plain), out),
        }
    }

    /// Says that nothing more will be sent: as `seal`.
    pub(crate) fn seal_end(&mut self, out: &mut [u8]) -> Result<usize, TlsError> {
        match self {
            Session::Server(connection) => seal(&mut **connection, None, out),
            Session::Client(connection) => seal(&mut **connection, None, out),
        }
    }
}

/// Both kinds of connection.
trait Records {
    type Data;

    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Records for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(wire)
    }
}

impl Records for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, wire: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(wire)
    }
}

fn feed<R: Records>(
    connection: &mut R,
    wire: &mut [u8],
    plain: &mut [u8],
    out: &mut Vec<u8>,
) -> Result<Fed, TlsError> {
    let mut fed = Fed::default();
    let mut failure: Option<Error> = None;
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
                return failure.map_or(Ok(fed), |error| Err(error.into()));
            }
            Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                fed.used += discard;
                fed.ended = true;
                return Ok(fed);
            }
            Ok(_) => {
                fed.used += discard;
                return failure.map_or(Ok(fed), |error| Err(error.into()));
            }
            // Once more, for the alert that it has for the peer.
            Err(error) if failure.is_none() => failure = Some(error),
            Err(_) => {
                let error = failure.map_or(TlsError::NotTls, TlsError::from);
                return Err(error);
            }
        }
        fed.used += discard;
    }
}

fn seal<R: Records>(
    connection: &mut R,
    plain: Option<&[u8]>,
    out: &mut [u8],
) -> Result<usize, TlsError> {
    let mut filled = 0;
    loop {
        match connection.process(&mut []).state? {
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
