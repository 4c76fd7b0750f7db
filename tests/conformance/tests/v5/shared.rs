//! Chapter 4.8.2: Shared Subscriptions.

use libmqtt_conformance::Version::V5;
use libmqtt_conformance::wire::{
    Connect, Kind, prop, puback, publish, pubrec, pubrel, subscribe, unsuback, unsubscribe,
};
use libmqtt_conformance::{Peer, World, secs};

/// SUBACK's code for this filter.
fn code(filter: &str) -> u8 {
    let mut peer = World::new().connect(V5, "c");
    peer.send(subscribe(1).filter(filter, 1));
    let seen = peer.read();
    match seen.kind() {
        Kind::SubAck => seen.payload()[0],
        _ => seen.reason(),
    }
}

#[test]
fn mqtt_4_8_2_1_broker_wants_share_and_a_name() {
    for filter in ["$share//a", "$share/", "$share//", "$share///"] {
        assert!([0x81, 0x82, 0x8F].contains(&code(filter)), "{filter}");
    }
    for filter in ["$share/g/a", "$share/x/#", "$Share/g/a", "$shared/a", "share/g/a"] {
        assert_eq!(code(filter), 1, "{filter}");
    }
}

#[test]
fn mqtt_4_8_2_2_broker_wants_a_name_without_wildcards_and_a_filter() {
    for filter in [
        "$share/g",
        "$share/g/",
        "$share/g+/a",
        "$share/+/a",
        "$share/#/a",
        "$share/#",
        "$share/g/a#",
    ] {
        assert!([0x81, 0x82, 0x8F].contains(&code(filter)), "{filter}");
    }
    for filter in ["$share/g/a/b", "$share/g//a", "$share/g/+/#", "$share/a b/c"] {
        assert_eq!(code(filter), 1, "{filter}");
    }
}

/// Members `m0`, `m1` of `$share/g/t`, each with a lasting session, and a publisher.
fn group(qos: [u8; 2]) -> (World, [Peer; 2], Peer) {
    let world = World::new();
    let members = [0, 1].map(|n| {
        let mut member = world.connect_with(V5, member_connect(n));
        member.subscribe("$share/g/t", qos[n]);
        member
    });
    let publ = world.connect(V5, "pub");
    (world, members, publ)
}

fn member_connect(n: usize) -> Connect {
    Connect::new(format!("m{n}")).clean(false).prop(prop::session_expiry(5))
}

#[test]
fn mqtt_4_8_2_3_broker_respects_the_qos_granted_to_the_member() {
    let (_world, mut members, mut publ) = group([0, 2]);
    let mut seen = [0, 0];
    for _ in 0..20 {
        publ.publish("t", "x", 2);
        for (n, member) in members.iter_mut().enumerate() {
            while let Some(message) = member.poll() {
                assert_eq!(message.qos(), [0, 2][n]);
                member.acknowledge(&message);
                seen[n] += 1;
            }
        }
    }
    assert!(seen[0] > 0 && seen[1] > 0 && seen[0] + seen[1] == 20, "{seen:?}");
}

/// Publishes until member 0 has one, and gives its identifier.
fn until_first(members: &mut [Peer; 2], publ: &mut Peer, qos: u8) -> u16 {
    for _ in 0..10 {
        publ.publish("t", "x", qos);
        if let Some(seen) = members[0].poll() {
            return seen.id();
        }
        let seen = members[1].next_publish();
        members[1].acknowledge(&seen);
    }
    panic!("member 0 never got a message");
}

#[test]
fn mqtt_4_8_2_4_broker_completes_qos_2_with_the_member_that_began() {
    for after_pubrec in [false, true] {
        let (world, mut members, mut publ) = group([2, 2]);
        let id = until_first(&mut members, &mut publ, 2);
        if after_pubrec {
            members[0].send(pubrec(id));
            members[0].expect(pubrel(id));
        }
        let [first, mut second] = members;
        first.cut();
        world.advance(secs(2));
        second.expect_nothing();
        let mut first = world.connect_with(V5, member_connect(0));
        match after_pubrec {
            true => first.expect(pubrel(id)),
            false => first.expect(publish("t", "x").qos(2, id).dup()),
        }
        second.expect_nothing();
    }
}

#[test]
fn mqtt_4_8_2_5_broker_gives_qos_2_of_an_ended_session_to_nobody() {
    let (world, mut members, mut publ) = group([2, 2]);
    until_first(&mut members, &mut publ, 2);
    let [first, mut second] = members;
    first.cut();
    world.advance(secs(20));
    second.expect_nothing();
    let mut first = world.connect_with(V5, member_connect(0));
    assert!(!first.connack().session_present());
    first.expect_nothing();
}

