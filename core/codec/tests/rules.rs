//! Every rule that a packet can break: the bytes that break it, the error, its Reason Code and the
//! statement behind it.

use std::collections::BTreeSet;

use libmqtt_codec::DecodeError::{self, *};
use libmqtt_codec::{
    Connect, Frame, Packet, PacketType, Progress, PropertyId, Reason, Side, TopicError, Version,
    frame,
};
use libmqtt_oracles::{hex, table};
use {Side::Client, Side::Server, Version::V5, Version::V31, Version::V311};

fn decode(wire: &[u8], version: Version, from: Side) -> Result<Packet<'_>, DecodeError> {
    match frame(wire, 1000)? {
        Progress::Packet(found) if found.len == wire.len() => found.decode(version, from),
        other => panic!("{wire:02X?} is framed as {other:?}"),
    }
}

/// All violations: version, sender, bytes, error.
#[rustfmt::skip]
const BROKEN: &[(Version, Side, &str, DecodeError)] = &[
    // The frame.
    (V5,   Client, "30 E907",                                   PacketTooLarge),
    (V5,   Client, "30 FFFFFF7F",                               PacketTooLarge),
    (V311, Client, "30 FFFFFFFF01",                             VarintTooLong),
    (V5,   Client, "C0 8000",                                   VarintPadded),
    (V5,   Client, "30 8400 0001 78 00",                        VarintPadded),
    (V5,   Client, "10 8D00 0004 4D515454 05 02 0000 00 0000",  VarintPadded),
    (V5,   Client, "30 05 0001 78 8000",                        VarintPadded),
    (V5,   Client, "30 08 0001 78 FFFFFFFF01",                  VarintTooLong),
    (V311, Client, "00 00",                                     ReservedType(0)),
    (V5,   Client, "00 00",                                     ReservedType(0)),
    (V31,  Client, "F0 00",                                     ReservedType(15)),
    (V311, Server, "F0 00",                                     ReservedType(15)),
    (V5,   Client, "E1 00",                                     FixedHeaderFlags),
    (V311, Client, "60 02 0001",                                FixedHeaderFlags),
    (V5,   Client, "11 0D 0004 4D515454 05 02 0000 00 0000",    FixedHeaderFlags),
    (V5,   Client, "D0 00",                                     WrongSender(PacketType::PingResp)),
    (V5,   Client, "20 03 00 00 00",                            WrongSender(PacketType::ConnAck)),
    (V5,   Client, "90 04 0001 00 00",                          WrongSender(PacketType::SubAck)),
    (V311, Client, "B0 02 0001",                                WrongSender(PacketType::UnsubAck)),
    (V311, Server, "E0 00",                                     WrongSender(PacketType::Disconnect)),
    (V31,  Server, "E0 00",                                     WrongSender(PacketType::Disconnect)),
    (V5,   Server, "C0 00",                                     WrongSender(PacketType::PingReq)),
    (V5,   Server, "82 07 0001 00 0001 78 00",                  WrongSender(PacketType::Subscribe)),
    (V5,   Server, "A2 06 0001 00 0001 78",                     WrongSender(PacketType::Unsubscribe)),
    (V5,   Server, "10 0D 0004 4D515454 05 02 0000 00 0000",    WrongSender(PacketType::Connect)),
    // Fields.
    (V311, Client, "30 01 00",                                  Truncated),
    (V311, Client, "30 02 0001",                                Truncated),
    (V311, Client, "32 03 0001 78",                             Truncated),
    (V5,   Client, "30 03 0001 78",                             Truncated),
    (V5,   Client, "30 05 0001 78 02 01",                       Truncated),
    (V5,   Client, "40 01 00",                                  Truncated),
    (V5,   Client, "F0 01 18",                                  Truncated),
    (V311, Server, "20 01 00",                                  Truncated),
    (V5,   Server, "20 02 00 00",                               Truncated),
    (V311, Client, "82 05 0001 0001 78",                        Truncated),
    (V311, Client, "10 0A 0004 4D515454 04 02 0000",            Truncated),
    (V311, Client, "10 0C 0004 4D515454 04 06 0000 0000",       Truncated),
    (V311, Client, "10 0C 0004 4D515454 04 82 0000 0000",       Truncated),
    (V311, Client, "10 0E 0004 4D515454 04 C2 0000 0000 0000",  Truncated),
    (V5,   Client, "10 0D 0004 4D515454 05 42 0000 00 0000",    Truncated),
    (V311, Client, "C0 01 00",                                  TrailingBytes),
    (V311, Client, "E0 01 00",                                  TrailingBytes),
    (V311, Client, "40 03 0001 00",                             TrailingBytes),
    (V5,   Client, "40 05 0001 00 00 00",                       TrailingBytes),
    (V5,   Client, "E0 03 00 00 00",                            TrailingBytes),
    (V5,   Client, "F0 07 18 04 15 0001 78 00",                 TrailingBytes),
    (V311, Server, "20 03 00 00 00",                            TrailingBytes),
    (V311, Server, "B0 03 0001 00",                             TrailingBytes),
    (V311, Client, "10 0E 0004 4D515454 04 02 0000 0000 0000",  TrailingBytes),
    (V31,  Client, "10 10 0006 4D5149736470 03 02 0000 0000 0000", TrailingBytes),
    (V311, Client, "30 03 0001 FF",                             TextNotUtf8),
    (V31,  Client, "30 04 0002 C080",                           TextNotUtf8),
    (V5,   Client, "30 04 0001 00 00",                          TextHasNul),
    (V311, Client, "30 04 0002 002B",                           TextHasNul),
    (V311, Client, "10 11 0004 4D515454 04 06 0000 0000 0001 00 0000", TextHasNul),
    (V5,   Client, "32 06 0001 78 0000 00",                     PacketIdZero),
    (V311, Client, "40 02 0000",                                PacketIdZero),
    (V311, Client, "82 06 0000 0001 78 00",                     PacketIdZero),
    (V31,  Client, "A2 05 0000 0001 78",                        PacketIdZero),
    // CONNECT.
    (V311, Client, "10 0C 0004 6D717474 04 02 0000 0000",       ProtocolName),
    (V311, Client, "10 08 0000 04 02 0000 0000",                ProtocolName),
    (V311, Client, "10 0C 0004 4D515454 03 02 0000 0000",       ProtocolLevel(3)),
    (V311, Client, "10 0C 0004 4D515454 06 02 0000 0000",       ProtocolLevel(6)),
    (V31,  Client, "10 0E 0006 4D5149736470 04 02 0000 0000",   ProtocolLevel(4)),
    (V5,   Client, "10 0C 0004 4D515454 84 02 0000 0000",       ProtocolLevel(0x84)),
    (V311, Client, "10 0C 0004 4D515454 04 03 0000 0000",       ConnectFlagReserved),
    (V5,   Client, "10 0D 0004 4D515454 05 01 0000 00 0000",    ConnectFlagReserved),
    (V311, Client, "10 0C 0004 4D515454 04 0A 0000 0000",       WillQosWithoutWill),
    (V5,   Client, "10 0D 0004 4D515454 05 12 0000 00 0000",    WillQosWithoutWill),
    (V5,   Client, "10 0D 0004 4D515454 05 22 0000 00 0000",    WillRetainWithoutWill),
    (V311, Client, "10 11 0004 4D515454 04 1E 0000 0000 0001 78 0000", WillQos),
    (V5,   Client, "10 13 0004 4D515454 05 1E 0000 00 0000 00 0001 78 0000", WillQos),
    (V31,  Client, "10 13 0006 4D5149736470 03 1E 0000 0000 0001 78 0000", WillQos),
    (V311, Client, "10 0E 0004 4D515454 04 42 0000 0000 0000",  PasswordWithoutUserName),
    (V31,  Client, "10 10 0006 4D5149736470 03 42 0000 0000 0000", PasswordWithoutUserName),
    (V311, Client, "10 10 0004 4D515454 04 06 0000 0000 0000 0000", TopicName(TopicError::Empty)),
    (V5,   Client, "10 13 0004 4D515454 05 06 0000 00 0000 00 0001 23 0000", TopicName(TopicError::Wildcard)),
    (V5,   Client, "10 10 0004 4D515454 05 02 0000 03 16 0000 0000", AuthenticationDataWithoutMethod),
    // CONNACK.
    (V311, Server, "20 02 02 00",                               ConnAckFlags),
    (V5,   Server, "20 03 80 00 00",                            ConnAckFlags),
    (V311, Server, "20 02 01 05",                               SessionPresentOnRefusal),
    (V5,   Server, "20 03 01 87 00",                            SessionPresentOnRefusal),
    (V311, Server, "20 02 00 06",                               ReasonCode(PacketType::ConnAck, 6)),
    (V5,   Server, "20 03 00 05 00",                            ReasonCode(PacketType::ConnAck, 5)),
    // PUBLISH.
    (V311, Client, "36 05 0001 78 0001",                        PublishQos),
    (V5,   Server, "36 06 0001 78 0001 00",                     PublishQos),
    (V5,   Client, "38 04 0001 78 00",                          DupAtQos0),
    (V311, Client, "39 03 0001 78",                             DupAtQos0),
    (V311, Client, "30 02 0000",                                TopicName(TopicError::Empty)),
    (V31,  Client, "30 02 0000",                                TopicName(TopicError::Empty)),
    (V5,   Client, "30 06 0003 612F2B 00",                      TopicName(TopicError::Wildcard)),
    (V311, Server, "30 05 0003 612F23",                         TopicName(TopicError::Wildcard)),
    (V5,   Client, "30 03 0000 00",                             EmptyTopicWithoutAlias),
    (V5,   Client, "30 07 0001 78 03 23 0000",                  TopicAliasZero),
    (V5,   Client, "30 06 0001 78 02 0B 01",                    PropertyWrongSender(PropertyId::SubscriptionIdentifier)),
    (V5,   Server, "30 06 0001 78 02 0B 00",                    PropertyValue(PropertyId::SubscriptionIdentifier)),
    (V5,   Server, "30 07 0001 78 03 0B 8000",                  VarintPadded),
    (V5,   Client, "30 06 0001 78 02 01 02",                    PropertyValue(PropertyId::PayloadFormatIndicator)),
    (V5,   Client, "30 08 0001 78 04 08 0001 2B",               ResponseTopic(TopicError::Wildcard)),
    (V5,   Client, "30 07 0001 78 03 08 0000",                  ResponseTopic(TopicError::Empty)),
    (V5,   Client, "30 08 0001 78 04 08 0001 00",               TextHasNul),
    (V5,   Client, "30 06 0001 78 02 00 00",                    PropertyUnknown(0)),
    (V5,   Client, "30 07 0001 78 03 81 00 01",                 PropertyUnknown(0x81)),
    (V5,   Client, "30 07 0001 78 03 21 0001",                  PropertyNotAllowed(PropertyId::ReceiveMaximum)),
    (V5,   Client, "30 08 0001 78 04 01 01 01 01",              PropertyRepeated(PropertyId::PayloadFormatIndicator)),
    // Acknowledgements.
    (V5,   Client, "40 03 0001 10",                             ReasonCode(PacketType::PubAck, 0x10)),
    (V5,   Client, "50 03 0001 10",                             ReasonCode(PacketType::PubRec, 0x10)),
    (V5,   Server, "62 03 0001 80",                             ReasonCode(PacketType::PubRel, 0x80)),
    (V5,   Server, "70 03 0001 91",                             ReasonCode(PacketType::PubComp, 0x91)),
    // SUBSCRIBE and UNSUBSCRIBE.
    (V311, Client, "82 02 0001",                                NoSubscriptions),
    (V5,   Client, "82 03 0001 00",                             NoSubscriptions),
    (V5,   Client, "82 07 0001 00 0001 78 40",                  SubscriptionReservedBits),
    (V5,   Client, "82 07 0001 00 0001 78 80",                  SubscriptionReservedBits),
    (V311, Client, "82 06 0001 0001 78 04",                     SubscriptionReservedBits),
    (V31,  Client, "82 06 0001 0001 78 80",                     SubscriptionReservedBits),
    (V311, Client, "82 06 0001 0001 78 03",                     SubscriptionQos),
    (V5,   Client, "82 07 0001 00 0001 78 03",                  SubscriptionQos),
    (V5,   Client, "82 07 0001 00 0001 78 30",                  RetainHandling),
    (V5,   Client, "82 10 0001 00 000A 2473686172652F672F74 04", NoLocalOnShared),
    (V5,   Client, "82 0B 0001 04 0B 01 0B 01 0001 78 00",      PropertyRepeated(PropertyId::SubscriptionIdentifier)),
    (V311, Client, "A2 02 0001",                                NoFilters),
    (V5,   Client, "A2 03 0001 00",                             NoFilters),
    (V311, Server, "90 02 0001",                                NoReasonCodes),
    (V5,   Server, "90 03 0001 00",                             NoReasonCodes),
    (V5,   Server, "B0 03 0001 00",                             NoReasonCodes),
    (V311, Server, "90 03 0001 03",                             ReasonCode(PacketType::SubAck, 3)),
    (V311, Server, "90 03 0001 87",                             ReasonCode(PacketType::SubAck, 0x87)),
    (V31,  Server, "90 03 0001 87",                             ReasonCode(PacketType::SubAck, 0x87)),
    (V5,   Server, "90 04 0001 00 11",                          ReasonCode(PacketType::SubAck, 0x11)),
    (V5,   Server, "B0 04 0001 00 01",                          ReasonCode(PacketType::UnsubAck, 1)),
    // DISCONNECT and AUTH.
    (V5,   Client, "E0 01 8E",                                  ReasonCode(PacketType::Disconnect, 0x8E)),
    (V5,   Server, "E0 07 00 05 11 00000000",                   PropertyWrongSender(PropertyId::SessionExpiryInterval)),
    (V5,   Client, "E0 06 9D 04 1C 0001 78",                    ReasonCode(PacketType::Disconnect, 0x9D)),
    (V5,   Client, "E0 06 00 04 1C 0001 78",                    PropertyWrongSender(PropertyId::ServerReference)),
    (V5,   Client, "F0 00",                                     AuthenticationMethodMissing),
    (V5,   Server, "F0 00",                                     AuthenticationMethodMissing),
    (V5,   Client, "F0 02 18 00",                               AuthenticationMethodMissing),
    (V5,   Client, "F0 06 00 04 15 0001 78",                    ReasonCode(PacketType::Auth, 0)),
    (V5,   Server, "F0 06 19 04 15 0001 78",                    ReasonCode(PacketType::Auth, 0x19)),
];

