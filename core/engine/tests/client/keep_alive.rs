//! Pings and silence.

use libmqtt_engine::client::PingError;

use super::*;

fn ten(version: Version) -> ClientConfig {
    let mut config = config(version);
    config.keep_alive_s = 10;
    config.ping_timeout = seconds(3);
    config
}

#[test]
fn an_idle_client_pings_within_keep_alive() {
    for version in [Version::V31, Version::V311, Version::V5] {
        let mut rig = Rig::online(ten(version), &[]);
        for _ in 0..3 {
            let span = rig.wait();
            assert!(span > seconds(7) && span < seconds(10), "{span:?}");
            rig.wrote(&[Packet::PingReq]); // v5 [MQTT-3.1.2-20]
            rig.send(&Packet::PingResp);
        }
        rig.nothing();
    }
}

#[test]
fn server_keep_alive_overrides_the_clients() {
    let mut rig = Rig::online(ten(Version::V5), &[Property::ServerKeepAlive(2)]);
    assert!(rig.wait() < seconds(2)); // v5 [MQTT-3.1.2-21]
    rig.wrote(&[Packet::PingReq]);
    let rig = Rig::online(ten(Version::V5), &[Property::ServerKeepAlive(0)]);
    assert_eq!(rig.client.poll_timeout(), None);
}

#[test]
fn keep_alive_0_is_off() {
    let mut config = ten(Version::V311);
    config.keep_alive_s = 0;
    let rig = Rig::online(config, &[]);
    assert_eq!(rig.client.poll_timeout(), None);
}

#[test]
fn traffic_both_ways_spares_the_ping() {
    let mut rig = Rig::online(ten(Version::V5), &[]);
    for _ in 0..20 {
        rig.publish("a", "x", QoS::AtMostOnce);
        rig.written();
        rig.send(&publish("b", "x", QoS::AtMostOnce, 0));
        rig.pass(seconds(5));
        rig.wrote(&[]);
    }
}

#[test]
fn a_client_that_only_sends_pings_too() {
    let mut rig = Rig::online(ten(Version::V5), &[]);
    let mut pings = 0;
    for _ in 0..10 {
        rig.publish("a", "x", QoS::AtMostOnce);
        rig.pass(seconds(1));
        pings += usize::from(rig.written().ends_with(&[0xC0, 0]));
    }
    assert_eq!(pings, 1);
}

#[test]
fn a_silent_server_is_given_up() {
    let mut rig = Rig::online(ten(Version::V5), &[]);
    rig.wait();
    rig.wrote(&[Packet::PingReq]);
    assert_eq!(rig.wait(), seconds(3));
    rig.closed();
    let lost = rig.disconnected();
    assert_eq!(lost.cause, Cause::ServerSilent);
    assert!(lost.retry_in.is_some());
}

#[test]
fn a_server_that_sends_something_else_is_alive() {
    let mut rig = Rig::online(ten(Version::V5), &[]);
    rig.wait();
    for _ in 0..10 {
        rig.pass(seconds(2));
        rig.send(&publish("b", "x", QoS::AtMostOnce, 0));
    }
    assert!(rig.client.is_connected());
}

#[test]
fn a_server_that_is_not_read_is_not_given_up() {
    let mut config = ten(Version::V5);
    config.inbox_messages_max = 1;
    let mut rig = Rig::online(config, &[]);
    rig.send(&publish("b", "x", QoS::AtMostOnce, 0));
    for _ in 0..10 {
        let due = rig.client.poll_timeout().unwrap();
        rig.now = due;
        rig.client.handle_timeout(due);
        assert!(rig.client.is_connected());
        assert!(rig.client.poll_timeout().unwrap() > due);
    }
    rig.payload();
    rig.wait();
    rig.closed();
}

#[test]
fn a_ping_may_be_asked_for() {
    let mut config = config(Version::V311);
    config.keep_alive_s = 0;
    let mut rig = Rig::online(config, &[]);
    let token = rig.client.ping(rig.now).unwrap();
    let lost = rig.client.ping(rig.now).unwrap();
    rig.wrote(&[Packet::PingReq, Packet::PingReq]);
    rig.send(&Packet::PingResp);
    rig.acknowledged(token);
    assert_eq!(rig.wait(), seconds(20));
    rig.closed();
    assert_eq!(rig.done(lost), Outcome::ConnectionLost);
    assert_eq!(rig.client.ping(rig.now), Err(PingError::NotConnected));
}