#[test]
fn mqtt_4_8_2_6_broker_discards_what_a_member_refuses() {
    for qos in [1, 2] {
        let (world, mut members, mut publ) = group([2, 2]);
        let id = until_first(&mut members, &mut publ, qos);
        match qos {
            1 => members[0].send(puback(id).reason(0x80)),
            _ => members[0].send(pubrec(id).reason(0x80)),
        }
        world.advance(secs(2));
        members.iter_mut().for_each(Peer::expect_nothing);
    }
}

#[test]
fn v5_u38_broker_attaches_the_receiving_members_identifier() {
    let world = World::new();
    let mut members = [1, 2].map(|id| {
        let mut member = world.connect(V5, &format!("m{id}"));
        member.send(subscribe(1).filter("$share/g/t", 0).prop(prop::subscription_id(id)));
        member.next_of(Kind::SubAck);
        member
    });
    let mut publ = world.connect(V5, "pub");
    (0..10).for_each(|_| publ.publish("t", "x", 0));
    for (id, member) in members.iter_mut().enumerate() {
        let seen = member.drain();
        assert!(!seen.is_empty());
        assert!(seen.iter().all(|seen| seen.all(0x0B) == [[id as u8 + 1]]));
    }
}

#[test]
fn v5_u41_broker_sends_no_retained_messages_to_shared_subscriptions() {
    let world = World::new();
    world.connect(V5, "pub").retain("t", "x", 1);
    let mut member = world.connect(V5, "m");
    member.subscribe("$share/g/t", 1);
    member.expect_nothing();
}

#[test]
fn v5_u44_broker_detaches_one_member() {
    let (_world, mut members, mut publ) = group([1, 1]);
    members[0].unsubscribe("$share/g/t");
    for _ in 0..5 {
        publ.publish("t", "x", 1);
        members[1].expect_message("t", "x", 1);
    }
    members[0].expect_nothing();
    members[1].unsubscribe("$share/g/t");
    publ.publish("t", "x", 1);
    members.iter_mut().for_each(Peer::expect_nothing);
}

#[test]
fn v5_u52_broker_gives_each_group_and_each_plain_subscriber_a_copy() {
    let (world, mut members, mut publ) = group([1, 1]);
    let mut other = world.connect(V5, "other");
    other.subscribe("$share/h/+", 1);
    let mut plain = world.connect(V5, "plain");
    plain.subscribe("t", 1);
    for _ in 0..20 {
        publ.publish("t", "x", 1);
        other.expect_message("t", "x", 1);
        plain.expect_message("t", "x", 1);
        let got: Vec<_> = members.iter_mut().flat_map(Peer::drain).collect();
        assert_eq!(got.len(), 1);
    }
}

#[test]
fn v5_u53_broker_counts_a_member_once() {
    let (_world, mut members, mut publ) = group([1, 1]);
    members[0].subscribe("$share/g/t", 1);
    publ.publish("t", "x", 1);
    assert_eq!(members.iter_mut().flat_map(Peer::drain).count(), 1);
    members[0].send(unsubscribe(1).filter("$share/g/t").filter("$share/g/t"));
    members[0].expect(unsuback(V5, 1, &[0, 0x11]));
    publ.publish("t", "x", 1);
    assert_eq!(members[1].drain().len(), 1);
    members[0].expect_nothing();
}

#[test]
fn v5_u54_broker_does_not_lose_qos_1_of_a_member_that_drops() {
    let (world, mut members, mut publ) = group([1, 1]);
    until_first(&mut members, &mut publ, 1);
    let [first, mut second] = members;
    first.cut();
    let mut first = world.connect_with(V5, member_connect(0));
    assert_eq!(first.drain().len() + second.drain().len(), 1);
}

/// While another member is there, nothing is kept for one that is away.
#[test]
fn v5_u52_broker_chooses_members_that_are_connected() {
    let (world, members, mut publ) = group([1, 1]);
    let [first, mut second] = members;
    first.cut();
    for _ in 0..10 {
        publ.publish("t", "x", 1);
        second.expect_message("t", "x", 1);
    }
    second.cut();
    publ.publish("t", "y", 1); // both are away: it waits for one of them
    let mut back = [0, 1].map(|n| world.connect_with(V5, member_connect(n)));
    let came: Vec<_> = back.iter_mut().flat_map(Peer::messages).collect();
    assert_eq!(came, ["t y"]);
}

/// The message of a member whose session ends goes to another one.
#[test]
fn v5_u54_broker_moves_qos_1_of_an_ended_session() {
    let (world, mut members, mut publ) = group([1, 1]);
    until_first(&mut members, &mut publ, 1);
    let [first, mut second] = members;
    first.cut();
    second.drain();
    world.advance(secs(20));
    assert_eq!(second.drain().len(), 1);
}
