//! CONNECT. MQTT 5.0 §3.1.

use crate::{Properties, QoS, Version};

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
