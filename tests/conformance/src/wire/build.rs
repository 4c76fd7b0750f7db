//! Packets to send, right or deliberately wrong.

use libmqtt_engine::codec::Version;

use super::{Wire, field, packet, section};

/// A CONNECT. Without more: Clean Start 1, Keep Alive 0, no will, no user.
#[derive(Clone, Debug)]
pub struct Connect {
    id: Vec<u8>,
    clean: bool,
    keep_alive: u16,
    will: Option<Will>,
    user: Option<Vec<u8>>,
    password: Option<Vec<u8>>,
    properties: Vec<u8>,
    name: Option<Vec<u8>>,
    level: Option<u8>,
    flags: Option<u8>,
    extra: Vec<u8>,
}

impl Connect {
    /// For this Client Identifier.
    pub fn new(id: impl AsRef<[u8]>) -> Connect {
        Connect {
            id: id.as_ref().to_vec(),
            clean: true,
            keep_alive: 0,
            will: None,
            user: None,
            password: None,
            properties: Vec::new(),
            name: None,
            level: None,
            flags: None,
            extra: Vec::new(),
        }
    }

    /// Clean Start 0 (3.x: Clean Session 0), and in 5.0 a session that outlives the connection
    /// by an hour.
    pub fn keep(version: Version, id: impl AsRef<[u8]>) -> Connect {
        let connect = Connect::new(id).clean(false);
        match version {
            Version::V5 => connect.prop(super::prop::session_expiry(3600)),
            _ => connect,
        }
    }

    /// With Clean Start 0 or 1.
    pub fn clean(mut self, clean: bool) -> Connect {
        self.clean = clean;
        self
    }

    /// With this Keep Alive in seconds.
    pub fn keep_alive(mut self, seconds: u16) -> Connect {
        self.keep_alive = seconds;
        self
    }

    /// With a will.
    pub fn will(mut self, will: Will) -> Connect {
        self.will = Some(will);
        self
    }

    /// With this User Name.
    pub fn user(mut self, user: impl AsRef<[u8]>) -> Connect {
        self.user = Some(user.as_ref().to_vec());
        self
    }

    /// With this Password.
    pub fn password(mut self, password: impl AsRef<[u8]>) -> Connect {
        self.password = Some(password.as_ref().to_vec());
        self
    }

    /// With one more property (5.0).
    pub fn prop(mut self, property: Vec<u8>) -> Connect {
        self.properties.extend(property);
        self
    }

    /// With another Protocol Name than the version's.
    pub fn name(mut self, name: impl AsRef<[u8]>) -> Connect {
        self.name = Some(name.as_ref().to_vec());
        self
    }

    /// With another Protocol Level than the version's.
    pub fn level(mut self, level: u8) -> Connect {
        self.level = Some(level);
        self
    }

    /// With these Connect Flags, whatever the payload has.
    pub fn flags(mut self, flags: u8) -> Connect {
        self.flags = Some(flags);
        self
    }

    /// With surplus bytes at the end of the payload.
    pub fn extra(mut self, bytes: &[u8]) -> Connect {
        self.extra = bytes.to_vec();
        self
    }

    fn right_flags(&self) -> u8 {
        let will = self
            .will
            .as_ref()
            .map_or(0, |will| 0x04 | (will.qos << 3) | if will.retain { 0x20 } else { 0 });
        (if self.clean { 0x02 } else { 0 })
            | will
            | (if self.password.is_some() { 0x40 } else { 0 })
            | (if self.user.is_some() { 0x80 } else { 0 })
    }
}

impl Wire for Connect {
    fn wire(&self, version: Version) -> Vec<u8> {
        let name: &[u8] = match version {
            Version::V31 => b"MQIsdp",
            _ => b"MQTT",
        };
        let level = match version {
            Version::V31 => 3,
            Version::V311 => 4,
            Version::V5 => 5,
        };
        let mut body = field(self.name.as_deref().unwrap_or(name));
        body.push(self.level.unwrap_or(level));
        body.push(self.flags.unwrap_or(self.right_flags()));
        body.extend(self.keep_alive.to_be_bytes());
        body.extend(section(version, &self.properties));
        body.extend(field(&self.id));
        if let Some(will) = &self.will {
            body.extend(section(version, &will.properties));
            body.extend(field(&will.topic));
            body.extend(field(&will.payload));
        }
        for value in [&self.user, &self.password].into_iter().flatten() {
            body.extend(field(value));
        }
        body.extend(&self.extra);
        packet(0x10, &body)
    }
}

