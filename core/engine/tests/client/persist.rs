//! What a client keeps in a store, and goes on with in another process.

use libmqtt_engine::UnixTime;
use libmqtt_engine::client::{
    AckId, CleanStart, ConnectError, FlushError, LostSession, PublishError,
};
use libmqtt_engine::store::{Completion, MemoryDisk, MemoryStore, Store, StoreError};

use super::*;

/// A client with a store, whose disk is synced by hand.
struct Kept {
    rig: Rig,
    disk: MemoryDisk,
    store: MemoryStore,
}

const START: u64 = 1_700_000_000_000;

impl core::ops::Deref for Kept {
    type Target = Rig;

    fn deref(&self) -> &Rig {
        &self.rig
    }
}

impl core::ops::DerefMut for Kept {
    fn deref_mut(&mut self) -> &mut Rig {
        &mut self.rig
    }
}

impl Kept {
    fn start(config: ClientConfig, disk: &MemoryDisk, after: Duration) -> Kept {
        let mut rig = Rig::new(config);
        let mut store = disk.open(1).pop().unwrap();
        let unix = UnixTime(START + after.as_millis() as u64);
        rig.client.restore(&mut store, rig.now, unix, true).unwrap();
        Kept { rig, disk: disk.clone(), store }
    }

    fn new(config: ClientConfig) -> Kept {
        Kept::start(config, &MemoryDisk::new(), Duration::ZERO)
    }

    /// Connects; the server has a Session or not.
    fn go(mut self, present: bool) -> Kept {
        let now = self.now;
        self.client.connect(now).unwrap();
        self.dialled("one");
        self.accept(present, &[]);
        self.sync();
        self
    }

    fn submit(&mut self) {
        while let Some(batch) = self.rig.client.poll_batch() {
            self.store.submit(batch);
        }
    }

    /// Makes all durable.
    fn sync(&mut self) {
        self.submit();
        self.disk.sync();
        let mut done = Vec::new();
        self.store.poll(&mut done);
        let now = self.now;
        for completion in done {
            match completion {
                Completion::Durable(position) => self.client.handle_persisted(now, position),
                Completion::Failed(_) => self.client.handle_store_failed(now),
                Completion::Rows(_) => {}
            }
        }
    }

    /// The process is killed, and another begins this much later.
    fn again(self, after: Duration) -> Kept {
        self.disk.crash(|_| 0);
        let config = self.client.config().clone();
        Kept::start(config, &self.disk, after)
    }
}

use QoS::{AtLeastOnce as Q1, AtMostOnce as Q0, ExactlyOnce as Q2};

#[test]
fn what_was_published_offline_is_sent_by_the_next_process_in_order() {
    for version in [Version::V5, Version::V311] {
        let mut client = Kept::new(lasting(version));
        for (payload, qos) in [("a", Q1), ("b", Q2), ("z", Q0), ("c", Q1), ("d", Q2)] {
            client.publish("t", payload, qos);
        }
        client.sync();
        client.publish("t", "not durable", Q1);
        let mut client = client.again(seconds(1));
        assert_eq!((client.client.queued(), client.client.in_flight()), (4, 0));
        client = client.go(false);
        client.wrote(&[
            publish("t", "a", Q1, 1),
            publish("t", "b", Q2, 2),
            publish("t", "c", Q1, 3),
            publish("t", "d", Q2, 4),
        ]);
    }
}

#[test]
fn qos2_waits_until_its_identifier_is_durable_and_qos1_waits_only_behind_it() {
    let mut client = Kept::new(lasting(Version::V5)).go(false);
    client.publish("t", "a", Q1);
    client.wrote(&[publish("t", "a", Q1, 1)]);
    client.publish("t", "b", Q2);
    client.publish("t", "c", Q1);
    client.publish("t", "d", Q0);
    client.wrote(&[publish("t", "d", Q0, 0)]);
    client.sync();
    client.wrote(&[publish("t", "b", Q2, 2), publish("t", "c", Q1, 3)]);
}

