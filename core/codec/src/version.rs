//! Which MQTT is spoken, and by which end.

/// The protocol version of a Network Connection, fixed by its CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Version {
    /// MQTT 3.1 (`MQIsdp`, level 3).
    V31 = 3,
    /// MQTT 3.1.1 (`MQTT`, level 4).
    V311 = 4,
    /// MQTT 5.0 (`MQTT`, level 5).
    V5 = 5,
}

impl Version {
    /// The version with this Protocol Level, if there is one.
    pub fn from_level(level: u8) -> Option<Version> {
        match level {
            3 => Some(Version::V31),
            4 => Some(Version::V311),
            5 => Some(Version::V5),
            _ => None,
        }
    }

    /// The Protocol Level (3.1: Protocol Version Number) in CONNECT.
    pub fn level(self) -> u8 {
        self as u8
    }

    /// The Protocol Name in CONNECT.
    pub fn protocol_name(self) -> &'static str {
        if self == Version::V31 { "MQIsdp" } else { "MQTT" }
    }

    /// Whether packets carry properties, and acknowledgements Reason Codes.
    pub fn has_properties(self) -> bool {
        self == Version::V5
    }
}

/// One end of a Network Connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The Client.
    Client,
    /// The broker, which the specification calls Server.
    Server,
}
