//! Attempts, servers, versions.

use libmqtt_engine::client::{CleanStart, Growth};

use super::*;

fn servers(list: &[&str]) -> ClientConfig {
    let mut config = config(Version::V5);
    config.servers = list.iter().map(|&server| server.into()).collect();
    config.reconnect.first = true;
    config
}

/// The delays after attempts that fail.
fn delays(rig: &mut Rig, count: usize) -> Vec<Duration> {
    let mut delays = Vec::new();
    for _ in 0..count {
        rig.client.handle_closed(rig.now, Closed::Failed);
        let lost = rig.disconnected();
        assert_eq!((lost.cause, lost.was_connected), (Cause::Unreachable, false));
        delays.push(lost.retry_in.unwrap());
        rig.nothing();
        assert_eq!(rig.wait(), lost.retry_in.unwrap());
        rig.dialled("one");
    }
    delays
}

#[test]
fn the_delay_doubles_up_to_its_cap() {
    let mut rig = Rig::new(servers(&["one"]));
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    let wanted = [1, 2, 4, 8, 16, 32, 60, 60, 60].map(seconds);
    assert_eq!(delays(&mut rig, 9), wanted);
}

#[test]
fn the_delay_may_be_constant() {
    let mut config = servers(&["one"]);
    config.reconnect.growth = Growth::Constant;
    let mut rig = Rig::new(config);
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    assert_eq!(delays(&mut rig, 4), [1, 1, 1, 1].map(seconds));
}

#[test]
fn full_jitter_draws_below_the_delay_and_repeats_with_its_seed() {
    let mut config = servers(&["one"]);
    config.reconnect.jitter = true;
    let mut all = Vec::new();
    for seed in [7, 7, 8] {
        let mut rig = Rig::new(config.clone());
        rig.client = Client::new(config.clone(), seed);
        rig.client.connect(rig.now).unwrap();
        rig.dialled("one");
        let delays = delays(&mut rig, 12);
        for (delay, bound) in delays.iter().zip([1, 2, 4, 8, 16, 32, 60, 60]) {
            assert!(*delay > Duration::ZERO && *delay <= seconds(bound) + Duration::from_nanos(1));
        }
        all.push(delays);
    }
    assert_eq!(all[0], all[1]);
    assert_ne!(all[0], all[2]);
}

#[test]
fn a_stable_connection_begins_anew_and_an_unstable_one_does_not() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    let lose = |rig: &mut Rig, after: u64| {
        rig.pass(seconds(after));
        rig.client.handle_closed(rig.now, Closed::Peer);
        let lost = rig.disconnected();
        assert_eq!((lost.cause, lost.was_connected), (Cause::ClosedByPeer, true));
        rig.wait();
        rig.dialled("one");
        rig.accept(false, &[]);
        lost.retry_in.unwrap()
    };
    assert_eq!([1, 1, 1, 30, 1].map(|after| lose(&mut rig, after)), [1, 2, 4, 1, 2].map(seconds));
}

#[test]
fn the_first_connection_is_not_retried_unless_asked() {
    let mut rig = Rig::new(config(Version::V5));
    let token = rig.publish("a", "x", QoS::AtLeastOnce);
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    rig.client.handle_closed(rig.now, Closed::Failed);
    assert_eq!(rig.done(token), Outcome::Abandoned);
    assert_eq!(rig.disconnected().retry_in, None);
    assert!(rig.client.is_idle());
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
}

#[test]
fn nothing_is_retried_when_that_is_off() {
    let mut config = config(Version::V5);
    config.reconnect.enabled = false;
    let mut rig = Rig::online(config, &[]);
    rig.client.handle_closed(rig.now, Closed::Failed);
    assert_eq!(rig.disconnected().retry_in, None);
    assert!(rig.client.is_idle());
}

#[test]
fn attempts_are_counted() {
    let mut config = servers(&["one"]);
    config.reconnect.attempts_max = 3;
    let mut rig = Rig::new(config);
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    delays(&mut rig, 2);
    rig.client.handle_closed(rig.now, Closed::Failed);
    assert_eq!(rig.disconnected().retry_in, None);
}