#[test]
fn flows_go_on_in_the_next_process_where_they_stood() {
    let mut client = Kept::new(lasting(Version::V5)).go(false);
    for (payload, qos) in [("a", Q2), ("b", Q2), ("c", Q1), ("d", Q1)] {
        client.publish("t", payload, qos);
    }
    client.sync();
    client.written();
    client.send(&ack(AckKind::PubRec, 1));
    client.wrote(&[]);
    client.sync();
    client.wrote(&[ack(AckKind::PubRel, 1)]);
    client.send(&ack(AckKind::PubAck, 3));
    client.sync();
    let mut client = client.again(seconds(1)).go(true);
    client.wrote(&[
        ack(AckKind::PubRel, 1),
        again(publish("t", "b", Q2, 2)),
        again(publish("t", "d", Q1, 4)),
    ]);
    client.send(&ack(AckKind::PubComp, 1));
    client.send(&ack(AckKind::PubRec, 2));
    client.send(&ack(AckKind::PubAck, 4));
    client.sync();
    client.wrote(&[ack(AckKind::PubRel, 2)]);
    client.send(&ack(AckKind::PubComp, 2));
    client.sync();
    let mut client = client.again(seconds(1)).go(true);
    client.wrote(&[]);
    assert_eq!(client.client.in_flight(), 0);
    // All that is left is the session.
    assert_eq!(client.disk.len(), (0, 1));
}

#[test]
fn a_queued_message_that_was_sent_is_sent_again_under_its_identifier() {
    let mut config = lasting(Version::V5);
    config.inflight_max = 1;
    let mut client = Kept::new(config).go(false);
    for payload in ["a", "b", "c"] {
        client.publish("t", payload, Q2);
    }
    client.sync();
    client.send(&nack(AckKind::PubRec, 1, Reason::QuotaExceeded));
    client.sync();
    client.written();
    let mut client = client.again(seconds(1)).go(true);
    client.wrote(&[again(publish("t", "b", Q2, 2))]);
    client.send(&nack(AckKind::PubRec, 2, Reason::QuotaExceeded));
    client.sync();
    client.wrote(&[publish("t", "c", Q2, 3)]);
}

#[test]
fn a_session_that_the_server_has_lost_is_begun_anew_with_what_the_policy_keeps() {
    for (policy, kept, sent) in [
        (LostSession::Republish, 3, &["a", "b", "c"][..]),
        (LostSession::RepublishQoS1, 2, &["a", "c"]),
        // "c" had waited, but was in flight in the next session, which was lost as well.
        (LostSession::Abandon, 1, &[]),
    ] {
        let mut config = lasting(Version::V5);
        config.lost_session = policy;
        config.inflight_max = 2;
        let mut client = Kept::new(config).go(false);
        client.publish("t", "a", Q1);
        client.publish("t", "b", Q2);
        client.publish("t", "c", Q1);
        client.sync();
        client.written();
        // Lost once; and the process is killed again before anything was acknowledged.
        let client = client.again(seconds(1)).go(false).again(seconds(2));
        assert_eq!(client.client.in_flight() + client.client.queued(), kept, "{policy:?}");
        let mut client = client.go(false);
        let mut got = Vec::new();
        while got.len() < sent.len() {
            client.sync();
            let written = client.written();
            let mut rest = &written[..];
            while let Ok(libmqtt_engine::codec::Progress::Packet(found)) =
                libmqtt_engine::codec::frame(rest, 1 << 20)
            {
                let packet = found.decode(Version::V5, libmqtt_engine::codec::Side::Client);
                if let Ok(Packet::Publish(publish)) = packet {
                    assert!(!publish.dup);
                    got.push(String::from_utf8(publish.payload.to_vec()).unwrap());
                    let n = publish.packet_id.unwrap().get();
                    let kind = if publish.qos == Q1 { AckKind::PubAck } else { AckKind::PubRec };
                    let full = Reason::QuotaExceeded;
                    client.send(&nack(kind, n, full));
                }
                rest = &rest[found.len..];
            }
        }
        assert_eq!(got, sent, "{policy:?}");
        client.sync();
        assert_eq!(client.disk.len(), (0, 1));
    }
}

#[test]
fn what_comes_at_qos2_is_handed_over_once_across_processes() {
    let mut client = Kept::new(lasting(Version::V5)).go(false);
    client.send(&publish("t", "a", Q2, 7));
    client.nothing();
    client.wrote(&[]);
    // Killed before it is durable: it comes again, and nobody has seen it.
    let mut client = client.again(seconds(1)).go(true);
    client.send(&again(publish("t", "a", Q2, 7)));
    client.sync();
    assert_eq!(client.payload(), "a");
    client.wrote(&[ack(AckKind::PubRec, 7)]);
    let mut client = client.again(seconds(2)).go(true);
    client.send(&again(publish("t", "a", Q2, 7)));
    client.nothing();
    client.wrote(&[ack(AckKind::PubRec, 7)]);
    client.send(&ack(AckKind::PubRel, 7));
    // The server would use the identifier again after PUBCOMP.
    client.wrote(&[]);
    client.sync();
    client.wrote(&[ack(AckKind::PubComp, 7)]);
    let mut client = client.again(seconds(3)).go(true);
    client.send(&publish("t", "b", Q2, 7));
    client.sync();
    assert_eq!(client.payload(), "b");
}

