//! What must hold for any bytes that a peer sends.

use libmqtt_codec::{DecodeError, Packet, Progress, Side, Version, frame};

/// Whatever bytes a Client of 3.1 or 3.1.1 sends, [`stream_holds`].
pub fn client_v3(input: &[u8]) {
    stream_holds(input, Version::V31, Side::Client);
    stream_holds(input, Version::V311, Side::Client);
}

/// Whatever bytes a Client of 5.0 sends, [`stream_holds`].
pub fn client_v5(input: &[u8]) {
    stream_holds(input, Version::V5, Side::Client);
}

/// Whatever bytes a broker sends, [`stream_holds`], in any version.
pub fn server(input: &[u8]) {
    for version in [Version::V31, Version::V311, Version::V5] {
        stream_holds(input, version, Side::Server);
    }
}

/// Reads `input` as a stream of packets that `from` sends in `version`, up to its end or its first
/// error, and checks of each packet that it [`round_trips`], and of each boundary that it does not
/// depend on how the stream is split.
pub fn stream_holds(input: &[u8], version: Version, from: Side) {
    const LIMIT: u32 = 1 << 20;
    let mut rest = input;
    loop {
        let found = match frame(rest, LIMIT) {
            Ok(Progress::Packet(found)) => found,
            Ok(Progress::Wants(more)) => {
                assert!(more > 0, "nothing is wanted, yet there is no packet");
                assert!(
                    rest.len() + more <= LIMIT as usize,
                    "more is wanted than the limit allows"
                );
                return;
            }
            Err(error) => return is_reported(error),
        };
        splits_do_not_matter(&rest[..found.len], LIMIT);
        match found.decode(version, from) {
            Ok(packet) => round_trips(&packet, version, from),
            Err(error) => return is_reported(error),
        }
        rest = &rest[found.len..];
    }
}

/// Checks of a packet that was decoded that it can be encoded, to exactly `encoded_len` bytes
/// behind whatever is there already, and that these decode to the same packet.
pub fn round_trips(packet: &Packet<'_>, version: Version, from: Side) {
    const BEFORE: &[u8] = b"before";
    let mut wire = BEFORE.to_vec();
    packet.encode(version, &mut wire).unwrap_or_else(|error| panic!("{packet:?}: {error}"));
    let (before, wire) = wire.split_at(BEFORE.len());
    assert_eq!(before, BEFORE, "bytes that were there are still there");
    assert_eq!(packet.encoded_len(version), Ok(wire.len()), "{packet:?}");
    let again = decode_whole(wire, version, from);
    if !grants_what_3_1_cannot_refuse(packet, version) {
        assert_eq!(again, *packet);
    }
    let mut second = Vec::new();
    again.encode(version, &mut second).unwrap_or_else(|error| panic!("{again:?}: {error}"));
    assert_eq!(second, wire, "encoding is a fixed point");
}

/// A SUBACK of 3.1 may be read with 0x80, but is written with what 3.1 has.
fn grants_what_3_1_cannot_refuse(packet: &Packet<'_>, version: Version) -> bool {
    matches!(packet, Packet::SubAck(ack) if version == Version::V31 && ack.codes.contains(&0x80))
}

fn decode_whole(wire: &[u8], version: Version, from: Side) -> Packet<'_> {
    match frame(wire, u32::MAX) {
        Ok(Progress::Packet(found)) if found.len == wire.len() => found
            .decode(version, from)
            .unwrap_or_else(|error| panic!("our own {wire:02x?} is refused: {error}")),
        other => panic!("our own {wire:02x?} is framed as {other:?}"),
    }
}

/// Every beginning of a packet asks for more, never for more than there is to come; more behind it
/// changes nothing.
fn splits_do_not_matter(packet: &[u8], limit: u32) {
    let whole = frame(packet, limit);
    for cut in 0..packet.len() {
        match frame(&packet[..cut], limit) {
            Ok(Progress::Wants(more)) => assert!(more > 0 && cut + more <= packet.len().max(2)),
            other => panic!("{cut} bytes of {} give {other:?}", packet.len()),
        }
    }
    let longer = [packet, &[0xFF; 5]].concat();
    assert_eq!(frame(&longer, limit), whole);
    assert_eq!(frame(packet, packet.len() as u32), whole, "the limit is inclusive");
    let refused = frame(packet, packet.len() as u32 - 1);
    assert_eq!(refused, Err(DecodeError::PacketTooLarge));
}

fn is_reported(error: DecodeError) {
    assert!(error.reason().is_error(), "{error} is reported as {}", error.reason());
    for version in [Version::V31, Version::V311, Version::V5] {
        assert!(error.statement(version).is_none_or(|id| id.starts_with("MQTT-")));
    }
}
