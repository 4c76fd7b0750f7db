//! Texts, Topic Names and Topic Filters, from `utf8-vectors.csv` and `topic-vectors.csv`.

use libmqtt_codec::{
    DecodeError, Packet, Progress, Side, TopicFilter, TopicName, Version, check_text, frame,
};
use libmqtt_oracles::{hex, table};

#[test]
fn every_utf8_vector_is_judged_as_the_table_says() {
    for row in table("utf8-vectors.csv") {
        let bytes = hex(row.cell("bytes_hex"));
        let (vector, result) = (row.cell("vector"), check_text(&bytes));
        match row.cell("expected") {
            // Discouraged text is taken, everywhere alike: see `check_text`.
            "valid" | "discouraged" => assert_eq!(result.unwrap().as_bytes(), bytes, "{vector}"),
            "invalid" if bytes.contains(&0) => {
                assert_eq!(result, Err(DecodeError::TextHasNul), "{vector}");
            }
            "invalid" => assert_eq!(result, Err(DecodeError::TextNotUtf8), "{vector}"),
            other => panic!("{vector}: no expectation {other}"),
        }
    }
}

#[test]
fn every_utf8_vector_is_judged_alike_inside_every_packet_with_text() {
    fn field(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
    }
    fn packet(first: u8, parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        [&[first, body.len() as u8][..], &body].concat()
    }
    for row in table("utf8-vectors.csv") {
        let bytes = hex(row.cell("bytes_hex"));
        let text = field(&bytes);
        let x = field(b"x");
        // A Topic Name has at least one character: put one in front.
        let topic = field(&[b"x", &bytes[..]].concat());
        let pair = |name: &[u8], value: &[u8]| {
            let section = [&[0x26][..], name, value].concat();
            [&[section.len() as u8][..], &section].concat()
        };
        let connect = |flags: u8, payload: &[&[u8]]| {
            packet(0x10, &[&field(b"MQTT"), &[4, flags, 0, 0], &payload.concat()])
        };
        let packets = [
            (Version::V5, packet(0x30, &[&topic, &[0]])),
            (Version::V5, packet(0x30, &[&x, &pair(&text, &x)])),
            (Version::V5, packet(0x30, &[&x, &pair(&x, &text)])),
            (Version::V5, packet(0x82, &[&[0, 1, 0], &text, &[0]])),
            (Version::V5, packet(0xA2, &[&[0, 1, 0], &text])),
            (Version::V311, packet(0x30, &[&topic])),
            (Version::V31, packet(0x82, &[&[0, 1], &text, &[0]])),
            (Version::V311, connect(0x02, &[&text])),
            (Version::V311, connect(0x06, &[&x, &topic, &x])),
            (Version::V311, connect(0x82, &[&x, &text])),
        ];
        for (version, wire) in packets {
            let Ok(Progress::Packet(found)) = frame(&wire, u32::MAX) else { panic!("{wire:02X?}") };
            let result = found.decode(version, Side::Client).err();
            assert_eq!(result, check_text(&bytes).err(), "{} {wire:02X?}", row.cell("vector"));
        }
    }
}

#[test]
fn will_payload_and_password_are_no_text() {
    let wire = hex("10 1C 0004 4D515454 04 C6 0000 0001 78 0001 78 0002 00FF 0001 75 0003 C32800");
    let Ok(Progress::Packet(found)) = frame(&wire, u32::MAX) else { panic!() };
    let Ok(Packet::Connect(connect)) = found.decode(Version::V311, Side::Client) else { panic!() };
    assert_eq!(connect.will.unwrap().payload, [0x00, 0xFF]);
    assert_eq!(connect.password.unwrap(), [0xC3, 0x28, 0x00]);
}

#[test]
fn every_topic_vector_is_judged_as_the_table_says() {
    let mut judged = 0;
    for row in table("topic-vectors.csv") {
        let vector = row.cell("vector");
        let (filter, topic) = (row.text("filter"), row.text("topic"));
        let parsed = match row.cell("mqtt") {
            "3.1.1" => TopicFilter::unshared(&filter),
            _ => TopicFilter::new(&filter),
        };
        match row.cell("expected") {
            "match" | "no_match" => {
                assert!(TopicName::new(&topic).is_ok(), "{vector}");
                let matches = parsed.unwrap().matches(&topic);
                assert_eq!(matches, row.cell("expected") == "match", "{vector}");
            }
            "valid_filter" => assert!(parsed.is_ok(), "{vector}"),
            "invalid_filter" => assert!(parsed.is_err(), "{vector}"),
            "valid_topic" => assert!(TopicName::new(&topic).is_ok(), "{vector}"),
            "invalid_topic" => assert!(TopicName::new(&topic).is_err(), "{vector}"),
            "unspecified" => continue,
            other => panic!("{vector}: no expectation {other}"),
        }
        judged += 1;
    }
    assert!(judged > 160, "only {judged} vectors were judged");
}