/// The will of a [`Connect`].
#[derive(Clone, Debug)]
pub struct Will {
    topic: Vec<u8>,
    payload: Vec<u8>,
    qos: u8,
    retain: bool,
    properties: Vec<u8>,
}

impl Will {
    /// At QoS 0, not retained.
    pub fn new(topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Will {
        Will {
            topic: topic.as_ref().to_vec(),
            payload: payload.as_ref().to_vec(),
            qos: 0,
            retain: false,
            properties: Vec::new(),
        }
    }

    /// At this QoS; 3 is sent as it is.
    pub fn qos(mut self, qos: u8) -> Will {
        self.qos = qos;
        self
    }

    /// With Will Retain 1.
    pub fn retain(mut self) -> Will {
        self.retain = true;
        self
    }

    /// With one more Will Property (5.0).
    pub fn prop(mut self, property: Vec<u8>) -> Will {
        self.properties.extend(property);
        self
    }
}

/// A PUBLISH.
#[derive(Clone, Debug)]
pub struct Publish {
    flags: u8,
    topic: Vec<u8>,
    id: Option<u16>,
    properties: Vec<u8>,
    payload: Vec<u8>,
}

/// A PUBLISH at QoS 0.
pub fn publish(topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Publish {
    Publish {
        flags: 0,
        topic: topic.as_ref().to_vec(),
        id: None,
        properties: Vec::new(),
        payload: payload.as_ref().to_vec(),
    }
}

impl Publish {
    /// At this QoS, with this Packet Identifier if the QoS has one.
    pub fn qos(mut self, qos: u8, id: u16) -> Publish {
        self.flags |= qos << 1;
        self.id = (qos > 0).then_some(id);
        self
    }

    /// With RETAIN 1.
    pub fn retain(mut self) -> Publish {
        self.flags |= 1;
        self
    }

    /// With DUP 1.
    pub fn dup(mut self) -> Publish {
        self.flags |= 8;
        self
    }

    /// With one more property (5.0).
    pub fn prop(mut self, property: Vec<u8>) -> Publish {
        self.properties.extend(property);
        self
    }
}

impl Wire for Publish {
    fn wire(&self, version: Version) -> Vec<u8> {
        let mut body = field(&self.topic);
        body.extend(self.id.iter().flat_map(|id| id.to_be_bytes()));
        body.extend(section(version, &self.properties));
        body.extend(&self.payload);
        packet(0x30 | self.flags, &body)
    }
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
#[derive(Clone, Debug)]
pub struct Ack {
    first: u8,
    id: u16,
    reason: u8,
    properties: Vec<u8>,
}

impl Ack {
    /// With this Reason Code (5.0).
    pub fn reason(mut self, reason: u8) -> Ack {
        self.reason = reason;
        self
    }

    /// With one more property (5.0).
    pub fn prop(mut self, property: Vec<u8>) -> Ack {
        self.properties.extend(property);
        self
    }
}

/// In the shortest form that 5.0 allows.
impl Wire for Ack {
    fn wire(&self, version: Version) -> Vec<u8> {
        let mut body = self.id.to_be_bytes().to_vec();
        if version == Version::V5 && (self.reason > 0 || !self.properties.is_empty()) {
            body.push(self.reason);
            if !self.properties.is_empty() {
                body.extend(section(version, &self.properties));
            }
        }
        packet(self.first, &body)
    }
}

fn ack(first: u8, id: u16) -> Ack {
    Ack { first, id, reason: 0, properties: Vec::new() }
}

/// A PUBACK that reports success.
pub fn puback(id: u16) -> Ack {
    ack(0x40, id)
}

/// A PUBREC that reports success.
pub fn pubrec(id: u16) -> Ack {
    ack(0x50, id)
}

/// A PUBREL that reports success.
pub fn pubrel(id: u16) -> Ack {
    ack(0x62, id)
}

/// A PUBCOMP that reports success.
pub fn pubcomp(id: u16) -> Ack {
    ack(0x70, id)
}

/// A SUBSCRIBE.
#[derive(Clone, Debug)]
pub struct Subscribe {
    id: u16,
    properties: Vec<u8>,
    payload: Vec<u8>,
}

/// A SUBSCRIBE with no filter yet.
pub fn subscribe(id: u16) -> Subscribe {
    Subscribe { id, properties: Vec::new(), payload: Vec::new() }
}

impl Subscribe {
    /// With one more Topic Filter and its options byte.
    pub fn filter(mut self, filter: impl AsRef<[u8]>, options: u8) -> Subscribe {
        self.payload.extend(field(filter));
        self.payload.push(options);
        self
    }

    /// With one more property (5.0).
    pub fn prop(mut self, property: Vec<u8>) -> Subscribe {
        self.properties.extend(property);
        self
    }
}

impl Wire for Subscribe {
    fn wire(&self, version: Version) -> Vec<u8> {
        let properties = section(version, &self.properties);
        packet(0x82, &[&self.id.to_be_bytes()[..], &properties, &self.payload].concat())
    }
}

/// An UNSUBSCRIBE.
#[derive(Clone, Debug)]
pub struct Unsubscribe(Subscribe);

/// An UNSUBSCRIBE with no filter yet.
pub fn unsubscribe(id: u16) -> Unsubscribe {
    Unsubscribe(subscribe(id))
}

impl Unsubscribe {
    /// With one more Topic Filter.
    pub fn filter(mut self, filter: impl AsRef<[u8]>) -> Unsubscribe {
        self.0.payload.extend(field(filter));
        self
    }

    /// With one more property (5.0).
    pub fn prop(mut self, property: Vec<u8>) -> Unsubscribe {
        self.0.properties.extend(property);
        self
    }
}

impl Wire for Unsubscribe {
    fn wire(&self, version: Version) -> Vec<u8> {
        let mut wire = self.0.wire(version);
        wire[0] = 0xA2;
        wire
    }
}

/// A packet of a fixed part, properties and a rest.
#[derive(Clone, Debug)]
pub struct Plain {
    first: u8,
    before: Vec<u8>,
    properties: Vec<u8>,
    after: Vec<u8>,
}

impl Plain {
    /// With one more property (5.0).
    pub fn prop(mut self, property: Vec<u8>) -> Plain {
        self.properties.extend(property);
        self
    }
}

impl Wire for Plain {
    fn wire(&self, version: Version) -> Vec<u8> {
        let properties = section(version, &self.properties);
        packet(self.first, &[&self.before[..], &properties, &self.after].concat())
    }
}

fn plain(first: u8, before: &[u8], after: &[u8]) -> Plain {
    Plain { first, before: before.to_vec(), properties: Vec::new(), after: after.to_vec() }
}

/// A CONNACK.
pub fn connack(session_present: bool, code: u8) -> Plain {
    plain(0x20, &[u8::from(session_present), code], &[])
}

/// A SUBACK.
pub fn suback(id: u16, codes: &[u8]) -> Plain {
    plain(0x90, &id.to_be_bytes(), codes)
}

/// An UNSUBACK; before 5.0 without codes.
pub fn unsuback(version: Version, id: u16, codes: &[u8]) -> Plain {
    plain(0xB0, &id.to_be_bytes(), if version == Version::V5 { codes } else { &[] })
}

/// A DISCONNECT of 5.0 with this Reason Code and a Property Length.
pub fn disconnect(reason: u8) -> Plain {
    plain(0xE0, &[reason], &[])
}

/// An AUTH.
pub fn auth(reason: u8) -> Plain {
    plain(0xF0, &[reason], &[])
}

/// A PINGREQ.
pub fn ping_req() -> Vec<u8> {
    vec![0xC0, 0]
}

/// A PINGRESP.
pub fn ping_resp() -> Vec<u8> {
    vec![0xD0, 0]
}
