//! CONNECT, keep alive and DISCONNECT, as a client sends them.

use core::time::Duration;

use libmqtt_conformance::wire::{Kind, Seen, connack, field, ping_resp};
use libmqtt_conformance::{ClientWorld, Peer, Version, millis, secs};
use libmqtt_engine::Message;
use libmqtt_engine::client::{CleanStart, ClientConfig, Disconnect, Event, Will};
use libmqtt_engine::codec::QoS;

use super::{keeper, lasting, resume};

/// The CONNECT of a client that is configured so.
fn connect_of(v: Version, change: impl FnOnce(&mut ClientConfig)) -> Seen {
    ClientWorld::new(v, change).dial().1
}

/// Its Connect Flags.
fn flags(connect: &Seen) -> u8 {
    connect.body()[7]
}

fn will(qos: QoS, retain: bool) -> Option<Will> {
    let message = Message::new("w", b"gone").expect("a topic").with_qos(qos).with_retain(retain);
    Some(Will { message, delay_s: 5 })
}

/// The will's fields in the payload.
fn will_fields(v: Version) -> Vec<u8> {
    let properties: &[u8] = if v == Version::V5 { &[5, 0x18, 0, 0, 0, 5] } else { &[] };
    [properties, &field("w"), &field("gone")].concat()
}

/// Also when the program has already asked for other things.
pub(crate) fn client_sends_connect_first(v: Version) {
    let world = ClientWorld::new(v, |_| {});
    world.publish("t", "x", 1).expect("a queue");
    world.subscribe("t", 1).expect("a queue");
    for _ in 0..3 {
        let (mut server, connect) = world.dial();
        assert_eq!(connect.kind(), Kind::Connect);
        server.send(connack(false, 0));
        assert!(server.drain().iter().all(|seen| seen.kind() != Kind::Connect));
        server.cut();
    }
}

pub(crate) fn client_gives_the_protocol_name(v: Version) {
    let connect = connect_of(v, |_| {});
    let level = if v == Version::V5 { 5 } else { 4 };
    assert_eq!(connect.body()[..7], [0, 4, b'M', b'Q', b'T', b'T', level]);
}

/// Identifier, will, user name, password, in this order.
pub(crate) fn client_writes_the_payload_in_order(v: Version) {
    let connect = connect_of(v, |config| {
        config.will = will(QoS::AtLeastOnce, true);
        config.user_name = Some("u".into());
        config.password = Some("p".into());
    });
    let wanted = [field("c"), will_fields(v), field("u"), field("p")].concat();
    assert_eq!(connect.payload(), wanted);
    assert_eq!(flags(&connect) & !0x02, 0xEC);
}

pub(crate) fn client_always_gives_an_id(v: Version) {
    assert_eq!(connect_of(v, |_| {}).payload(), field("c"));
    assert_eq!(connect_of(v, |config| config.client_id = "".into()).payload(), field(""));
    let text = "ä日本😀";
    assert_eq!(connect_of(v, |config| config.client_id = text.into()).payload(), field(text));
}

/// Text that is no text cannot be given to the client; U+0000 is refused.
pub(crate) fn client_connects_with_proper_strings(v: Version) {
    for field in [0, 1] {
        let with = |text: &'static str| {
            ClientWorld::new(v, move |config| match field {
                0 => config.client_id = text.into(),
                _ => config.user_name = Some(text.into()),
            })
        };
        let world = with("a\0b");
        assert!(world.command(|client, now| client.connect(now)).is_err());
        with("wohlgeformt ß").dial();
    }
    assert!(Message::new("a\0b", b"").is_err());
    let connect = connect_of(v, |config| config.user_name = Some("ß".into()));
    assert!(connect.payload().ends_with(&field("ß")));
}

pub(crate) fn client_sends_a_whole_will(v: Version) {
    for (qos, retain, wanted) in [
        (QoS::AtMostOnce, false, 0x04),
        (QoS::AtLeastOnce, false, 0x0C),
        (QoS::ExactlyOnce, true, 0x34),
    ] {
        let connect = connect_of(v, |config| config.will = will(qos, retain));
        assert_eq!(flags(&connect) & 0x3C, wanted);
        assert_eq!(connect.payload(), [field("c"), will_fields(v)].concat());
    }
}