#[test]
fn what_comes_at_qos1_and_qos0_does_not_wait() {
    let mut client = Kept::new(lasting(Version::V5)).go(false);
    client.send(&publish("t", "a", Q2, 7));
    client.send(&publish("t", "b", Q1, 8));
    client.send(&publish("t", "c", Q0, 0));
    assert_eq!((client.payload(), client.payload()), ("b".into(), "c".into()));
    client.wrote(&[ack(AckKind::PubAck, 8)]);
    client.nothing();
}

#[test]
fn with_manual_acknowledgement_a_message_comes_again_until_the_program_has_acknowledged_it() {
    let mut config = lasting(Version::V5);
    config.manual_ack = true;
    let mut client = Kept::new(config).go(false);
    client.send(&publish("t", "a", Q2, 7));
    assert!(client.received().ack.is_some());
    client.sync();
    let mut client = client.again(seconds(1)).go(true);
    client.send(&again(publish("t", "a", Q2, 7)));
    let ack_id: AckId = client.received().ack.unwrap();
    let now = client.now;
    client.client.acknowledge(now, ack_id, Reason::Success).unwrap();
    client.wrote(&[]);
    client.sync();
    client.wrote(&[ack(AckKind::PubRec, 7)]);
    let mut client = client.again(seconds(2)).go(true);
    client.send(&again(publish("t", "a", Q2, 7)));
    client.nothing();
    client.sync();
    client.wrote(&[ack(AckKind::PubRec, 7)]);
}

#[test]
fn a_message_that_is_held_is_not_lost_with_the_end_of_the_client() {
    let mut client = Kept::new(lasting(Version::V5)).go(false);
    client.send(&publish("t", "a", Q2, 7));
    let now = client.now;
    client.client.close(now);
    assert_eq!(client.payload(), "a");
    client.closed();
}

#[test]
fn message_expiry_intervals_go_on_while_no_process_runs() {
    let expiring = |seconds| properties(&[Property::MessageExpiryInterval(seconds)]);
    let mut client = Kept::new(lasting(Version::V5));
    let (short, long) = (expiring(5), expiring(100));
    let now = client.now;
    for (payload, section) in [("short", &short), ("long", &long)] {
        let message = Publish { properties: section.view(), ..message("t", payload, Q1) };
        client.client.publish(now, &message).unwrap();
    }
    client.sync();
    let mut client = client.again(seconds(30));
    assert_eq!(client.client.queued(), 1);
    client = client.go(false);
    let left = expiring(70);
    let Packet::Publish(long) = publish("t", "long", Q1, 1) else { unreachable!() };
    client.wrote(&[Packet::Publish(Publish { properties: left.view(), ..long })]);
    client.sync();
    // What is in flight goes again all the same, with what is left, but never with nothing.
    let mut client = client.again(seconds(60)).go(true);
    let left = expiring(40);
    client.wrote(&[again(Packet::Publish(Publish { properties: left.view(), ..long }))]);
    let mut client = client.again(seconds(600)).go(true);
    let left = expiring(1);
    client.wrote(&[again(Packet::Publish(Publish { properties: left.view(), ..long }))]);
}

#[test]
fn flush_tells_when_all_is_durable() {
    let mut client = Kept::new(lasting(Version::V5));
    client.sync();
    let token = client.client.flush().unwrap();
    assert_eq!(client.done(token), Outcome::Written);
    client.publish("t", "a", Q1);
    let token = client.client.flush().unwrap();
    client.nothing();
    client.sync();
    assert_eq!(client.done(token), Outcome::Written);
    let mut plain = Rig::new(lasting(Version::V5));
    assert_eq!(plain.client.flush(), Err(FlushError::NoPersistence));
}

