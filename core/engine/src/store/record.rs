//! How records look as bytes. Every value begins with the version of its form.

use core::num::NonZeroU16;

use libmqtt_codec::{
    PacketId, Properties, Publish, QoS, RetainHandling, SubscriptionOptions, Version,
};

use super::{RowId, StoreError};
use crate::UnixTime;

/// The one form there is of every value.
const FORM: u8 = 1;

/// Deadline "never", and end of a session that is connected.
const NEVER: u64 = u64::MAX;
const CONNECTED: u64 = u64::MAX - 1;

/// The key of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key<'a> {
    Session(RowId),
    Subscription(RowId, &'a str),
    Flight(RowId, PacketId),
    Incoming(RowId, PacketId),
    Will(RowId),
    Retained(&'a str),
    /// The store's own.
    Meta,
}

impl<'a> Key<'a> {
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        let mut with = |kind: u8, sid: RowId, rest: &[u8]| {
            out.push(kind);
            out.extend_from_slice(&sid.0.to_be_bytes());
            out.extend_from_slice(rest);
        };
        match self {
            Key::Session(sid) => with(b's', sid, &[]),
            Key::Subscription(sid, filter) => with(b'f', sid, filter.as_bytes()),
            Key::Flight(sid, id) => with(b'p', sid, &id.get().to_be_bytes()),
            Key::Incoming(sid, id) => with(b'i', sid, &id.get().to_be_bytes()),
            Key::Will(sid) => with(b'w', sid, &[]),
            Key::Retained(topic) => {
                out.push(b'r');
                out.extend_from_slice(topic.as_bytes());
            }
            Key::Meta => out.push(b'm'),
        }
    }

    pub(crate) fn read(key: &'a [u8]) -> Result<Key<'a>, StoreError> {
        let mut reader = Reader { rest: key, what: "key" };
        Ok(match reader.u8()? {
            b'm' => Key::Meta,
            b'r' => Key::Retained(reader.rest_text()?),
            kind => {
                let sid = RowId(reader.u64()?);
                match kind {
                    b's' => Key::Session(sid),
                    b'f' => Key::Subscription(sid, reader.rest_text()?),
                    b'p' => Key::Flight(sid, reader.packet_id()?),
                    b'i' => Key::Incoming(sid, reader.packet_id()?),
                    b'w' => Key::Will(sid),
                    _ => return Err(StoreError::Record("key")),
                }
            }
        })
    }
}

/// A session: cell `s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionCell<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) user_name: Option<&'a str>,
    pub(crate) version: Version,
    pub(crate) expiry_s: u32,
    pub(crate) ends: Ends,
}

/// When a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// It has a client.
    Connected,
    Never,
    At(UnixTime),
}

impl SessionCell<'_> {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[FORM, self.version.level()]);
        out.extend_from_slice(&self.expiry_s.to_be_bytes());
        let ends = match self.ends {
            Ends::Connected => CONNECTED,
            Ends::Never => NEVER,
            Ends::At(at) => at.0.min(CONNECTED - 1),
        };
        out.extend_from_slice(&ends.to_be_bytes());
        put_text(out, self.client_id);
        out.push(u8::from(self.user_name.is_some()));
        put_text(out, self.user_name.unwrap_or(""));
    }

    pub(crate) fn read(value: &[u8]) -> Result<SessionCell<'_>, StoreError> {
        let mut reader = Reader::new(value, "session")?;
        let version = Version::from_level(reader.u8()?).ok_or(reader.bad())?;
        let expiry_s = reader.u32()?;
        let ends = match reader.u64()? {
            CONNECTED => Ends::Connected,
            NEVER => Ends::Never,
            at => Ends::At(UnixTime(at)),
        };
        let client_id = reader.text()?;
        let named = reader.u8()? > 0;
        let user_name = Some(reader.text()?).filter(|_| named);
        Ok(SessionCell { client_id, user_name, version, expiry_s, ends })
    }
}

/// A subscription: cell `f`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SubscriptionCell {
    pub(crate) options: SubscriptionOptions,
    pub(crate) identifier: u32,
    /// The number of the shared subscription; 0: it is not shared.
    pub(crate) group: u32,
}