/// No will bits and no will fields.
pub(crate) fn client_sends_nothing_of_a_will_without_will(v: Version) {
    let connect = connect_of(v, |_| {});
    assert_eq!(flags(&connect) & 0x3C, 0);
    assert_eq!(connect.payload(), field("c"));
}

pub(crate) fn client_sends_user_name_and_password_as_flagged(v: Version) {
    let check = |user: Option<&str>, password: Option<&str>, wanted: u8| {
        let connect = connect_of(v, |config| {
            config.user_name = user.map(Box::from);
            config.password = password.map(|password| password.into());
        });
        assert_eq!(flags(&connect) & 0xC0, wanted);
        let fields: Vec<u8> = [user, password].into_iter().flatten().flat_map(field).collect();
        assert_eq!(connect.payload(), [field("c"), fields].concat());
    };
    check(None, None, 0x00);
    check(Some("u"), None, 0x80);
    check(Some("u"), Some("p"), 0xC0);
    check(Some(""), Some(""), 0xC0);
    if v == Version::V5 {
        check(None, Some("p"), 0x40);
    }
}

/// Whatever the client does or leaves, packets are at most Keep Alive apart.
pub(crate) fn client_pings_within_keep_alive(v: Version) {
    let (world, mut server) = ClientWorld::online(v, |config| config.keep_alive_s = 10);
    check_gaps(&world, &mut server, millis(10_000));
}

/// Over two minutes, in which the program publishes now and then.
pub(crate) fn check_gaps(world: &ClientWorld, server: &mut Peer, longest: Duration) {
    let step = millis(100);
    let mut gap = Duration::ZERO;
    for n in 0..1200 {
        world.advance(step);
        gap += step;
        if n % 170 == 169 {
            world.publish("t", "x", 0).expect("a connection");
        }
        for seen in server.drain() {
            gap = Duration::ZERO;
            if seen.kind() == Kind::PingReq {
                server.send(ping_resp());
            }
        }
        assert!(gap <= longest, "silent for {gap:?}");
    }
    let pings = server.log().iter().filter(|seen| seen.kind() == Kind::PingReq).count();
    assert!(pings > 0 && pings as u128 <= 120_000 * 3 / longest.as_millis());
}

pub(crate) fn client_is_silent_at_keep_alive_0(v: Version) {
    let (world, mut server) = ClientWorld::online(v, |_| {});
    world.advance(secs(100_000));
    server.expect_nothing();
}

/// A server that does not answer PINGREQ is given up.
pub(crate) fn client_closes_when_the_server_is_silent(v: Version) {
    let (world, mut server) = ClientWorld::online(v, |config| {
        config.keep_alive_s = 10;
        config.ping_timeout = secs(5);
    });
    world.advance(secs(10));
    server.expect("C0 00");
    world.advance(millis(5100));
    server.drain();
    server.expect_closed();
}

/// Nothing of an earlier session is sent in a new one.
pub(crate) fn client_forgets_its_session_with_clean_start(v: Version) {
    let (world, mut server) = ClientWorld::online(v, |config| {
        config.clean_start = CleanStart::Always;
        config.resubscribe = false;
        config.lost_session = libmqtt_engine::client::LostSession::Abandon;
    });
    for qos in [1, 2] {
        world.publish("t", "x", qos).expect("a connection");
    }
    world.subscribe("t", 1).expect("a connection");
    let subscribe = server.drain().pop().expect("a packet");
    server.send(libmqtt_conformance::wire::suback(subscribe.id(), &[1]));
    server.cut();
    let (mut server, connect) = world.dial();
    assert_eq!(flags(&connect) & 0x02, 0x02);
    server.send(connack(false, 0));
    server.expect_nothing();
}

