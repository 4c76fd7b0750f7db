//! CONNECT. MQTT 5.0 §3.1.

use super::{packet_len, put_header};
use crate::wire::{Reader, field_len, put_field, text_len};
use crate::{
    Carrier, DecodeError, EncodeError, Frame, PacketType, Properties, PropertyId, QoS, Side,
    TopicError, TopicName, Version, check_text,
};

const CLEAN_START: u8 = 0x02;
const WILL: u8 = 0x04;
const WILL_RETAIN: u8 = 0x20;
const PASSWORD: u8 = 0x40;
const USER_NAME: u8 = 0x80;

/// The first packet of a Network Connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connect<'a> {
    /// From Protocol Name and Protocol Level.
    pub version: Version,
    /// Clean Start; 3.x: Clean Session.
    pub clean_start: bool,
    /// Keep Alive in seconds; 0 turns it off.
    pub keep_alive_s: u16,
    /// The Client Identifier, perhaps empty.
    pub client_id: &'a str,
    /// The Will Message, if any.
    pub will: Option<Will<'a>>,
    /// The User Name, if any.
    pub user_name: Option<&'a str>,
    /// The Password, if any.
    pub password: Option<&'a [u8]>,
    /// 3.x: empty.
    pub properties: Properties<'a>,
}

/// The Will Message in a CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Will<'a> {
    /// A valid Topic Name.
    pub topic: &'a str,
    /// Opaque bytes.
    pub payload: &'a [u8],
    /// Will QoS.
    pub qos: QoS,
    /// Will Retain.
    pub retain: bool,
    /// Will Properties, Will Delay Interval among them; 3.x: empty.
    pub properties: Properties<'a>,
}

impl<'a> Connect<'a> {
    /// Reads a CONNECT, which only a Client sends. `frame` must have the type CONNECT.
    pub fn decode(frame: &Frame<'a>) -> Result<Connect<'a>, DecodeError> {
        let mut reader = Reader::new(frame.body);
        let version = read_version(&mut reader)?;
        frame.check_flags(PacketType::Connect, version)?;
        frame.check_length(version)?;
        let flags = reader.u8()?;
        check_flags(flags, version)?;
        let keep_alive_s = reader.u16()?;
        let carrier = Carrier::Packet(PacketType::Connect);
        let properties = reader.properties(version, carrier, Side::Client)?;
        check_authentication(properties)?;
        // v5 [MQTT-3.1.3-1] [MQTT-3.1.3-3] [MQTT-3.1.3-4] v311 [MQTT-3.1.3-1] [MQTT-3.1.3-3] [MQTT-3.1.3-4]
        let client_id = reader.text()?;
        let will = if flags & WILL != 0 {
            Some(Will::decode(&mut reader, flags, version)?) // v5 [MQTT-3.1.2-9] v311 [MQTT-3.1.2-9]
        } else {
            None
        };
        // In 3.1 the Remaining Length wins over the flags.
        let missing = |reader: &Reader<'_>| version == Version::V31 && reader.is_empty();
        // v5 [MQTT-3.1.2-16] [MQTT-3.1.2-17] [MQTT-3.1.3-12]
        // v311 [MQTT-3.1.2-18] [MQTT-3.1.2-19] [MQTT-3.1.3-11]
        let user_name = match flags & USER_NAME != 0 && !missing(&reader) {
            true => Some(reader.text()?),
            false => None,
        };
        // v5 [MQTT-3.1.2-18] [MQTT-3.1.2-19] v311 [MQTT-3.1.2-20] [MQTT-3.1.2-21]
        let password = match flags & PASSWORD != 0 && !missing(&reader) {
            true => Some(reader.binary()?),
            false => None,
        };
        reader.finish()?;
        Ok(Connect {
            version,
            clean_start: flags & CLEAN_START != 0,
            keep_alive_s,
            client_id,
            will,
            user_name,
            password,
            properties,
        })
    }

    /// The version in which the sender of a CONNECT expects its answer, even if the packet is not
    /// valid or its level is not supported: a refusal written in it will be understood.
    ///
    /// `None` if the Protocol Name is unknown; such a connection is closed without an answer.
    /// v5 [MQTT-3.1.2-1] [MQTT-3.1.2-2] v311 [MQTT-3.1.2-1] [MQTT-3.1.2-2]
    pub fn answer_version(frame: &Frame<'_>) -> Option<Version> {
        let mut reader = Reader::new(frame.body);
        match reader.binary().ok()? {
            b"MQIsdp" => Some(Version::V31),
            // The top bit of the level is how some brokers mark themselves as bridges.
            b"MQTT" if reader.u8().ok()? & 0x7F >= 5 => Some(Version::V5),
            b"MQTT" => Some(Version::V311),
            _ => None,
        }
    }

    /// The exact number of bytes that `encode` will append, or why it will refuse.
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        packet_len(self.body_len()?)
    }

