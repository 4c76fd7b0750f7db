//! Enhanced authentication.

use libmqtt_engine::client::{AuthenticateError, Authentication, Violation};
use libmqtt_engine::codec::Auth;

use super::*;

fn with_method() -> ClientConfig {
    let mut config = config(Version::V5);
    config.authentication = Some(Authentication { method: "m".into(), data: Some("first".into()) });
    config
}

fn section(data: Option<&[u8]>) -> PropertiesBuf {
    let mut list = properties(&[Property::AuthenticationMethod("m")]);
    if let Some(data) = data {
        list.push(Property::AuthenticationData(data)).unwrap();
    }
    list
}

fn auth(reason: Reason, properties: Properties<'_>) -> Packet<'_> {
    Packet::Auth(Auth { reason, properties })
}

#[track_caller]
fn challenged(rig: &mut Rig, data: &[u8]) {
    match rig.event() {
        Some(Event::Challenge(challenge)) => assert_eq!(challenge.data.as_deref(), Some(data)),
        other => panic!("{other:?}"),
    }
}

/// As far as the first challenge.
fn connecting() -> Rig {
    let mut rig = Rig::new(with_method());
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    rig.client.handle_open(rig.now);
    let connect = rig.written();
    assert!(hex(&connect).contains("15 00 01 6d 16 00 05 66 69 72 73 74"));
    rig.send(&auth(Reason::ContinueAuthentication, section(Some(b"?")).view()));
    challenged(&mut rig, b"?");
    rig
}

#[test]
fn challenges_are_answered_until_connack() {
    let mut rig = connecting();
    // Nothing else leaves. v5 [MQTT-3.1.2-30]
    rig.publish("a", "x", QoS::AtMostOnce);
    rig.wrote(&[]);
    rig.client.authenticate(rig.now, b"!").unwrap();
    rig.wrote(&[auth(Reason::ContinueAuthentication, section(Some(b"!")).view())]);
    assert_eq!(rig.client.authenticate(rig.now, b"!"), Err(AuthenticateError::State));
    rig.send(&auth(Reason::ContinueAuthentication, section(Some(b"??")).view()));
    challenged(&mut rig, b"??");
    rig.client.authenticate(rig.now, b"!!").unwrap();
    rig.written();
    rig.send(&connack(false, section(Some(b"done")).view()));
    let connected = rig.connected();
    assert_eq!(connected.properties.view().authentication_data(), Some(&b"done"[..]));
}

#[test]
fn the_first_data_may_be_new_for_every_connection() {
    let mut rig = online();
    rig.client.set_authentication_data(Some("other".into())).unwrap();
    rig.cut();
    rig.client.handle_open(rig.now);
    assert!(hex(&rig.written()).contains("16 00 05 6f 74 68 65 72"));
    let mut rig = Rig::new(config(Version::V5));
    assert_eq!(rig.client.set_authentication_data(None), Err(AuthenticateError::NoMethod));
}

#[test]
fn a_challenge_renews_the_deadline() {
    let mut rig = connecting();
    rig.pass(seconds(20));
    rig.client.authenticate(rig.now, b"!").unwrap();
    rig.send(&auth(Reason::ContinueAuthentication, section(Some(b"?")).view()));
    assert_eq!(rig.wait(), seconds(30));
}

#[test]
fn the_method_must_be_the_one_asked_for() {
    let cause = Cause::Violation(Reason::ProtocolError, Violation::Authentication);
    let other = properties(&[Property::AuthenticationMethod("other")]);
    for packet in [
        auth(Reason::ContinueAuthentication, other.view()),
        auth(Reason::Success, section(None).view()),
        connack(false, Properties::EMPTY),
        connack(false, other.view()),
    ] {
        let mut rig = connecting();
        rig.send(&packet); // v5 [MQTT-4.12.0-5]
        rig.closed();
        assert_eq!(rig.disconnected().cause, cause);
    }
    // Nor may it come unasked. v5 [MQTT-4.12.0-6]
    let mut rig = Rig::new(config(Version::V5));
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    rig.client.handle_open(rig.now);
    rig.written();
    rig.send(&auth(Reason::ContinueAuthentication, section(None).view()));
    rig.closed();
    assert_eq!(rig.disconnected().cause, cause);
    let now = rig.now;
    assert_eq!(rig.client.authenticate(now, b"!"), Err(AuthenticateError::NoMethod));
    assert_eq!(rig.client.reauthenticate(now, None), Err(AuthenticateError::NoMethod));
}

fn online() -> Rig {
    let mut rig = connecting();
    rig.client.authenticate(rig.now, b"!").unwrap();
    rig.written();
    rig.send(&connack(false, section(None).view()));
    rig.connected();
    rig
}

#[test]
fn a_standing_connection_is_authenticated_again() {
    let mut rig = online();
    let token = rig.client.reauthenticate(rig.now, Some(b"new")).unwrap();
    rig.wrote(&[auth(Reason::ReAuthenticate, section(Some(b"new")).view())]);
    assert_eq!(rig.client.reauthenticate(rig.now, None), Err(AuthenticateError::State));
    // Other packets go on. V5-U57
    rig.publish("a", "x", QoS::AtMostOnce);
    rig.wrote(&[publish("a", "x", QoS::AtMostOnce, 0)]);
    rig.event();
    rig.send(&auth(Reason::ContinueAuthentication, section(Some(b"?")).view()));
    challenged(&mut rig, b"?");
    rig.client.authenticate(rig.now, b"!").unwrap();
    rig.wrote(&[auth(Reason::ContinueAuthentication, section(Some(b"!")).view())]);
    rig.send(&auth(Reason::Success, section(Some(b"ok")).view()));
    rig.acknowledged(token);
}

#[test]
fn a_refused_re_authentication_ends_its_token() {
    let mut rig = online();
    let token = rig.client.reauthenticate(rig.now, None).unwrap();
    let reason = Reason::NotAuthorized;
    let properties = Properties::EMPTY;
    rig.send(&Packet::Disconnect(libmqtt_engine::codec::Disconnect { reason, properties }));
    rig.closed();
    match rig.done(token) {
        Outcome::Refused(answer) => assert_eq!(answer.reason, reason),
        other => panic!("{other:?}"),
    }
    rig.disconnected();
    let mut rig = online();
    let token = rig.client.reauthenticate(rig.now, None).unwrap();
    rig.client.handle_closed(rig.now, Closed::Failed);
    assert_eq!(rig.done(token), Outcome::ConnectionLost);
}