/// With Clean Session 0 client and server keep the session; without one, there is a new one.
pub(crate) fn client_keeps_its_session(v: Version) {
    let (world, mut server) = keeper(v);
    world.publish("t", "one", 1).expect("a connection");
    world.publish("t", "two", 2).expect("a connection");
    let sent = server.drain();
    server.cut();
    let (mut server, connect) = world.dial();
    assert_eq!(flags(&connect) & 0x02, 0x00);
    server.send(connack(true, 0));
    let again = server.drain();
    assert_eq!(again.len(), 2);
    for (seen, before) in again.iter().zip(&sent) {
        assert_eq!((seen.id(), seen.payload()), (before.id(), before.payload()));
        assert!(seen.dup());
    }
}

/// State belongs to the identifier: another identifier has none of it.
pub(crate) fn client_keeps_state_by_id(v: Version) {
    let (world, mut server) = keeper(v);
    world.publish("t", "x", 1).expect("a connection");
    server.next_of(Kind::Publish);
    world.command(|client, now| client.close(now));
    world.command(|client, _| {
        let mut config = client.config().clone();
        config.client_id = "other".into();
        assert_eq!(client.reconfigure(config), Ok(()));
    });
    let mut server = world.connect_with(connack(false, 0));
    server.expect_nothing();
    client_keeps_its_session(v);
}

/// Everything is there as long as the connection stands, and after it.
pub(crate) fn client_keeps_state_while_connected(v: Version) {
    let (world, mut server) = keeper(v);
    world.publish("t", "x", 2).expect("a connection");
    let id = server.next_of(Kind::Publish).id();
    world.advance(secs(100_000));
    server.send(libmqtt_conformance::wire::pubrec(id));
    server.expect(libmqtt_conformance::wire::pubrel(id));
    for _ in 0..3 {
        server = resume(&world, server);
        server.expect(libmqtt_conformance::wire::pubrel(id));
        world.advance(secs(1000));
    }
    server.send(libmqtt_conformance::wire::pubcomp(id));
    resume(&world, server).expect_nothing();
}

/// Nothing follows DISCONNECT, and the client closes.
pub(crate) fn client_closes_after_disconnect(v: Version) {
    let (world, mut server) = ClientWorld::online(v, |config| config.keep_alive_s = 10);
    world.command(|client, now| client.disconnect(now, Disconnect::default())).expect("a reason");
    let _ = world.publish("t", "late", 0);
    let _ = world.subscribe("t", 0);
    world.advance(secs(100));
    let seen = server.next_of(Kind::Disconnect);
    assert_eq!(seen.reason(), 0);
    if v != Version::V5 {
        assert_eq!(seen.bytes, [0xE0, 0]);
    }
    server.expect_closed();
}

/// A stream of bytes is cut anywhere.
pub(crate) fn client_takes_a_stream_of_bytes(v: Version) {
    use libmqtt_conformance::wire::{Wire, publish};
    let stream = [publish("t", "one").wire(v), publish("t", "two").qos(1, 9).wire(v)].concat();
    for pieces in 1..=stream.len() {
        let (world, mut server) = ClientWorld::online(v, |_| {});
        stream.chunks(pieces).for_each(|piece| server.send(piece));
        server.expect(libmqtt_conformance::wire::puback(9));
        assert_eq!(world.messages().len(), 2);
    }
}

/// A CONNACK that refuses: the client takes the connection for closed.
pub(crate) fn client_takes_a_refusal_as_the_end(v: Version) {
    let world = ClientWorld::new(v, lasting);
    let (mut server, _) = world.dial();
    server.send(connack(false, if v == Version::V5 { 0x87 } else { 5 }));
    server.expect_closed();
    assert!(world.events().iter().any(|event| matches!(event, Event::Disconnected(_))));
}

pub(crate) fn client_gives_any_bytes_as_password(v: Version) {
    for password in [&b""[..], b"\x00\xFF\xC0", &[0xEE; 65_535]] {
        let connect = connect_of(v, |config| {
            config.user_name = Some("u".into());
            config.password = Some(password.into());
        });
        assert!(connect.payload().ends_with(&[field("u"), field(password)].concat()));
    }
}
