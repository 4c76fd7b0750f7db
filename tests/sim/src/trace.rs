//! A run as text and as a number.

use libmqtt_codec::{Side, Version};

use crate::check::decode;
use crate::obs::{Obs, What};

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
    let text = match decode(packet, version, from) {
        Ok(packet) => format!("{packet:?}"),
        Err(why) => why,
    };
    // Payloads are mostly padding.
    match text.find("payload: [") {
        None => text,
        Some(at) => {
            let head = &text[..at];
            let key = payload_key(packet);
            format!("{head}key {key}")
        }
    }
}

fn payload_key(packet: &[u8]) -> String {
    let end = packet.iter().rposition(|&b| b == b';');
    let Some(end) = end else { return "none".into() };
    let digits = packet[..end].iter().rev().take_while(|b| b.is_ascii_hexdigit()).count();
    String::from_utf8_lossy(&packet[end - digits..end]).into_owned()
}