/// The names of all rules, and that of one error: a new rule stops the build here.
macro_rules! rules {
    ($($name:ident $(($($field:tt),*))?),* $(,)?) => {
        const RULES: &[&str] = &[$(stringify!($name)),*];
        fn rule(error: DecodeError) -> &'static str {
            match error { $(DecodeError::$name $(($($field),*))? => stringify!($name),)* }
        }
    };
}

rules! {
    PacketTooLarge, VarintTooLong, VarintPadded, Truncated, TrailingBytes, ReservedType(_),
    FixedHeaderFlags, WrongSender(_), TextNotUtf8, TextHasNul, PacketIdZero, TopicName(_),
    ReasonCode(_, _), ProtocolName, ProtocolLevel(_), ConnectFlagReserved, WillQosWithoutWill,
    WillRetainWithoutWill, WillQos, PasswordWithoutUserName, AuthenticationDataWithoutMethod,
    ConnAckFlags, SessionPresentOnRefusal, PublishQos, DupAtQos0, EmptyTopicWithoutAlias,
    NoSubscriptions, SubscriptionReservedBits, SubscriptionQos, RetainHandling, NoLocalOnShared,
    NoFilters, NoReasonCodes, AuthenticationMethodMissing, PropertyUnknown(_),
    PropertyNotAllowed(_), PropertyWrongSender(_), PropertyRepeated(_), PropertyValue(_),
    TopicAliasZero, ResponseTopic(_),
}