    /// Appends the packet to `out`, in the version that it says. After an error nothing was
    /// appended. Before 5.0 properties are left out.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        put_header(PacketType::Connect.first_byte(), self.body_len()?, out)?;
        self.put_body(out);
        Ok(())
    }

    fn body_len(&self) -> Result<usize, EncodeError> {
        let mut len = 2 + self.version.protocol_name().len() + 1 + 1 + 2;
        if self.version.has_properties() {
            check_authentication(self.properties)?;
            len += self.properties.encoded_len_in(Carrier::Packet(PacketType::Connect))?;
        } else if self.password.is_some() && self.user_name.is_none() {
            return Err(EncodeError::NotInVersion); // v311 [MQTT-3.1.2-22]
        }
        len += text_len(self.client_id)?;
        if let Some(will) = &self.will {
            if self.version.has_properties() {
                len += will.properties.encoded_len_in(Carrier::Will)?;
            }
            len += field_len(will.topic.as_bytes())? + field_len(will.payload)?;
            check_will_topic(will.topic)?;
        }
        if let Some(user_name) = self.user_name {
            len += text_len(user_name)?;
        }
        if let Some(password) = self.password {
            len += field_len(password)?;
        }
        Ok(len)
    }

    fn put_body(&self, out: &mut Vec<u8>) {
        put_field(self.version.protocol_name().as_bytes(), out);
        out.push(self.version.level());
        let mut flags = u8::from(self.clean_start) * CLEAN_START;
        flags |= u8::from(self.user_name.is_some()) * USER_NAME;
        flags |= u8::from(self.password.is_some()) * PASSWORD;
        if let Some(will) = &self.will {
            flags |= WILL | ((will.qos as u8) << 3) | (u8::from(will.retain) * WILL_RETAIN);
        }
        out.push(flags);
        out.extend_from_slice(&self.keep_alive_s.to_be_bytes());
        if self.version.has_properties() {
            self.properties.put(out);
        }
        put_field(self.client_id.as_bytes(), out);
        if let Some(will) = &self.will {
            if self.version.has_properties() {
                will.properties.put(out);
            }
            put_field(will.topic.as_bytes(), out);
            put_field(will.payload, out);
        }
        if let Some(user_name) = self.user_name {
            put_field(user_name.as_bytes(), out);
        }
        if let Some(password) = self.password {
            put_field(password, out);
        }
    }
}

impl<'a> Will<'a> {
    fn decode(
        reader: &mut Reader<'a>,
        flags: u8,
        version: Version,
    ) -> Result<Will<'a>, DecodeError> {
        // v5 [MQTT-3.1.2-12] v311 [MQTT-3.1.2-14]
        let qos = QoS::from_u8((flags >> 3) & 3).ok_or(DecodeError::WillQos)?;
        let properties = reader.properties(version, Carrier::Will, Side::Client)?;
        let topic = check_text(reader.binary()?)?; // v5 [MQTT-3.1.3-11] v311 [MQTT-3.1.3-10]
        check_will_topic(topic)?;
        let payload = reader.binary()?;
        Ok(Will { topic, payload, qos, retain: flags & WILL_RETAIN != 0, properties })
    }
}

/// Protocol Name and Protocol Level.
fn read_version(reader: &mut Reader<'_>) -> Result<Version, DecodeError> {
    let name = reader.binary()?;
    if name != b"MQTT" && name != b"MQIsdp" {
        return Err(DecodeError::ProtocolName); // v5 [MQTT-3.1.2-1] v311 [MQTT-3.1.2-1]
    }
    let level = reader.u8()?;
    match Version::from_level(level) {
        Some(version) if version.protocol_name().as_bytes() == name => Ok(version),
        _ => Err(DecodeError::ProtocolLevel(level)), // v5 [MQTT-3.1.2-2] v311 [MQTT-3.1.2-2]
    }
}

fn check_flags(flags: u8, version: Version) -> Result<(), DecodeError> {
    // v311 [MQTT-3.1.2-22]
    if flags & (USER_NAME | PASSWORD) == PASSWORD && version != Version::V5 {
        return Err(DecodeError::PasswordWithoutUserName);
    }
    if version == Version::V31 {
        return Ok(()); // it checks no unused flag
    }
    if flags & 1 != 0 {
        return Err(DecodeError::ConnectFlagReserved); // v5 [MQTT-3.1.2-3] v311 [MQTT-3.1.2-3]
    }
    if flags & WILL == 0 {
        // v5 [MQTT-3.1.2-11] v311 [MQTT-3.1.2-11] [MQTT-3.1.2-13]
        if flags & 0x18 != 0 {
            return Err(DecodeError::WillQosWithoutWill);
        }
        // v5 [MQTT-3.1.2-13] v311 [MQTT-3.1.2-11] [MQTT-3.1.2-15]
        if flags & WILL_RETAIN != 0 {
            return Err(DecodeError::WillRetainWithoutWill);
        }
    }
    Ok(())
}

/// V5-U17
fn check_authentication(properties: Properties<'_>) -> Result<(), DecodeError> {
    if properties.has(PropertyId::AuthenticationData)
        && !properties.has(PropertyId::AuthenticationMethod)
    {
        return Err(DecodeError::AuthenticationDataWithoutMethod);
    }
    Ok(())
}

/// v5 [MQTT-4.7.0-1] [MQTT-4.7.3-1] v311 [MQTT-4.7.1-1] [MQTT-4.7.3-1]
fn check_will_topic(topic: &str) -> Result<(), DecodeError> {
    match TopicName::new(topic) {
        Err(TopicError::Nul) => Err(DecodeError::TextHasNul),
        checked => checked.map(drop).map_err(DecodeError::TopicName),
    }
}
