//! A model of how the shards of a broker stop; see [`crate::models`].

use std::sync::Arc;
use std::time::Duration;

use libmqtt_engine::broker::{BrokerConfig, ShardId, Shared};
use loom::thread;

use super::bus::{Bus, Note};
use crate::clock::Clock;
use crate::inbox::Inbox;
use crate::log::Log;
use crate::models::Waker;

/// A shard that does nothing: it quiesces when it is told to, and ends when all have.
fn shard(bus: &Bus, which: ShardId) {
    let mut notes = Vec::new();
    'all: loop {
        bus.inbox(which).take(&mut notes, true);
        if notes.is_empty() {
            bus.inbox(which).sleep();
            bus.inbox(which).awake();
        }
        for note in notes.drain(..) {
            match note {
                Note::Quiesce(_) => bus.quiesced(which),
                Note::Finish => break 'all,
                _ => {}
            }
        }
    }
    bus.inbox(which).close().into_iter().for_each(Note::give_up);
    bus.thread_ends();
}

#[test]
fn every_shard_of_a_broker_ends() {
    // With three threads every order is too many: those with at most two interruptions.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let inboxes = (0..2).map(|_| Inbox::new(Waker::new())).collect();
        let shared = Shared::new(BrokerConfig::default(), 2, 7);
        let bus = Arc::new(Bus::new(shared, Clock::new(), Log::default(), inboxes));
        let threads: Vec<_> = [ShardId(0), ShardId(1)]
            .map(|which| {
                bus.thread_begins();
                let bus = bus.clone();
                thread::spawn(move || shard(&bus, which))
            })
            .into();
        bus.stop(Duration::ZERO);
        assert!(bus.wait(Duration::ZERO), "a wait for ever");
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}