#[test]
fn every_violation_is_named() {
    for &(version, from, text, error) in BROKEN {
        let wire = hex(text);
        assert_eq!(decode(&wire, version, from), Err(error), "{version:?} {from:?} {text}");
    }
}

#[test]
fn every_rule_can_be_broken() {
    let broken: BTreeSet<_> = BROKEN.iter().map(|&(.., error)| rule(error)).collect();
    assert_eq!(broken, RULES.iter().copied().collect());
}

#[test]
fn reason_codes_are_those_of_the_specification() {
    for &(.., error) in BROKEN {
        let expected = match rule(error) {
            "PacketTooLarge" => Reason::PacketTooLarge,
            "TopicName" => Reason::TopicNameInvalid,
            "TopicAliasZero" => Reason::TopicAliasInvalid,
            "ProtocolName" | "ProtocolLevel" => Reason::UnsupportedProtocolVersion,
            // What cannot be parsed: §1.5, §2.1.3, §2.2.2.2, §3.1.2.3, §3.2.2.1, §3.3.1, §3.8.3.1.
            "VarintTooLong"
            | "VarintPadded"
            | "Truncated"
            | "TrailingBytes"
            | "ReservedType"
            | "FixedHeaderFlags"
            | "TextNotUtf8"
            | "TextHasNul"
            | "ConnectFlagReserved"
            | "WillQosWithoutWill"
            | "WillRetainWithoutWill"
            | "WillQos"
            | "PasswordWithoutUserName"
            | "ConnAckFlags"
            | "PublishQos"
            | "DupAtQos0"
            | "SubscriptionReservedBits"
            | "PropertyUnknown"
            | "PropertyNotAllowed" => Reason::MalformedPacket,
            _ => Reason::ProtocolError,
        };
        assert_eq!(error.reason(), expected, "{error:?}");
    }
}

