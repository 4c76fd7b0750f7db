//! Goodbye.

use libmqtt_engine::client::{Disconnect, DisconnectError, PublishError, SubscribeError};

use super::*;

fn goodbye(reason: Reason, properties: Properties<'_>) -> Packet<'_> {
    Packet::Disconnect(libmqtt_engine::codec::Disconnect { reason, properties })
}

#[test]
fn disconnect_is_written_then_the_transport_closed() {
    for version in [Version::V31, Version::V311, Version::V5] {
        let mut rig = Rig::online(config(version), &[]);
        let last = rig.publish("a", "x", QoS::AtMostOnce);
        rig.client.disconnect(rig.now, Disconnect::default()).unwrap();
        rig.nothing();
        let mut wanted = Vec::new();
        publish("a", "x", QoS::AtMostOnce, 0).encode(version, &mut wanted).unwrap();
        goodbye(Reason::Success, Properties::EMPTY).encode(version, &mut wanted).unwrap();
        assert_eq!(rig.client.outgoing(), wanted);
        rig.written();
        assert_eq!(rig.done(last), Outcome::Written);
        rig.closed(); // v5 [MQTT-3.14.4-2]
        let lost = rig.disconnected();
        assert_eq!((lost.cause, lost.retry_in), (Cause::Requested, None));
        assert!(lost.was_connected && rig.client.is_idle());
        assert_eq!(rig.client.poll_timeout(), None);
    }
}

#[test]
fn nothing_is_taken_or_sent_after_disconnect() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    rig.client.disconnect(rig.now, Disconnect::default()).unwrap();
    let error = rig.client.publish(rig.now, &message("a", "x", QoS::AtMostOnce));
    assert_eq!(error, Err(PublishError::Disconnecting));
    let error = rig.client.unsubscribe(rig.now, &["a"], Properties::EMPTY);
    assert_eq!(error, Err(SubscribeError::Disconnecting));
    rig.send(&publish("a", "x", QoS::AtLeastOnce, 1));
    assert_eq!(rig.client.outgoing(), [0xE0, 0]); // v5 [MQTT-3.14.4-1]
}

#[test]
fn a_transport_that_does_not_take_disconnect_is_closed_all_the_same() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    rig.client.disconnect(rig.now, Disconnect::default()).unwrap();
    assert_eq!(rig.wait(), seconds(2));
    rig.closed();
    assert_eq!(rig.disconnected().cause, Cause::Requested);
}

#[test]
fn reason_expiry_and_properties_are_sent() {
    let mut rig = Rig::online(lasting(Version::V5), &[]);
    let how = Disconnect {
        reason: Reason::DisconnectWithWill,
        session_expiry_s: Some(5),
        properties: properties(&[Property::UserProperty("a", "b")]),
        ..Disconnect::default()
    };
    rig.client.disconnect(rig.now, how).unwrap();
    let list = properties(&[Property::UserProperty("a", "b"), Property::SessionExpiryInterval(5)]);
    let wanted = goodbye(Reason::DisconnectWithWill, list.view());
    let mut wire = Vec::new();
    wanted.encode(Version::V5, &mut wire).unwrap();
    assert_eq!(rig.written(), wire);
}

#[test]
fn a_bad_goodbye_is_refused() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    let how = Disconnect { session_expiry_s: Some(5), ..Disconnect::default() };
    assert_eq!(rig.client.disconnect(rig.now, how), Err(DisconnectError::SessionExpiry));
    let how = Disconnect { reason: Reason::ServerShuttingDown, ..Disconnect::default() };
    assert_eq!(rig.client.disconnect(rig.now, how), Err(DisconnectError::Reason));
    let how = Disconnect {
        properties: properties(&[Property::ContentType("x")]),
        ..Disconnect::default()
    };
    assert!(matches!(rig.client.disconnect(rig.now, how), Err(DisconnectError::Encode(_))));
    assert!(rig.client.is_connected());
}

#[test]
fn a_goodbye_that_is_too_large_leaves_its_properties_out() {
    let mut rig = Rig::online(config(Version::V5), &[Property::MaximumPacketSize(10)]);
    let how = Disconnect {
        properties: properties(&[Property::ReasonString("too long for this server")]),
        ..Disconnect::default()
    };
    rig.client.disconnect(rig.now, how).unwrap();
    assert_eq!(rig.client.outgoing(), [0xE0, 0]); // v5 [MQTT-3.14.2-3]
}

#[test]
fn with_a_reason_3_x_closes_without_disconnect() {
    let mut rig = Rig::online(config(Version::V311), &[]);
    let how = Disconnect { reason: Reason::DisconnectWithWill, ..Disconnect::default() };
    rig.client.disconnect(rig.now, how).unwrap();
    rig.wrote(&[]);
    rig.closed();
    assert_eq!(rig.disconnected().cause, Cause::Requested);
}