#[test]
fn while_nothing_can_be_stored_only_qos0_is_taken_and_what_was_taken_waits() {
    let mut client = Kept::new(lasting(Version::V5)).go(false);
    client.disk.set_full(true);
    client.publish("t", "a", Q2);
    let token = client.client.flush().unwrap();
    client.sync();
    assert_eq!(client.done(token), Outcome::NotStored);
    let now = client.now;
    for qos in [Q1, Q2] {
        let error = client.client.publish(now, &message("t", "b", qos));
        assert_eq!(error, Err(PublishError::NotStored));
    }
    let token = client.client.flush().unwrap();
    assert_eq!(client.done(token), Outcome::NotStored);
    client.publish("t", "z", Q0);
    client.wrote(&[publish("t", "z", Q0, 0)]);
    client.disk.set_full(false);
    client.sync();
    client.wrote(&[publish("t", "a", Q2, 1)]);
    client.publish("t", "b", Q2);
}

#[test]
fn ending_the_client_abandons_tokens_and_no_stored_message() {
    let mut client = Kept::new(lasting(Version::V5));
    let (one, zero) = (client.publish("t", "a", Q1), client.publish("t", "z", Q0));
    let now = client.now;
    client.client.disconnect(now, Default::default()).unwrap();
    assert_eq!(client.done(one), Outcome::Abandoned);
    assert_eq!(client.done(zero), Outcome::Abandoned);
    assert_eq!(client.client.queued(), 1);
    client.sync();
    let client = client.go(false);
    let mut client = client.again(seconds(1)).go(true);
    client.wrote(&[again(publish("t", "a", Q1, 1))]);
    // A session that ends on purpose takes along what it must.
    let now = client.now;
    let how =
        libmqtt_engine::client::Disconnect { session_expiry_s: Some(0), ..Default::default() };
    client.client.disconnect(now, how).unwrap();
    client.written();
    client.sync();
    let mut client = client.again(seconds(1)).go(false);
    client.wrote(&[publish("t", "a", Q1, 1)]);
}

#[test]
fn dropped_and_expired_messages_leave_nothing_behind() {
    let mut config = lasting(Version::V5);
    config.queue_messages_max = 1;
    config.queue_full = libmqtt_engine::client::QueueFull::DropOldest;
    let mut client = Kept::new(config);
    client.publish("t", "a", Q1);
    let section = properties(&[Property::MessageExpiryInterval(5)]);
    let now = client.now;
    let message = Publish { properties: section.view(), ..message("t", "b", Q1) };
    client.client.publish(now, &message).unwrap();
    client.sync();
    assert_eq!(client.disk.len().0, 1);
    client.pass(seconds(6));
    client.sync();
    assert_eq!(client.disk.len().0, 0);
}

#[test]
fn a_store_is_that_of_one_client() {
    let client = Kept::new(lasting(Version::V5));
    let disk = client.disk.clone();
    let client = { client }.go(false);
    drop(client);
    let mut other = Rig::new(ClientConfig::new("one", "d"));
    let mut store = disk.open(1).pop().unwrap();
    let now = other.now;
    let error = other.client.restore(&mut store, now, UnixTime(START), true).unwrap_err();
    assert_eq!(error, StoreError::Medium("it is the file of client 'c'".into()));

    let mut client = Kept::new(lasting(Version::V5));
    let renamed = ClientConfig { client_id: "d".into(), ..client.client.config().clone() };
    assert_eq!(client.client.reconfigure(renamed), Err(ConnectError::ClientIdStored));
}

#[test]
fn stored_messages_want_a_session_that_lasts() {
    for config in [
        config(Version::V5),
        ClientConfig { clean_start: CleanStart::Always, ..lasting(Version::V5) },
        config(Version::V311),
    ] {
        let mut client = Kept::new(config);
        let now = client.now;
        assert_eq!(client.client.connect(now), Err(ConnectError::NotLasting));
    }
}

#[test]
fn what_makes_no_sense_is_not_loaded() {
    let mut batch = libmqtt_engine::store::Batch::default();
    batch.put_row(libmqtt_engine::store::RowId(1), b"\x01M");
    for bad in [batch, {
        let mut batch = libmqtt_engine::store::Batch::default();
        batch.put_cell(b"rtopic", b"");
        batch
    }] {
        let disk = MemoryDisk::new();
        let mut store = disk.open(1).pop().unwrap();
        store.submit(bad.at(libmqtt_engine::store::Position(1)));
        disk.sync();
        let mut rig = Rig::new(lasting(Version::V5));
        let now = rig.now;
        let result = rig.client.restore(&mut store, now, UnixTime(START), true);
        assert!(matches!(result, Err(StoreError::Record(_))), "{result:?}");
    }
}
