//! Models of how the shards of a broker stop and change threads; see [`crate::models`].

use std::sync::Arc;
use std::time::Duration;

use libmqtt_engine::broker::{BrokerConfig, ShardId, Shared};
use loom::thread;

use super::bus::{Bus, Note};
use super::crew::Seat;
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

/// With three threads every order is too many: those with at most two interruptions.
fn few_interruptions() -> loom::model::Builder {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model
}

#[test]
fn every_shard_of_a_broker_ends() {
    few_interruptions().check(|| {
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

/// What a thread does for a shard until its `item` has come.
fn serve(inbox: &Inbox<u32>, item: u32) {
    let mut items = Vec::new();
    inbox.own();
    loop {
        inbox.take(&mut items, true);
        if items.is_empty() {
            inbox.sleep();
            inbox.awake();
        }
        if items.drain(..).any(|came| came == item) {
            return;
        }
    }
}

/// What comes for a shard while it is offered by one thread to another, which takes it or ends.
fn offer(takes: bool) {
    few_interruptions().check(move || {
        let (first, own) = (Arc::new(Inbox::new(Waker::new())), Arc::new(Inbox::new(Waker::new())));
        let seat = Arc::new(Seat::new());
        let pusher = {
            let own = own.clone();
            thread::spawn(move || assert_eq!(own.push(7), Ok(())))
        };
        let leader = {
            let (first, own, seat) = (first.clone(), own.clone(), seat.clone());
            thread::spawn(move || {
                if takes {
                    serve(&first, 1);
                    assert_eq!(seat.take(), Some("shard"), "nobody else takes it");
                    serve(&own, 7);
                }
                let given_up = first.close();
                seat.close();
                given_up.len()
            })
        };
        let mut items = Vec::new();
        own.own();
        own.take(&mut items, true);
        let came = !items.is_empty();
        if came {
            // The other thread waits for it too.
            own.push(7).unwrap();
        }
        own.disown();
        seat.put("shard");
        let told = first.push(1).is_ok();
        let back = seat.take_back(Duration::ZERO);
        assert_eq!(back, (!takes).then_some("shard"));
        assert!(told || !takes);
        if back.is_some() && !came {
            serve(&own, 7);
        }
        assert_eq!(seat.wait(), None, "the leader has ended");
        pusher.join().unwrap();
        leader.join().unwrap();
    });
}

#[test]
fn what_comes_for_a_shard_that_changes_threads_is_seen() {
    offer(true);
}

#[test]
fn a_shard_that_nobody_takes_is_served_on() {
    offer(false);
}

#[test]
fn a_shard_goes_to_the_thread_that_waits_for_it_or_the_thread_ends() {
    loom::model(|| {
        let seat = Arc::new(Seat::new());
        let helper = {
            let seat = seat.clone();
            thread::spawn(move || (seat.wait(), seat.wait()))
        };
        seat.put("shard");
        seat.close();
        assert_eq!(helper.join().unwrap(), (Some("shard"), None));
    });
}
