//! Inputs made of the packets in `tests/vectors/packets.csv`.

use libmqtt_oracles::{hex, table};
use libmqtt_runtime::codec::Version;

use crate::connect_bytes;

/// What a hostile peer sends.
#[derive(Clone, Debug)]
pub struct Input {
    /// The version of its CONNECT.
    pub version: Version,
    /// A CONNECT that is accepted, or nothing.
    pub before: Vec<u8>,
    /// What comes then.
    pub bytes: Vec<u8>,
}

/// Packets of one side as inputs, those of other types than CONNECT behind a good CONNECT.
fn packets(from: &str) -> impl Iterator<Item = Input> {
    let rows = table("packets.csv").into_iter().filter(move |row| row.cell("from") == from);
    rows.enumerate().map(|(number, row)| {
        let version = match row.cell("version") {
            "3.1" => Version::V31,
            "3.1.1" => Version::V311,
            _ => Version::V5,
        };
        let before = match row.cell("packet") {
            "CONNECT" => Vec::new(),
            _ => connect_bytes(version, &format!("hostile-{number}")),
        };
        Input { version, before, bytes: hex(row.cell("bytes_hex")) }
    })
}

/// Every client packet, cut at every place.
pub fn truncations() -> Vec<Input> {
    let cut = |input: Input| {
        (0..input.bytes.len())
            .map(move |len| Input { bytes: input.bytes[..len].into(), ..input.clone() })
    };
    packets("client").flat_map(cut).collect()
}

/// Every client packet with every byte in turn replaced by some others.
pub fn mutations() -> Vec<Input> {
    let mut inputs = Vec::new();
    for input in packets("client") {
        for at in 0..input.bytes.len() {
            let byte = input.bytes[at];
            let bits = [0, 1, 2, 3, 4, 5, 6, 7].map(|bit| byte ^ (1 << bit));
            for other in
                [byte.wrapping_add(1), byte.wrapping_sub(1), 0, 0xFF].into_iter().chain(bits)
            {
                if other != byte {
                    let mut bytes = input.bytes.clone();
                    bytes[at] = other;
                    inputs.push(Input { bytes, ..input.clone() });
                }
            }
        }
    }
    inputs
}

/// Every packet of a server, sent by a client.
pub fn wrong_senders() -> Vec<Input> {
    packets("server").collect()
}
