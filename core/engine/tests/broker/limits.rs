use std::time::Duration;

use libmqtt_engine::broker::BrokerConfig;
use libmqtt_engine::codec::{Packet, QoS, Reason, Version};
use libmqtt_engine::{Authenticate, Hooks, Ticket, Verdict};

use super::cluster::{Cluster, client};

const SECOND: Duration = Duration::from_secs(1);

/// Opens a link from an address; none if it is closed at once.
fn open(cluster: &mut Cluster, peer: &str) -> Option<usize> {
    let link = cluster.open_from(Version::V311, Some(peer));
    cluster.settle();
    (!cluster.is_closed(link)).then_some(link)
}

#[test]
fn an_address_has_so_many_connections_and_no_more() {
    let config = BrokerConfig { address_connections_max: 2, ..BrokerConfig::default() };
    let mut cluster = Cluster::new(3, config);
    let first = open(&mut cluster, "10.0.0.1:1").unwrap();
    let second = open(&mut cluster, "[::ffff:10.0.0.1]:2").unwrap();
    assert_eq!(open(&mut cluster, "10.0.0.1:3"), None);
    assert!(open(&mut cluster, "10.0.0.2:3").is_some());
    // They count wherever their session's home is, and until they end.
    for (link, id) in [(first, "a"), (second, "b")] {
        cluster.send(link, &Packet::Connect(client(id)));
        assert_eq!(cluster.received(link), ["ConnAck"]);
    }
    assert_eq!(open(&mut cluster, "10.0.0.1:3"), None);
    cluster.cut(first);
    cluster.send(second, &Packet::Connect(client("b")));
    assert!(cluster.is_closed(second), "a second CONNECT ends it");
    cluster.advance(SECOND);
    let again: Vec<_> = (0..3).filter_map(|_| open(&mut cluster, "10.0.0.1:4")).collect();
    assert_eq!(again.len(), 2);
    // A /64 network of IPv6 is one subscriber.
    let v6 = ["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1", "[2001:db8:0:1::1]:1"];
    let v6: Vec<bool> = v6.iter().map(|peer| open(&mut cluster, peer).is_some()).collect();
    assert_eq!(v6, [true, true, false, true]);
    assert_eq!(cluster.stats().connections_refused, 4);
}

#[test]
fn an_address_opens_so_many_connections_a_minute() {
    let config = BrokerConfig { address_connects_per_min_max: 6, ..BrokerConfig::default() };
    let mut cluster = Cluster::new(1, config);
    cluster.advance(60 * SECOND);
    let tries = |cluster: &mut Cluster, peer: &str| {
        let open = (0..10).filter_map(|_| open(cluster, peer)).collect::<Vec<_>>();
        open.iter().for_each(|&link| cluster.cut(link));
        open.len()
    };
    assert_eq!(tries(&mut cluster, "10.0.0.1:1"), 6);
    assert_eq!(tries(&mut cluster, "10.0.0.2:1"), 6);
    for _ in 0..3 {
        cluster.advance(10 * SECOND);
        assert_eq!(tries(&mut cluster, "10.0.0.1:1"), 1);
    }
    cluster.advance(600 * SECOND);
    assert_eq!(tries(&mut cluster, "10.0.0.1:1"), 6);
}

/// Knows one password.
struct Secret;

impl Hooks for Secret {
    fn authenticate(&mut self, _: Ticket, attempt: &Authenticate<'_>) -> Verdict {
        match attempt.password {
            Some(b"right") => Verdict::Allow,
            Some(b"busy") => Verdict::Deny(Reason::ServerBusy),
            _ => Verdict::Deny(Reason::BadUserNameOrPassword),
        }
    }
}

#[test]
fn who_guesses_passwords_is_not_listened_to_for_a_while() {
    let config = BrokerConfig { address_failures_per_min_max: 3, ..BrokerConfig::default() };
    let mut cluster = Cluster::with_hooks(1, config, |_| Box::new(Secret));
    cluster.advance(60 * SECOND);
    let login = |cluster: &mut Cluster, peer: &str, password: &str| {
        let link = open(cluster, peer).unwrap();
        let mut connect = client("c");
        connect.user_name = Some("joe");
        connect.password = Some(password.as_bytes());
        cluster.send(link, &Packet::Connect(connect));
        let open = !cluster.is_closed(link);
        if open {
            cluster.cut(link);
        }
        open
    };
    for _ in 0..5 {
        assert!(!login(&mut cluster, "10.0.0.1:1", "busy"), "our fault counts for nothing");
        assert!(login(&mut cluster, "10.0.0.1:1", "right"));
    }
    for _ in 0..3 {
        assert!(!login(&mut cluster, "10.0.0.1:1", "wrong"));
    }
    assert!(!login(&mut cluster, "10.0.0.1:1", "right"), "not even this is tried");
    assert!(login(&mut cluster, "10.0.0.2:1", "right"));
    assert_eq!(cluster.stats().logins_failed, 4);
    cluster.advance(20 * SECOND);
    assert!(login(&mut cluster, "10.0.0.1:1", "right"));
    assert!(!login(&mut cluster, "10.0.0.1:1", "wrong"));
    assert!(!login(&mut cluster, "10.0.0.1:1", "right"));
}