#[test]
fn every_statement_that_is_cited_exists() {
    let ids = |name| -> BTreeSet<String> {
        table(name).iter().map(|row| row.cell("id").to_owned()).collect()
    };
    let v311 = ids("mqtt311-statements.csv");
    let v5 = ids("mqtt5-statements.csv");
    let mut cited = 0;
    for &(.., error) in BROKEN {
        assert_eq!(error.statement(V31), None, "3.1 numbers nothing");
        for (version, ids) in [(V311, &v311), (V5, &v5)] {
            if let Some(id) = error.statement(version) {
                assert!(ids.contains(id), "{error:?}: there is no {id} in {version:?}");
                cited += 1;
            }
        }
    }
    assert!(cited > 100, "only {cited} citations");
    assert_eq!(ReasonCode(PacketType::PubRel, 1).statement(V5), Some("MQTT-3.6.2-1"));
    assert_eq!(DupAtQos0.statement(V311), Some("MQTT-3.3.1-2"));
}

#[test]
fn a_message_names_the_rule_in_lower_case_without_a_full_stop() {
    for &(.., error) in BROKEN {
        let text = error.to_string();
        assert!(text.starts_with(char::is_lowercase) && !text.ends_with('.'), "{text}");
    }
}

/// What 3.1 allows and its successors do not.
#[test]
fn mqtt_3_1_takes_what_only_its_successors_forbid() {
    for text in [
        "14 10 0006 4D5149736470 03 02 003C 0002 6D65", // fixed header flags
        "10 10 0006 4D5149736470 03 03 003C 0002 6D65", // connect flag 0
        "10 10 0006 4D5149736470 03 3A 003C 0002 6D65", // will qos and retain without will
        "10 10 0006 4D5149736470 03 C2 003C 0002 6D65", // user name and password missing
        "10 13 0006 4D5149736470 03 C2 003C 0002 6D65 0001 75", // password missing
        "6A 02 0001",                                   // DUP on PUBREL
        "8A 06 0001 0001 78 00",                        // DUP on SUBSCRIBE
        "AA 05 0001 0001 78",                           // DUP on UNSUBSCRIBE
        "82 02 0001",                                   // no filter
        "A2 02 0001",                                   // no filter
        "38 03 0001 78",                                // DUP at QoS 0
        "30 8300 0001 78",                              // padded Remaining Length
    ] {
        let wire = hex(text);
        assert_eq!(decode(&wire, V31, Client).map(drop), Ok(()), "{text}");
    }
    for text in ["20 02 FF 00", "90 03 0001 80", "90 02 0001"] {
        assert_eq!(decode(&hex(text), V31, Server).map(drop), Ok(()), "{text}");
    }
    let wire = hex("20 02 01 00");
    let Ok(Packet::ConnAck(answer)) = decode(&wire, V31, Server) else { panic!() };
    assert!(!answer.session_present, "3.1 has no session present");
    let wire = hex("10 10 0006 4D5149736470 03 C2 003C 0002 6D65");
    let Ok(Packet::Connect(connect)) = decode(&wire, V31, Client) else { panic!() };
    assert_eq!((connect.user_name, connect.password), (None, None));
}