#[test]
fn a_goodbye_may_wait_until_all_is_done() {
    let mut rig = Rig::online(config(Version::V5), &[Property::ReceiveMaximum(1)]);
    let one = rig.publish("a", "1", QoS::AtLeastOnce);
    let two = rig.publish("a", "2", QoS::ExactlyOnce);
    let how = Disconnect { wait: seconds(10), ..Disconnect::default() };
    rig.client.disconnect(rig.now, how).unwrap();
    rig.wrote(&[publish("a", "1", QoS::AtLeastOnce, 1)]);
    rig.send(&ack(AckKind::PubAck, 1));
    rig.acknowledged(one);
    rig.wrote(&[publish("a", "2", QoS::ExactlyOnce, 2)]);
    rig.send(&ack(AckKind::PubRec, 2));
    rig.wrote(&[ack(AckKind::PubRel, 2)]);
    rig.send(&ack(AckKind::PubComp, 2));
    rig.acknowledged(two);
    assert_eq!(rig.client.outgoing(), [0xE0, 0]);
    rig.written();
    rig.closed();
    rig.disconnected();
}

#[test]
fn a_goodbye_waits_no_longer_than_said() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    let token = rig.publish("a", "1", QoS::AtLeastOnce);
    rig.written();
    let how = Disconnect { wait: seconds(10), ..Disconnect::default() };
    rig.client.disconnect(rig.now, how).unwrap();
    rig.nothing();
    assert_eq!(rig.wait(), seconds(10));
    assert_eq!(rig.client.outgoing(), [0xE0, 0]);
    rig.written();
    rig.closed();
    assert_eq!(rig.done(token), Outcome::Abandoned);
}

#[test]
fn a_connection_lost_while_leaving_is_not_made_again() {
    for wait in [0, 10] {
        let mut rig = Rig::online(config(Version::V5), &[]);
        rig.publish("a", "1", QoS::AtLeastOnce);
        let how = Disconnect { wait: seconds(wait), ..Disconnect::default() };
        rig.client.disconnect(rig.now, how).unwrap();
        rig.client.handle_closed(rig.now, Closed::Failed);
        let events: Vec<Event> = core::iter::from_fn(|| rig.event()).collect();
        let Some(Event::Disconnected(lost)) = events.last() else { panic!("{events:?}") };
        assert_eq!(lost.retry_in, None);
        assert!(rig.client.is_idle());
    }
}

#[test]
fn disconnect_and_close_end_every_state_and_every_token() {
    for state in 0..5 {
        for close in [false, true] {
            let mut config = config(Version::V5);
            config.reconnect.first = true;
            let mut rig = Rig::new(config);
            if state > 0 {
                rig.client.connect(rig.now).unwrap();
            }
            match state {
                2 => rig.client.handle_closed(rig.now, Closed::Failed),
                3 => rig.client.handle_open(rig.now),
                4 => {
                    rig.dialled("one");
                    rig.accept(false, &[]);
                }
                _ => {}
            }
            let mut tokens = vec![
                rig.publish("a", "0", QoS::AtMostOnce),
                rig.publish("a", "1", QoS::AtLeastOnce),
                rig.publish("a", "2", QoS::ExactlyOnce),
                rig.client.unsubscribe(rig.now, &["a"], Properties::EMPTY).unwrap(),
                rig.client
                    .request(rig.now, &message("a", "?", QoS::AtLeastOnce), seconds(9))
                    .unwrap(),
            ];
            if state == 4 {
                tokens.push(rig.client.ping(rig.now).unwrap());
            }
            if close {
                rig.client.close(rig.now);
            } else {
                rig.client.disconnect(rig.now, Disconnect::default()).unwrap();
                rig.wait_if_any();
            }
            assert!(rig.client.is_idle());
            while let Some(event) = rig.event() {
                if let Event::Done(token, outcome) = event {
                    let at = tokens.iter().position(|&other| other == token);
                    tokens.remove(at.expect("a token that waits"));
                    let ended = [Outcome::Abandoned, Outcome::ConnectionLost];
                    assert!(ended.contains(&outcome), "{outcome:?}");
                }
            }
            assert_eq!(tokens, [], "state {state}");
            assert_eq!(rig.client.poll_timeout(), None);
        }
    }
}

impl Rig {
    fn wait_if_any(&mut self) {
        if self.client.poll_timeout().is_some() {
            self.wait();
        }
    }
}

#[test]
fn a_lasting_session_goes_on_after_another_connect() {
    let mut rig = Rig::online(lasting(Version::V5), &[]);
    let token = rig.publish("a", "1", QoS::AtLeastOnce);
    rig.send(&publish("b", "2", QoS::ExactlyOnce, 5));
    rig.payload();
    rig.written();
    rig.client.disconnect(rig.now, Disconnect::default()).unwrap();
    rig.written();
    rig.closed();
    assert_eq!(rig.done(token), Outcome::Abandoned);
    rig.disconnected();
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    rig.accept(true, &[]);
    rig.wrote(&[again(publish("a", "1", QoS::AtLeastOnce, 1))]);
    rig.send(&again(publish("b", "2", QoS::ExactlyOnce, 5)));
    rig.send(&ack(AckKind::PubAck, 1));
    rig.nothing();
}

#[test]
fn a_session_that_ends_with_its_connection_is_forgotten() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    rig.publish("a", "1", QoS::AtLeastOnce);
    rig.client.close(rig.now);
    while rig.event().is_some() {}
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    assert!(!rig.accept(false, &[]).session_lost);
    rig.wrote(&[]);
}
