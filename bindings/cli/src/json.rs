//! A message as JSON, named as mosquitto_sub names its parts.

use jiff::Zoned;
use jiff::fmt::strtime;
use libmqtt_runtime::{Properties, Property, Publish};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use serde_json::ser::PrettyFormatter;

use crate::format::NotJson;

/// How the payload stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// As a string; what is not UTF-8 is replaced.
    Text,
    /// As the JSON that it is.
    Json,
}

/// Appends the message as one JSON object.
pub(crate) fn append(
    message: &Publish<'_>,
    at: &Zoned,
    pretty: bool,
    payload: Payload,
    out: &mut Vec<u8>,
) -> Result<(), NotJson> {
    let payload = match payload {
        Payload::Text => Value::String(String::from_utf8_lossy(message.payload).into_owned()),
        Payload::Json if message.payload.is_empty() => Value::Null,
        Payload::Json => serde_json::from_slice(message.payload).map_err(|_| NotJson)?,
    };
    let object = Object { message, at, payload };
    // Writing to memory does not fail, and every key is a string.
    let _: serde_json::Result<()> = if pretty {
        let formatter = PrettyFormatter::with_indent(b"\t");
        object.serialize(&mut serde_json::Serializer::with_formatter(out, formatter))
    } else {
        serde_json::to_writer(out, &object)
    };
    Ok(())
}

struct Object<'a> {
    message: &'a Publish<'a>,
    at: &'a Zoned,
    payload: Value,
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Object { message, at, payload } = self;
        let mut map = serializer.serialize_map(None)?;
        let time = strtime::format("%Y-%m-%dT%H:%M:%S%.6f%z", *at).unwrap_or_default();
        map.serialize_entry("tst", &time)?;
        map.serialize_entry("topic", message.topic)?;
        map.serialize_entry("qos", &(message.qos as u8))?;
        map.serialize_entry("retain", &u8::from(message.retain))?;
        map.serialize_entry("payloadlen", &message.payload.len())?;
        if !message.properties.is_empty() {
            map.serialize_entry("properties", &Section(message.properties))?;
        }
        map.serialize_entry("payload", payload)?;
        map.end()
    }
}

struct Section<'a>(Properties<'a>);

impl Serialize for Section<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.0.user_properties().next().is_some() {
            map.serialize_entry("user-properties", &Pairs(self.0))?;
        }
        for property in self.0 {
            match property {
                Property::ContentType(text) => map.serialize_entry("content-type", text)?,
                Property::CorrelationData(data) => {
                    map.serialize_entry("correlation-data", &String::from_utf8_lossy(data))?;
                }
                Property::MessageExpiryInterval(seconds) => {
                    map.serialize_entry("message-expiry-interval", &seconds)?;
                }
                Property::PayloadFormatIndicator(text) => {
                    map.serialize_entry("payload-format-indicator", &u8::from(text))?;
                }
                Property::ResponseTopic(topic) => map.serialize_entry("response-topic", topic)?,
                Property::SubscriptionIdentifier(id) => {
                    map.serialize_entry("subscription-identifier", &id)?;
                }
                Property::TopicAlias(alias) => map.serialize_entry("topic-alias", &alias)?,
                // Nothing else stands in a PUBLISH.
                _ => {}
            }
        }
        map.end()
    }
}

/// User Properties in order; a name that repeats stands there again.
struct Pairs<'a>(Properties<'a>);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.user_properties())
    }
}