impl SubscriptionCell {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let options = self.options.qos as u8
            | u8::from(self.options.no_local) << 2
            | u8::from(self.options.retain_as_published) << 3
            | (self.options.retain_handling as u8) << 4;
        out.extend_from_slice(&[FORM, options]);
        out.extend_from_slice(&self.identifier.to_be_bytes());
        out.extend_from_slice(&self.group.to_be_bytes());
    }

    pub(crate) fn read(value: &[u8]) -> Result<SubscriptionCell, StoreError> {
        let mut reader = Reader::new(value, "subscription")?;
        let bits = reader.u8()?;
        let options = SubscriptionOptions {
            qos: QoS::from_u8(bits & 3).ok_or(reader.bad())?,
            no_local: bits & 4 > 0,
            retain_as_published: bits & 8 > 0,
            retain_handling: match bits >> 4 {
                0 => RetainHandling::Send,
                1 => RetainHandling::SendIfNew,
                2 => RetainHandling::DoNotSend,
                _ => return Err(reader.bad()),
            },
        };
        Ok(SubscriptionCell { options, identifier: reader.u32()?, group: reader.u32()? })
    }
}

/// An outgoing flow: cell `p`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlightCell {
    pub(crate) row: RowId,
    pub(crate) released: bool,
}

impl FlightCell {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[FORM, u8::from(self.released)]);
        out.extend_from_slice(&self.row.0.to_be_bytes());
    }

    pub(crate) fn read(value: &[u8]) -> Result<FlightCell, StoreError> {
        let mut reader = Reader::new(value, "flow")?;
        let released = reader.u8()? > 0;
        Ok(FlightCell { row: RowId(reader.u64()?), released })
    }
}

/// A will: cell `w`.
#[derive(Debug)]
pub(crate) struct WillCell<'a> {
    pub(crate) delay_s: u32,
    pub(crate) due: Option<UnixTime>,
    pub(crate) message: Publish<'a>,
}

impl<'a> WillCell<'a> {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        out.push(FORM);
        out.extend_from_slice(&self.delay_s.to_be_bytes());
        put_time(out, self.due);
        put_message(out, &self.message);
    }

    pub(crate) fn read(value: &'a [u8]) -> Result<WillCell<'a>, StoreError> {
        let mut reader = Reader::new(value, "will")?;
        let delay_s = reader.u32()?;
        Ok(WillCell { delay_s, due: reader.time()?, message: reader.message()? })
    }
}

/// A message and when it expires: row `M`, cell `r`, and within `Q`.
#[derive(Debug)]
pub(crate) struct MessageRow<'a> {
    pub(crate) expires: Option<UnixTime>,
    pub(crate) message: Publish<'a>,
}

impl<'a> MessageRow<'a> {
    /// As the value of a cell.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        out.push(FORM);
        self.put_bare(out);
    }

    /// As a row.
    pub(crate) fn put_row(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[FORM, b'M']);
        self.put_bare(out);
    }

    fn put_bare(&self, out: &mut Vec<u8>) {
        put_time(out, self.expires);
        put_message(out, &self.message);
    }

    pub(crate) fn read(value: &'a [u8]) -> Result<MessageRow<'a>, StoreError> {
        Reader::new(value, "retained message")?.message_row()
    }
}

/// What a row holds.
#[derive(Debug)]
pub(crate) enum Body<'a> {
    Message(MessageRow<'a>),
    Owed(OwedRow<'a>),
    Outgoing(OutgoingRow<'a>),
}

impl<'a> Body<'a> {
    pub(crate) fn read(value: &'a [u8]) -> Result<Body<'a>, StoreError> {
        let mut reader = Reader::new(value, "row")?;
        match reader.u8()? {
            b'M' => Ok(Body::Message(reader.message_row()?)),
            b'Q' => Ok(Body::Owed(OwedRow::read(&mut reader)?)),
            b'O' => Ok(Body::Outgoing(OutgoingRow::read(&mut reader)?)),
            _ => Err(reader.bad()),
        }
    }
}

/// A message that a client publishes: row `O`.
#[derive(Debug)]
pub(crate) struct OutgoingRow<'a> {
    /// The session in which it was sent at once, and under which identifier.
    pub(crate) sent: Option<(RowId, PacketId)>,
    pub(crate) message: MessageRow<'a>,
}

impl<'a> OutgoingRow<'a> {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let (sid, id) = self.sent.map_or((0, 0), |(sid, id)| (sid.0, id.get()));
        out.extend_from_slice(&[FORM, b'O']);
        out.extend_from_slice(&sid.to_be_bytes());
        out.extend_from_slice(&id.to_be_bytes());
        self.message.put_bare(out);
    }

    fn read(reader: &mut Reader<'a>) -> Result<OutgoingRow<'a>, StoreError> {
        let sid = RowId(reader.u64()?);
        let sent = PacketId::new(reader.u16()?).map(|id| (sid, id));
        Ok(OutgoingRow { sent, message: reader.message_row()? })
    }
}

/// A message that a session is owed: row `Q`.
#[derive(Debug)]
pub(crate) struct OwedRow<'a> {
    pub(crate) sid: RowId,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) group: u32,
    /// If it was sent at once.
    pub(crate) packet_id: Option<PacketId>,
    pub(crate) identifiers: Identifiers<'a>,
    pub(crate) what: Result<MessageRow<'a>, RowId>,
}