#[test]
fn servers_are_tried_in_turn_before_the_delay() {
    let mut rig = Rig::new(servers(&["one", "two", "three"]));
    rig.client.connect(rig.now).unwrap();
    let mut delays = Vec::new();
    for server in ["one", "two", "three", "one", "two", "three", "one"] {
        rig.dialled(server);
        rig.client.handle_closed(rig.now, Closed::Failed);
        let delay = rig.disconnected().retry_in.unwrap();
        delays.push(delay);
        if delay > Duration::ZERO {
            rig.wait();
        }
    }
    assert_eq!(delays, [0, 0, 1, 0, 0, 2, 0].map(seconds));
    // A connection that is lost is made again with its server.
    rig.dialled("two");
    rig.accept(false, &[]);
    rig.client.handle_closed(rig.now, Closed::Failed);
    rig.disconnected();
    rig.wait();
    rig.dialled("two");
}

#[test]
fn every_server_is_tried_once_even_without_retries() {
    let mut config = servers(&["one", "two"]);
    config.reconnect.enabled = false;
    let mut rig = Rig::new(config);
    rig.client.connect(rig.now).unwrap();
    for (server, retry_in) in [("one", Some(Duration::ZERO)), ("two", None)] {
        rig.dialled(server);
        rig.client.handle_closed(rig.now, Closed::Failed);
        assert_eq!(rig.disconnected().retry_in, retry_in);
    }
}

#[test]
fn connect_during_the_delay_dials_at_once() {
    let mut rig = Rig::new(servers(&["one"]));
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    rig.client.handle_closed(rig.now, Closed::Failed);
    rig.disconnected();
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
}

#[test]
fn a_connection_that_takes_too_long_is_given_up() {
    let mut rig = Rig::new(servers(&["one"]));
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    assert_eq!(rig.wait(), seconds(30));
    rig.closed();
    assert_eq!(rig.disconnected().cause, Cause::ConnectTimeout);
    rig.wait();
    rig.dialled("one");
    rig.pass(seconds(20));
    rig.client.handle_open(rig.now);
    rig.written();
    assert_eq!(rig.wait(), seconds(10));
    rig.closed();
    assert_eq!(rig.disconnected().cause, Cause::ConnectTimeout);
}

/// What follows a CONNACK that refuses: the delay, if there is another attempt.
fn after_refusal(config: ClientConfig, reason: Reason) -> Option<Duration> {
    let mut rig = Rig::new(config);
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    rig.client.handle_open(rig.now);
    rig.written();
    rig.send(&refusal(reason, Properties::EMPTY));
    rig.closed();
    let lost = rig.disconnected();
    let Cause::Refused(answer) = &lost.cause else { panic!("{lost:?}") };
    assert_eq!(answer.reason, reason);
    lost.retry_in
}

#[test]
fn refusals_that_stay_are_final_and_others_are_not() {
    for reason in [Reason::NotAuthorized, Reason::BadUserNameOrPassword, Reason::Banned] {
        assert_eq!(after_refusal(servers(&["one"]), reason), None);
        let mut stubborn = servers(&["one"]);
        stubborn.reconnect.even_if_refused = true;
        assert_eq!(after_refusal(stubborn, reason), Some(seconds(1)));
    }
    for reason in [Reason::ServerBusy, Reason::ServerUnavailable, Reason::QuotaExceeded] {
        assert_eq!(after_refusal(servers(&["one"]), reason), Some(seconds(1)));
    }
    let mut old = servers(&["one"]);
    old.version = Version::V311;
    assert_eq!(after_refusal(old.clone(), Reason::ServerUnavailable), Some(seconds(1)));
    assert_eq!(after_refusal(old, Reason::NotAuthorized), None);
}

#[test]
fn a_session_taken_over_is_not_taken_back() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    let reason = Reason::SessionTakenOver;
    let properties = Properties::EMPTY;
    rig.send(&Packet::Disconnect(libmqtt_engine::codec::Disconnect { reason, properties }));
    rig.closed();
    assert_eq!(rig.disconnected().retry_in, None);
}

fn stepping() -> ClientConfig {
    let mut config = servers(&["one"]);
    config.step_down = true;
    config
}

#[test]
fn a_server_that_does_not_know_5_0_is_asked_in_3_1_1() {
    // As a server of 5.0 says it, and as one of 3.1.1 does.
    for connack in [&[0x20, 3, 0, 0x84, 0][..], &[0x20, 2, 0, 1]] {
        let mut rig = Rig::new(stepping());
        rig.client.connect(rig.now).unwrap();
        rig.dialled("one");
        rig.client.handle_open(rig.now);
        assert_eq!(rig.written()[8], 5);
        rig.client.handle_data(rig.now, connack);
        rig.closed();
        let lost = rig.disconnected();
        assert!(matches!(lost.cause, Cause::Refused(_)));
        assert_eq!(lost.retry_in, Some(Duration::ZERO));
        rig.dialled("one");
        assert_eq!(rig.accept(false, &[]).version, Version::V311);
        // It is remembered.
        rig.cut();
        rig.client.handle_open(rig.now);
        assert_eq!(rig.written()[8], 4);
    }
}

