//! DISCONNECT and errors. Chapters 3.14 and 4.13.

use std::collections::BTreeSet;

use libmqtt_conformance::ClientWorld;
use libmqtt_conformance::Version::V5;
use libmqtt_conformance::wire::{
    First, Kind, Seen, Wire, auth, connack, disconnect, prop, publish, suback,
};
use libmqtt_engine::client::Disconnect;
use libmqtt_engine::codec::{PropertiesBuf, Property, Reason};

use super::{codes_of, limited};
use crate::duty::client::{keeper, rejects};

/// Every DISCONNECT that the client sends: for errors, and as the program says.
fn farewells() -> Vec<Seen> {
    let wrong: Vec<Vec<u8>> = vec![
        vec![0, 0],
        vec![0x36, 0],
        vec![0xC0, 0],
        publish("", "x").wire(V5),
        publish("a/#", "x").wire(V5),
        publish("t", "x").prop(prop::topic_alias(0)).wire(V5),
        connack(false, 0).wire(V5),
        suback(9, &[0]).wire(V5),
        auth(0x18).wire(V5),
        vec![0xD0, 0xFF, 0xFF, 0xFF, 0xFF],
        disconnect(0x8B).prop(prop::session_expiry(1)).wire(V5),
    ];
    let mut out: Vec<Seen> = wrong
        .into_iter()
        .map(|packet| {
            let (_world, mut server) = ClientWorld::online(V5, |_| {});
            server.send(packet);
            server.next_of(Kind::Disconnect)
        })
        .collect();
    for reason in Reason::ALL {
        let (world, mut server) = ClientWorld::online(V5, |_| {});
        let how = Disconnect { reason: *reason, ..Disconnect::default() };
        if world.command(|client, now| client.disconnect(now, how)).is_ok() {
            out.push(server.next_of(Kind::Disconnect));
        } else {
            server.expect_nothing();
        }
    }
    out
}

#[test]
fn mqtt_3_14_2_1_client_uses_only_the_codes_of_disconnect() {
    let mut table = codes_of("DISCONNECT");
    table.insert(0x9B); // described for both sides, listed for the server
    let seen = farewells();
    assert!(seen.len() > 20);
    for seen in seen {
        assert!(table.contains(&seen.reason()), "{seen:?}");
    }
}

#[test]
fn mqtt_3_14_2_2_client_takes_no_session_expiry_in_disconnect() {
    rejects(V5, disconnect(0x8B).prop(prop::session_expiry(1)), &[0x82, 0x81]);
}

#[test]
fn mqtt_3_14_1_1_client_closes_on_wrong_disconnect_flags() {
    for flags in 1..16 {
        let packet = First(0xE0 | flags, disconnect(0x8B));
        rejects(V5, packet, &[0x81]);
    }
    assert!(farewells().iter().all(|seen| seen.bytes[0] == 0xE0));
}

/// What the program wants to explain is left out if the server would not take it.
fn check_goodbye(property: Property<'_>) {
    for (limit, fits) in [(20, false), (1000, true)] {
        let (world, mut server) = limited(prop::maximum_packet_size(limit));
        let mut properties = PropertiesBuf::new();
        properties.push(property).expect("a short value");
        let how =
            Disconnect { reason: Reason::UnspecifiedError, properties, ..Disconnect::default() };
        world.command(|client, now| client.disconnect(now, how)).expect("a client's reason");
        let seen = server.next_of(Kind::Disconnect);
        assert_eq!((seen.reason(), seen.props().len()), (0x80, usize::from(fits)));
    }
}

#[test]
fn mqtt_3_14_2_3_client_leaves_out_a_reason_string_that_does_not_fit() {
    check_goodbye(Property::ReasonString("a rather long explanation of it all"));
}

#[test]
fn mqtt_3_14_2_4_client_leaves_out_user_properties_that_do_not_fit() {
    check_goodbye(Property::UserProperty("a rather long", "explanation of it all"));
}

#[test]
fn mqtt_4_13_2_1_client_closes_when_the_server_reports_an_error() {
    for code in codes_of_server() {
        let (_world, mut server) = ClientWorld::online(V5, |_| {});
        server.send(disconnect(code));
        server.expect_closed();
    }
    assert!(farewells().len() > 20);
}

fn codes_of_server() -> BTreeSet<u8> {
    crate::v5::codes_of("DISCONNECT").into_iter().filter(|code| *code != 0x04).collect()
}

#[test]
fn v5_u47_client_closes_after_disconnect() {
    mqtt_4_13_2_1_client_closes_when_the_server_reports_an_error();
}

/// Another Session Expiry Interval, unless it was 0; the client's own state goes with it.
#[test]
fn v5_u46_client_changes_the_session_expiry_only_if_it_was_not_0() {
    let how = |seconds| Disconnect { session_expiry_s: Some(seconds), ..Disconnect::default() };
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    assert!(world.command(|client, now| client.disconnect(now, how(10))).is_err());
    server.expect_nothing();
    for (seconds, again) in [(10, 1), (0, 0)] {
        let (world, mut server) = keeper(V5);
        world.publish("t", "x", 2).expect("a connection");
        server.next_of(Kind::Publish);
        world.command(|client, now| client.disconnect(now, how(seconds))).expect("a session");
        assert_eq!(server.next_of(Kind::Disconnect).number(0x11), Some(seconds));
        let mut server = world.connect_with(connack(seconds > 0, 0));
        assert_eq!(server.drain().iter().filter(|seen| seen.dup()).count(), again);
    }
}
