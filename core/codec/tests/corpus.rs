//! One valid packet or more of each type and version, from `packets.csv`.

use std::collections::BTreeSet;

use libmqtt_codec::{Packet, Progress, Side, Version, frame};
use libmqtt_oracles::{hex, round_trips, stream_holds, table};

struct Sample {
    version: Version,
    from: Side,
    packet: String,
    wire: Vec<u8>,
}

fn samples() -> Vec<Sample> {
    let version = |name: &str| match name {
        "3.1" => Version::V31,
        "3.1.1" => Version::V311,
        "5.0" => Version::V5,
        _ => panic!("no version {name}"),
    };
    let from = |name: &str| match name {
        "client" => Side::Client,
        "server" => Side::Server,
        _ => panic!("no side {name}"),
    };
    let rows = table("packets.csv");
    rows.iter()
        .map(|row| Sample {
            version: version(row.cell("version")),
            from: from(row.cell("from")),
            packet: row.cell("packet").to_owned(),
            wire: hex(row.cell("bytes_hex")),
        })
        .collect()
}

fn decode(sample: &Sample) -> Packet<'_> {
    let Sample { version, from, wire, .. } = sample;
    match frame(wire, u32::MAX) {
        Ok(Progress::Packet(found)) if found.len == wire.len() => found
            .decode(*version, *from)
            .unwrap_or_else(|error| panic!("{version:?} {wire:02X?}: {error}")),
        other => panic!("{wire:02X?} is framed as {other:?}"),
    }
}

#[test]
fn every_packet_of_the_corpus_is_read_as_what_it_is_and_written_back() {
    for sample in samples() {
        let packet = decode(&sample);
        let name = format!("{:?}", packet.packet_type()).to_uppercase();
        assert_eq!(name, sample.packet);
        round_trips(&packet, sample.version, sample.from);
        stream_holds(&sample.wire, sample.version, sample.from);
    }
}

#[test]
fn what_the_corpus_holds_is_written_byte_for_byte() {
    for sample in samples() {
        // 3.1 reads flags and missing fields that are not written again.
        if [0x14, 0x8A].contains(&sample.wire[0]) {
            continue;
        }
        let mut out = Vec::new();
        decode(&sample).encode(sample.version, &mut out).unwrap();
        assert_eq!(out, sample.wire, "{:?} {}", sample.version, sample.packet);
    }
}

#[test]
fn the_corpus_has_every_type_in_every_version_from_every_side_that_sends_it() {
    let held: BTreeSet<_> =
        samples().into_iter().map(|s| (s.packet, s.version, s.from == Side::Client)).collect();
    let mut expected = BTreeSet::new();
    for row in table("mqtt-fixed-header.csv") {
        for version in [Version::V31, Version::V311, Version::V5] {
            let (client, server) = match row.cell("direction") {
                "C>S" => (true, false),
                "S>C" => (false, true),
                "both" => (true, true),
                "both (5.0 only; reserved before)" => {
                    (version == Version::V5, version == Version::V5)
                }
                "C>S before 5.0, both in 5.0" => (true, version == Version::V5),
                other => panic!("no direction {other}"),
            };
            for from_client in
                [client.then_some(true), server.then_some(false)].into_iter().flatten()
            {
                expected.insert((row.cell("packet").to_owned(), version, from_client));
            }
        }
    }
    assert_eq!(held, expected);
}

#[test]
fn the_whole_corpus_of_a_side_is_a_stream() {
    for version in [Version::V31, Version::V311, Version::V5] {
        for from in [Side::Client, Side::Server] {
            let mine = samples().into_iter().filter(|s| s.version == version && s.from == from);
            let stream: Vec<u8> = mine.flat_map(|s| s.wire).collect();
            stream_holds(&stream, version, from);
            let mut rest = &stream[..];
            while let Ok(Progress::Packet(found)) = frame(rest, u32::MAX) {
                found.decode(version, from).unwrap();
                rest = &rest[found.len..];
            }
            assert!(rest.is_empty());
        }
    }
}

#[test]
fn decoding_allocates_nothing() {
    for sample in samples() {
        let counted = allocation_counter::measure(|| {
            std::hint::black_box(decode(&sample));
        });
        assert_eq!(counted.count_total, 0, "{:?} {}", sample.version, sample.packet);
    }
}

#[test]
fn a_length_that_is_only_claimed_costs_nothing_and_is_refused_when_too_large() {
    let claimed = hex("30 FFFFFF7F 0001 61");
    let counted = allocation_counter::measure(|| {
        assert_eq!(frame(&claimed, u32::MAX), Ok(Progress::Wants(268_435_460 - 8)));
        assert!(frame(&claimed[..5], 268_435_459).is_err());
    });
    assert_eq!(counted.count_total, 0);
}