#[test]
fn a_server_that_closes_on_5_0_is_tried_in_3_1_1() {
    let mut rig = Rig::new(stepping());
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    rig.client.handle_open(rig.now);
    rig.client.handle_closed(rig.now, Closed::Peer);
    assert_eq!(rig.disconnected().retry_in, Some(Duration::ZERO));
    rig.dialled("one");
    rig.client.handle_open(rig.now);
    assert_eq!(rig.written()[8], 4);
    // That did not help: it was something else.
    rig.client.handle_closed(rig.now, Closed::Peer);
    assert_eq!(rig.disconnected().retry_in, Some(seconds(1)));
    rig.wait();
    rig.dialled("one");
    rig.client.handle_open(rig.now);
    assert_eq!(rig.written()[8], 5);
}

#[test]
fn without_leave_no_older_version_is_tried() {
    assert_eq!(after_refusal(servers(&["one"]), Reason::UnsupportedProtocolVersion), None);
}

#[test]
fn server_references_are_followed() {
    let mut rig = Rig::new(servers(&["one"]));
    rig.client.connect(rig.now).unwrap();
    let refer = |rig: &mut Rig, reason, to: &str| {
        rig.client.handle_open(rig.now);
        rig.written();
        let list = properties(&[Property::ServerReference(to)]);
        rig.send(&refusal(reason, list.view()));
        rig.closed();
        rig.disconnected().retry_in
    };
    rig.dialled("one");
    assert_eq!(refer(&mut rig, Reason::UseAnotherServer, "two:1 three:2"), Some(Duration::ZERO));
    rig.dialled("two:1");
    rig.client.handle_closed(rig.now, Closed::Failed);
    rig.disconnected();
    rig.dialled("three:2");
    rig.client.handle_closed(rig.now, Closed::Failed);
    rig.disconnected();
    // None of them: back to where it began.
    rig.dialled("one");
    assert_eq!(refer(&mut rig, Reason::ServerMoved, "four"), Some(Duration::ZERO));
    rig.dialled("four");
    rig.accept(false, &[]);
    rig.client.handle_closed(rig.now, Closed::Failed);
    rig.disconnected();
    rig.wait();
    rig.dialled("four");
}

#[test]
fn references_in_a_circle_are_slowed_down() {
    let mut rig = Rig::new(servers(&["one"]));
    rig.client.connect(rig.now).unwrap();
    let mut waits = 0;
    for _ in 0..30 {
        let Some(Event::Dial(_)) = rig.event() else { panic!() };
        rig.client.handle_open(rig.now);
        rig.written();
        let list = properties(&[Property::ServerReference("round")]);
        rig.send(&refusal(Reason::UseAnotherServer, list.view()));
        rig.closed();
        if rig.disconnected().retry_in.unwrap() > Duration::ZERO {
            waits += 1;
            rig.wait();
        }
    }
    assert_eq!(waits, 5);
}

#[test]
fn references_are_not_followed_when_that_is_off() {
    let mut config = servers(&["one"]);
    config.follow_server_reference = false;
    assert_eq!(after_refusal(config, Reason::UseAnotherServer), Some(seconds(1)));
}

#[test]
fn each_connection_starts_with_a_clean_slate() {
    let mut config = config(Version::V5);
    config.clean_start = CleanStart::Always;
    let mut rig = Rig::online(config, &[Property::TopicAliasMaximum(5)]);
    rig.publish("topic", "x", QoS::AtMostOnce);
    rig.client.handle_data(rig.now, &[0x30, 9, 0]);
    rig.cut_with_bytes_left();
    rig.client.handle_open(rig.now);
    assert_eq!(rig.client.outgoing()[0], 0x10);
    rig.written();
    rig.send(&connack(false, Properties::EMPTY));
    rig.connected();
}

impl Rig {
    fn cut_with_bytes_left(&mut self) {
        self.client.handle_closed(self.now, Closed::Failed);
        self.events.clear();
        while self.client.poll_event().is_some() {}
        self.wait();
        self.dialled("one");
    }
}