#[test]
fn a_padded_remaining_length_is_taken_before_5_0() {
    assert_eq!(decode(&hex("C0 808000"), V311, Client), Ok(Packet::PingReq));
}

#[test]
fn the_limit_counts_the_whole_packet() {
    let wire = hex("30 03 0001 78");
    assert!(matches!(frame(&wire, 5), Ok(Progress::Packet(Frame { len: 5, .. }))));
    assert_eq!(frame(&wire, 4), Err(PacketTooLarge));
    assert_eq!(frame(&wire[..2], 4), Err(PacketTooLarge), "as soon as the length is known");
}

#[test]
fn a_refused_connect_is_answered_in_the_version_of_its_sender() {
    for (text, version) in [
        ("10 0D 0004 4D515454 05 02 0000 00 0000", Some(V5)),
        ("10 0C 0004 4D515454 06 02 0000 0000", Some(V5)),
        ("10 07 0004 4D515454 05", Some(V5)),
        ("10 0C 0004 4D515454 04 03 0000 0000", Some(V311)),
        ("10 0C 0004 4D515454 03 02 0000 0000", Some(V311)),
        ("10 0C 0004 4D515454 84 02 0000 0000", Some(V311)),
        ("10 0E 0006 4D5149736470 06 02 0000 0000", Some(V31)),
        ("10 0C 0004 6D717474 04 02 0000 0000", None),
        ("10 03 0004 4D", None),
        ("10 06 0004 4D515454", None),
        ("10 00", None),
    ] {
        let wire = hex(text);
        let Ok(Progress::Packet(found)) = frame(&wire, 1000) else { panic!("{text}") };
        assert_eq!(Connect::answer_version(&found), version, "{text}");
    }
    assert_eq!(ProtocolLevel(6).reason().connect_return_code(), 1);
}
