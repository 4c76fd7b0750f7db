//! A run as text and as a number.

use libmqtt_codec::{Connect, Packet, Side, Version};

use crate::check::decode;
use crate::obs::{Obs, What, key_of};

/// A number that differs when anything observed differs.
pub fn hash(run: &[Obs]) -> u64 {
    let mut hash = 0xCBF2_9CE4_8422_2325u64;
    for obs in run {
        for byte in format!("{obs:?}").bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
    hash
}

/// One observation for a reader.
pub fn line(obs: &Obs, version: Version) -> String {
    let text = match &obs.what {
        What::FromClient { conn, packet } => {
            format!("conn {conn} client >        {}", shown(packet, version, Side::Client))
        }
        What::ToBroker { conn, packet } => {
            format!("conn {conn}        > broker {}", shown(packet, version, Side::Client))
        }
        What::Answered { conn, packet } => {
            format!("conn {conn} answered        {}", shown(packet, version, Side::Server))
        }
        What::FromBroker { conn, packet } => {
            format!("conn {conn}        < broker {}", shown(packet, version, Side::Server))
        }
        What::ToClient { conn, packet } => {
            format!("conn {conn} client <        {}", shown(packet, version, Side::Server))
        }
        other => format!("{other:x?}"),
    };
    format!("{:>12.3} ms  {text}", obs.at as f64 / 1e6)
}

fn shown(packet: &[u8], version: Version, from: Side) -> String {
    match decode(packet, version, from) {
        Ok(packet) => {
            let text = format!("{packet:?}");
            // Payloads are mostly padding.
            let head = text.find("payload: [").map_or(text.as_str(), |at| &text[..at]);
            match packet {
                Packet::Publish(publish) => format!("{head}{}", told(publish.payload)),
                Packet::Connect(Connect { will: Some(will), .. }) => {
                    format!("{head}{}, {:?}", told(will.payload), will.properties)
                }
                _ => text,
            }
        }
        Err(why) => why,
    }
}

fn told(payload: &[u8]) -> String {
    match key_of(payload) {
        Some(key) => format!("key {key:x}, {} bytes", payload.len()),
        None => format!("{payload:?}"),
    }
}