#[test]
fn a_flood_of_silent_links_pushes_out_its_own_oldest() {
    for shards in [1, 2] {
        let config = BrokerConfig { pending_max: 100, ..BrokerConfig::default() };
        let mut cluster = Cluster::new(shards, config);
        let most = 100;
        let good = cluster.connect(client("good"));
        let silent: Vec<usize> = (0..500).map(|_| cluster.open(Version::V311)).collect();
        cluster.settle();
        let closed =
            |cluster: &Cluster| silent.iter().filter(|&&link| cluster.is_closed(link)).count();
        assert_eq!(closed(&cluster), 500 - most);
        assert!(!cluster.is_closed(silent[499]) && cluster.is_closed(silent[0]));
        // Whoever comes next is let in, and one who was is none of them.
        let next = cluster.connect(client("next"));
        assert_eq!(cluster.received(next), ["ConnAck"]);
        cluster.publish(good, "t", "x", QoS::AtLeastOnce);
        assert_eq!(cluster.received(good), ["ConnAck", "PubAck"]);
        // Those who come through CONNECT push out nobody.
        let before = closed(&cluster);
        for n in 0..1000 {
            let link = cluster.connect(client(&format!("brief{n}")));
            assert_eq!(cluster.received(link), ["ConnAck"]);
            cluster.cut(link);
        }
        assert!(closed(&cluster) - before <= most / 2, "{} {before}", closed(&cluster));
        assert!(!cluster.is_closed(good));
    }
}

#[test]
fn a_client_that_sends_too_much_is_read_later_and_loses_nothing() {
    let config = BrokerConfig { client_messages_per_s_max: 10, ..BrokerConfig::default() };
    let mut cluster = Cluster::new(1, config);
    cluster.advance(SECOND);
    let quick = cluster.connect(client("quick"));
    let other = cluster.connect(client("other"));
    cluster.subscribe(other, "t", QoS::AtMostOnce);
    cluster.received(other);
    let wire: Vec<u8> = (0..40)
        .flat_map(|n| {
            let mut wire = Vec::new();
            let payload = n.to_string();
            let publish = super::cluster::message("t", &payload, QoS::AtMostOnce);
            Packet::Publish(publish).encode(Version::V311, &mut wire).unwrap();
            wire
        })
        .collect();
    cluster.send_bytes(quick, &wire);
    let mut seen = cluster.received(other).len();
    assert_eq!(seen, 11, "a second's worth, and the one that shows that it is too much");
    assert!(cluster.is_paused(quick));
    // Another is not held up meanwhile, and nothing is answered for one that waits.
    cluster.publish(other, "t", "x", QoS::AtMostOnce);
    assert_eq!(cluster.received(other), ["t x 0"]);
    for _ in 0..29 {
        cluster.advance(SECOND / 10);
        let now = cluster.received(other).len();
        assert_eq!(now, 1);
        seen += now;
    }
    assert_eq!(seen, 40);
    cluster.advance(SECOND / 10);
    assert!(!cluster.is_paused(quick));
    assert_eq!(cluster.stats().throttled, 30);
}

#[test]
fn bytes_are_limited_like_messages_and_a_held_client_is_no_silent_one() {
    let config = BrokerConfig { client_bytes_per_s_max: 100, ..BrokerConfig::default() };
    let mut cluster = Cluster::new(1, config);
    cluster.advance(SECOND);
    let mut connect = client("large");
    connect.keep_alive_s = 2;
    let large = cluster.connect(connect);
    cluster.publish(large, "t", &"x".repeat(1000), QoS::AtLeastOnce);
    assert_eq!(cluster.received(large), ["ConnAck", "PubAck"]);
    cluster.publish(large, "t", "", QoS::AtLeastOnce);
    for _ in 0..10 {
        assert!(cluster.is_paused(large) && cluster.received(large).is_empty());
        cluster.advance(SECOND);
    }
    assert_eq!(cluster.received(large), ["PubAck"]);
    assert!(!cluster.is_paused(large) && !cluster.is_closed(large));
    cluster.advance(4 * SECOND);
    assert!(cluster.is_closed(large), "read again, it must be heard of");
}