/// Subscription Identifiers: in memory, or as bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Identifiers<'a> {
    Known(&'a [u32]),
    Stored(&'a [u8]),
}

impl Identifiers<'_> {
    pub(crate) fn to_vec(self) -> Vec<u32> {
        match self {
            Identifiers::Known(ids) => ids.to_vec(),
            Identifiers::Stored(bytes) => bytes
                .chunks_exact(4)
                .map(|id| u32::from_be_bytes([id[0], id[1], id[2], id[3]]))
                .collect(),
        }
    }
}

impl<'a> OwedRow<'a> {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let bits = self.qos as u8 | u8::from(self.retain) << 2 | u8::from(self.what.is_err()) << 3;
        out.extend_from_slice(&[FORM, b'Q', bits]);
        out.extend_from_slice(&self.sid.0.to_be_bytes());
        out.extend_from_slice(&self.group.to_be_bytes());
        out.extend_from_slice(&self.packet_id.map_or(0, NonZeroU16::get).to_be_bytes());
        let ids = self.identifiers.to_vec();
        out.extend_from_slice(&(ids.len() as u32).to_be_bytes());
        ids.iter().for_each(|id| out.extend_from_slice(&id.to_be_bytes()));
        match &self.what {
            Ok(message) => message.put_bare(out),
            Err(row) => out.extend_from_slice(&row.0.to_be_bytes()),
        }
    }

    fn read(reader: &mut Reader<'a>) -> Result<OwedRow<'a>, StoreError> {
        let bits = reader.u8()?;
        let qos = QoS::from_u8(bits & 3).ok_or(reader.bad())?;
        let sid = RowId(reader.u64()?);
        let group = reader.u32()?;
        let packet_id = PacketId::new(reader.u16()?);
        let count = reader.u32()? as usize;
        let identifiers = Identifiers::Stored(reader.take(count.saturating_mul(4))?);
        let what = match bits & 8 > 0 {
            true => Err(RowId(reader.u64()?)),
            false => Ok(reader.message_row()?),
        };
        Ok(OwedRow { sid, qos, retain: bits & 4 > 0, group, packet_id, identifiers, what })
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_time(out: &mut Vec<u8>, at: Option<UnixTime>) {
    out.extend_from_slice(&at.map_or(NEVER, |at| at.0).to_be_bytes());
}

fn put_message(out: &mut Vec<u8>, message: &Publish<'_>) {
    out.push(message.qos as u8 | u8::from(message.retain) << 2);
    put_text(out, message.topic);
    let properties = message.properties.as_bytes();
    out.extend_from_slice(&(properties.len() as u32).to_be_bytes());
    out.extend_from_slice(properties);
    out.extend_from_slice(&(message.payload.len() as u32).to_be_bytes());
    out.extend_from_slice(message.payload);
}

/// Reads a value from its beginning.
struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    fn new(value: &'a [u8], what: &'static str) -> Result<Reader<'a>, StoreError> {
        let mut reader = Reader { rest: value, what };
        if reader.u8()? == FORM { Ok(reader) } else { Err(reader.bad()) }
    }

    fn bad(&self) -> StoreError {
        StoreError::Record(self.what)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], StoreError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(self.bad())?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8, StoreError> {
        Ok(self.array::<1>()?[0])
    }

    fn u16(&mut self) -> Result<u16, StoreError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, StoreError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, StoreError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    fn packet_id(&mut self) -> Result<PacketId, StoreError> {
        PacketId::new(self.u16()?).ok_or(self.bad())
    }

    fn time(&mut self) -> Result<Option<UnixTime>, StoreError> {
        Ok(Some(self.u64()?).filter(|at| *at != NEVER).map(UnixTime))
    }

    fn bytes(&mut self) -> Result<&'a [u8], StoreError> {
        let len = self.u32()? as usize;
        self.take(len)
    }

    fn text(&mut self) -> Result<&'a str, StoreError> {
        core::str::from_utf8(self.bytes()?).map_err(|_| self.bad())
    }

    fn rest_text(&mut self) -> Result<&'a str, StoreError> {
        core::str::from_utf8(self.rest).map_err(|_| self.bad())
    }

    fn message_row(&mut self) -> Result<MessageRow<'a>, StoreError> {
        Ok(MessageRow { expires: self.time()?, message: self.message()? })
    }

    fn message(&mut self) -> Result<Publish<'a>, StoreError> {
        let bits = self.u8()?;
        let qos = QoS::from_u8(bits & 3).ok_or(self.bad())?;
        let topic = self.text()?;
        let properties = Properties::assume_checked(self.bytes()?);
        let payload = self.bytes()?;
        let retain = bits & 4 > 0;
        Ok(Publish { dup: false, qos, retain, topic, packet_id: None, properties, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish<'a>() -> Publish<'a> {
        Publish {
            dup: false,
            qos: QoS::ExactlyOnce,
            retain: true,
            topic: "a/ü",
            packet_id: None,
            properties: Properties::assume_checked(&[1, 1]),
            payload: b"payload",
        }
    }

    #[test]
    fn keys_are_read_as_they_were_put() {
        let (sid, id) = (RowId(0x0102_0304_0506_0708), PacketId::new(515).unwrap());
        for key in [
            Key::Session(sid),
            Key::Subscription(sid, "a/+"),
            Key::Flight(sid, id),
            Key::Incoming(sid, id),
            Key::Will(sid),
            Key::Retained("t"),
            Key::Meta,
        ] {
            let mut bytes = Vec::new();
            key.put(&mut bytes);
            assert_eq!(Key::read(&bytes), Ok(key));
        }
        for bytes in [&b""[..], b"x", b"s123", b"p12345678\0\0", b"r\xFF"] {
            assert!(Key::read(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn values_are_read_as_they_were_put_and_never_if_they_are_cut_short() {
        let session = SessionCell {
            client_id: "id",
            user_name: Some("ada"),
            version: Version::V5,
            expiry_s: 7,
            ends: Ends::At(UnixTime(5)),
        };
        let mut bytes = Vec::new();
        session.put(&mut bytes);
        assert_eq!(SessionCell::read(&bytes), Ok(session));
        for end in 0..bytes.len() {
            assert!(SessionCell::read(&bytes[..end]).is_err());
        }

        for sent in [None, Some((RowId(3), PacketId::new(9).unwrap()))] {
            let message = MessageRow { expires: Some(UnixTime(9)), message: publish() };
            let mut bytes = Vec::new();
            OutgoingRow { sent, message }.put(&mut bytes);
            let Ok(Body::Outgoing(read)) = Body::read(&bytes) else { panic!("it is an O") };
            assert_eq!((read.sent, read.message.expires), (sent, Some(UnixTime(9))));
            assert_eq!(read.message.message, publish());
            for end in 0..bytes.len() {
                assert!(Body::read(&bytes[..end]).is_err());
            }
        }

        for what in
            [Ok(MessageRow { expires: Some(UnixTime(9)), message: publish() }), Err(RowId(3))]
        {
            let row = OwedRow {
                sid: RowId(2),
                qos: QoS::AtLeastOnce,
                retain: true,
                group: 4,
                packet_id: PacketId::new(6),
                identifiers: Identifiers::Known(&[1, 2]),
                what,
            };
            let mut bytes = Vec::new();
            row.put(&mut bytes);
            let Ok(Body::Owed(read)) = Body::read(&bytes) else { panic!("it is a Q") };
            assert_eq!((read.sid, read.qos, read.retain, read.group), (row.sid, row.qos, true, 4));
            assert_eq!((read.packet_id, read.identifiers.to_vec()), (row.packet_id, vec![1, 2]));
            match read.what {
                Ok(message) => {
                    assert_eq!(message.expires, Some(UnixTime(9)));
                    assert_eq!(message.message, publish());
                }
                Err(row) => assert_eq!(row, RowId(3)),
            }
            for end in 0..bytes.len() {
                assert!(Body::read(&bytes[..end]).is_err());
            }
        }
    }
}
