//! An Application Message, owned.

use core::ops::Range;

use bytes::Bytes;
use libmqtt_codec::{Properties, PropertiesBuf, Publish, QoS, TopicError, TopicName};

/// Why a message cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Its topic is no Topic Name.
    #[error("topic name {0}")]
    Topic(#[from] TopicError),
    /// It would not fit into a packet.
    #[error("message is larger than MQTT allows")]
    TooLarge,
}

/// An Application Message: topic, payload, QoS, RETAIN and properties, in one allocation.
///
/// Cloning copies a reference to that allocation.
#[derive(Clone)]
pub struct Message {
    /// Topic, properties and payload, perhaps with other bytes between them.
    data: Bytes,
    topic: Range<u32>,
    properties: Range<u32>,
    payload: u32,
    qos: QoS,
    retain: bool,
}

impl Message {
    /// A message at QoS 0, not retained, without properties. `payload` is copied.
    pub fn new(topic: &str, payload: &[u8]) -> Result<Message, MessageError> {
        Message::build(topic, payload, QoS::AtMostOnce, false, Properties::EMPTY)
    }

    /// A message made of all its parts, which are copied.
    pub fn build(
        topic: &str,
        payload: &[u8],
        qos: QoS,
        retain: bool,
        properties: Properties<'_>,
    ) -> Result<Message, MessageError> {
        TopicName::new(topic)?;
        let publish =
            Publish { dup: false, qos, retain, topic, packet_id: None, properties, payload };
        if payload.len() + properties.as_bytes().len() + topic.len() > 268_435_440 {
            return Err(MessageError::TooLarge);
        }
        Ok(Message::copy(&publish))
    }

    /// Copies a decoded PUBLISH, whose topic must not be empty.
    pub fn copy(publish: &Publish<'_>) -> Message {
        let properties = publish.properties.as_bytes();
        let mut data =
            Vec::with_capacity(publish.topic.len() + properties.len() + publish.payload.len());
        data.extend_from_slice(publish.topic.as_bytes());
        data.extend_from_slice(properties);
        data.extend_from_slice(publish.payload);
        let topic = 0..publish.topic.len() as u32;
        let properties = topic.end..topic.end + properties.len() as u32;
        Message {
            data: data.into(),
            payload: properties.end,
            topic,
            properties,
            qos: publish.qos,
            retain: publish.retain,
        }
    }

    /// At this QoS.
    pub fn with_qos(mut self, qos: QoS) -> Message {
        self.qos = qos;
        self
    }

    /// With RETAIN set or not.
    pub fn with_retain(mut self, retain: bool) -> Message {
        self.retain = retain;
        self
    }

    /// With these properties instead.
    pub fn with_properties(self, properties: &PropertiesBuf) -> Message {
        Message::copy(&Publish { properties: properties.view(), ..self.view() })
    }

    /// The Topic Name.
    pub fn topic(&self) -> &str {
        let bytes = &self.data[self.topic.start as usize..self.topic.end as usize];
        // Checked when the message was made; an empty topic would be visible, a panic is not due.
        core::str::from_utf8(bytes).unwrap_or_default()
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        &self.data[self.payload as usize..]
    }

    /// The payload, sharing the message's allocation.
    pub fn payload_bytes(&self) -> Bytes {
        self.data.slice(self.payload as usize..)
    }

    /// Its QoS.
    pub fn qos(&self) -> QoS {
        self.qos
    }

    /// Its RETAIN flag.
    pub fn retain(&self) -> bool {
        self.retain
    }

    /// Its properties.
    pub fn properties(&self) -> Properties<'_> {
        Properties::assume_checked(
            &self.data[self.properties.start as usize..self.properties.end as usize],
        )
    }

    /// Bytes it keeps in memory, roughly.
    pub fn size(&self) -> usize {
        self.data.len() + size_of::<Message>()
    }

    /// The message as a PUBLISH without DUP and Packet Identifier.
    pub fn view(&self) -> Publish<'_> {
        Publish {
            dup: false,
            qos: self.qos,
            retain: self.retain,
            topic: self.topic(),
            packet_id: None,
            properties: self.properties(),
            payload: self.payload(),
        }
    }
}

impl core::fmt::Debug for Message {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.view().fmt(f)
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Message) -> bool {
        self.view() == other.view()
    }
}

impl Eq for Message {}
