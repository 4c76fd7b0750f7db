//! The threads of a broker, and which shards each serves.
//!
//! While there is little to do, the first thread serves all shards and the others have none: a
//! message from one shard's client to another's then wakes no second thread. When the first has
//! much to do ([`Load`] tells), it parts with all shards but its own, each to a thread of its own;
//! when all threads have had little to do for a while, each gives its shard back.
//!
//! A shard is handed over through a [`Seat`], between two of its turns. The first thread only puts
//! something there when the other waits for it. The other way round the first thread may be kept
//! by a callback, so a shard is only offered: if it is not taken soon, its thread takes it back.
//!
//! A thread with one shard waits for what that shard's poll reports. One with several waits for
//! their polls in a poll of its own, and gives turns to those that were reported, have notes, or
//! are due. Where polls cannot wait for each other, every shard stays on a thread of its own.

use core::time::Duration;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use libmqtt_engine::Instant;
use libmqtt_engine::broker::ShardId;
use libmqtt_locks::atomic::{AtomicUsize, Ordering};
use libmqtt_locks::{Condvar, Mutex, MutexGuard, PoisonError};
use libmqtt_net::Poll;

use super::bus::{Bus, Note};
use super::gather::Gather;
use super::load::{LONG, Load};
use super::shard::ShardLoop;

/// How long a shard is offered: while it is, nobody serves it.
const OFFER: Duration = Duration::from_millis(2);
/// How often a turn gives the shards of a thread what they have for each other.
const PASSES: usize = 2;

/// Where something is handed from one thread to another.
pub(super) struct Seat<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    item: Option<T>,
    /// Nothing will be put there any more.
    closed: bool,
}

impl<T> Seat<T> {
    pub(super) fn new() -> Seat<T> {
        Seat { state: Mutex::new(State { item: None, closed: false }), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something there.
    pub(super) fn put(&self, item: T) {
        self.state().item = Some(item);
        self.changed.notify_all();
    }

    /// Takes what is there, if anything is.
    pub(super) fn take(&self) -> Option<T> {
        let item = self.state().item.take();
        self.changed.notify_all();
        item
    }

    /// Waits until something is there, and takes it; none: nothing will be.
    pub(super) fn wait(&self) -> Option<T> {
        let mut state = self.state();
        while state.item.is_none() && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.item.take()
    }

    /// Takes back what was put there if nobody has taken it in time.
    pub(super) fn take_back(&self, patience: Duration) -> Option<T> {
        let is_there = |state: &mut State<T>| state.item.is_some() && !state.closed;
        let waited = self.changed.wait_timeout_while(self.state(), patience, is_there);
        waited.unwrap_or_else(PoisonError::into_inner).0.item.take()
    }

    /// Nothing will be put there any more.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }
}

/// What the threads of a broker know of each other: one per shard.
pub(super) struct Crew {
    places: Box<[Place]>,
}

struct Place {
    seat: Seat<ShardLoop>,
    /// The share of its time that the thread worked last, in thousandths.
    share: AtomicUsize,
}

impl Crew {
    pub(super) fn new(threads: u16) -> Crew {
        let place = |_| Place { seat: Seat::new(), share: AtomicUsize::new(0) };
        Crew { places: (0..threads).map(place).collect() }
    }

    fn seat(&self, which: ShardId) -> &Seat<ShardLoop> {
        &self.places[usize::from(which.0)].seat
    }

    /// What all threads work together, in thousandths of one's time.
    fn sum(&self) -> u32 {
        self.places.iter().map(|place| place.share.load(Ordering::Relaxed) as u32).sum()
    }

    /// Threads without a shard end.
    fn dismiss(&self) {
        self.places.iter().for_each(|place| place.seat.close());
    }
}

/// The threads without a shard end with this.
pub(super) struct Dismissal(pub(super) Arc<Crew>);

impl Drop for Dismissal {
    fn drop(&mut self) {
        self.0.dismiss();
    }
}

/// A thread of a broker.
pub(super) struct Worker {
    number: u16,
    bus: Arc<Bus>,
    crew: Arc<Crew>,
    shards: Vec<ShardLoop>,
    /// Waits for the polls of several shards.
    poll: Option<Poll>,
    /// Which of them has its turn.
    serving: usize,
    gather: Gather,
    load: Load,
}

impl Worker {
    pub(super) fn new(number: u16, bus: Arc<Bus>, crew: Arc<Crew>) -> Worker {
        let now = bus.clock.now();
        let (gather, load) = (Gather::new(now, 0), Load::new(now));
        Worker { number, bus, crew, shards: Vec::new(), poll: None, serving: 0, gather, load }
    }

    /// The first thread: begins with all shards, and ends with the last it has.
    pub(super) fn lead(mut self, shards: Vec<ShardLoop>) {
        for shard in shards {
            self.adopt(shard);
        }
        self.regroup();
        self.run();
    }

    /// Another thread: serves its shard whenever it is given it.
    pub(super) fn help(mut self) {
        while let Some(shard) = self.crew.seat(ShardId(self.number)).wait() {
            self.load.given(self.bus.clock.now());
            self.adopt(shard);
            self.regroup();
            self.run();
        }
    }

    /// Serves until no shard is left.
    fn run(&mut self) {
        // A panic can only come from a hook or from a fault of ours. The other shards could not
        // reach this one's sessions any more, so the broker stops, and says so.
        loop {
            match catch_unwind(AssertUnwindSafe(|| self.serve())) {
                Ok(Ok(())) => return,
                Ok(Err(error)) => self.fail(format_args!("{error}")),
                Err(_) => self.fail(format_args!("it panicked")),
            }
        }
    }

    fn fail(&mut self, what: core::fmt::Arguments<'_>) {
        let shard = self.shards.remove(self.serving);
        self.bus.fail(shard.which, what);
        self.end(shard);
        self.regroup();
    }

    fn end(&mut self, mut shard: ShardLoop) {
        let bus = &self.bus;
        bus.quiesced(shard.which);
        // What callbacks do with their last events is theirs: they may panic again.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            bus.inbox(shard.which).close().into_iter().for_each(Note::give_up);
            shard.locals.abandon();
            drop(shard);
        }));
    }

    fn serve(&mut self) -> io::Result<()> {
        while !self.shards.is_empty() {
            let (now, idle) = match self.poll {
                None => self.turn_of_one()?,
                Some(_) => self.turn_of_several()?,
            };
            self.gather.turn(now, packets(&self.shards));
            if self.shards.iter().any(|shard| shard.is_over()) {
                let (over, on) = core::mem::take(&mut self.shards)
                    .into_iter()
                    .partition::<Vec<_>, _>(|shard| shard.is_over());
                self.shards = on;
                over.into_iter().for_each(|shard| self.end(shard));
                self.regroup();
            } else {
                self.share_out(now, idle);
            }
        }
        Ok(())
    }

    /// Lets the only shard have its turn. Returns when it began, and how long was waited for it.
    fn turn_of_one(&mut self) -> io::Result<(Instant, Duration)> {
        self.serving = 0;
        let (timeout, since) = self.prepare();
        let shard = &mut self.shards[0];
        shard.wait(timeout)?;
        let now = self.bus.clock.now();
        shard.turn(now);
        Ok((now, since.map_or(Duration::ZERO, |since| now.since(since))))
    }

    /// Lets those shards have their turn that have something to do.
    fn turn_of_several(&mut self) -> io::Result<(Instant, Duration)> {
        let (timeout, since) = self.prepare();
        if let Some(poll) = &mut self.poll {
            self.serving = 0;
            poll.wait(timeout)?;
            poll.ready().for_each(|ready| self.shards[ready.key].reported = true);
        }
        let now = self.bus.clock.now();
        for pass in 0..PASSES {
            for (number, shard) in self.shards.iter_mut().enumerate() {
                self.serving = number;
                let mut turn = shard.look(false);
                if pass == 0 {
                    turn |= shard.is_busy() || shard.until().is_some_and(|until| until <= now);
                    if shard.reported {
                        shard.wait(Some(Duration::ZERO))?;
                        turn = true;
                    }
                }
                if turn {
                    shard.turn(now);
                }
            }
        }
        Ok((now, since.map_or(Duration::ZERO, |since| now.since(since))))
    }

    /// Gathers, if that pays, and has all inboxes wake the thread if it is about to sleep. Returns
    /// for how long (none: until something comes), and since when it does nothing.
    fn prepare(&mut self) -> (Option<Duration>, Option<Instant>) {
        let mut since = None;
        let mut busy = self.shards.iter().any(|shard| shard.is_busy());
        if !busy && let Some(pause) = self.gather.pause() {
            since = Some(self.bus.clock.now());
            thread::sleep(pause);
        }
        for shard in &mut self.shards {
            busy |= shard.look(!busy);
        }
        if busy {
            return (Some(Duration::ZERO), since);
        }
        let now = self.bus.clock.now();
        let patience = self.shards.iter().filter_map(|shard| shard.patience(now)).min();
        // Who has his share of the shards has to see when there is little to do for all.
        let patience = match self.is_apart() {
            true => Some(patience.map_or(LONG, |patience| patience.min(LONG))),
            false => patience,
        };
        (patience, since.or(Some(now)))
    }

    /// Whether others have shards too, which may come here or which it may join.
    fn is_apart(&self) -> bool {
        Poll::NESTS && self.shards.len() < self.crew.places.len()
    }

    /// Gives shards away or takes them, as there is much to do or little.
    fn share_out(&mut self, now: Instant, idle: Duration) {
        let offered = core::mem::take(&mut self.shards[0].offered);
        if !offered.is_empty() {
            for which in offered {
                if let Some(shard) = self.crew.seat(which).take() {
                    self.adopt(shard);
                }
            }
            return self.regroup();
        }
        let several = self.poll.is_some();
        let Some(share) = self.load.waited(now, idle, several) else { return };
        self.tell(share);
        if self.bus.is_stopping() {
            return;
        }
        if several && self.load.is_much(share) {
            self.part();
        } else if self.number != 0 && self.is_apart() && self.load.is_little(now, self.crew.sum()) {
            self.offer();
        }
    }

    fn tell(&self, share: u32) {
        let place = &self.crew.places[usize::from(self.number)];
        place.share.store(share as usize, Ordering::Relaxed);
    }

    fn adopt(&mut self, mut shard: ShardLoop) {
        self.bus.inbox(shard.which).own();
        shard.reported = true;
        self.shards.push(shard);
    }

    /// Each shard but one goes to the thread that waits for it.
    fn part(&mut self) {
        for shard in self.shards.drain(1..) {
            self.bus.inbox(shard.which).disown();
            let which = shard.which;
            self.crew.seat(which).put(shard);
        }
        self.regroup();
    }

    /// Offers the only shard to the first thread.
    fn offer(&mut self) {
        let Some(shard) = self.shards.pop() else { return };
        let (which, seat) = (shard.which, self.crew.seat(shard.which));
        self.bus.inbox(which).disown();
        seat.put(shard);
        let told = self.bus.inbox(ShardId(0)).push_quietly(Note::Offered(which));
        let back = seat.take_back(if told.is_ok() { OFFER } else { Duration::ZERO });
        match back {
            Some(shard) => self.adopt(shard),
            None => self.tell(0),
        }
        self.regroup();
    }

    /// The thread serves other shards than before.
    fn regroup(&mut self) {
        let now = self.bus.clock.now();
        self.poll = None;
        if self.shards.len() > 1 {
            match self.watch() {
                Ok(poll) => self.poll = Some(poll),
                Err(_) => return self.part(),
            }
        }
        self.gather = Gather::new(now, packets(&self.shards));
        self.load.restart(now);
    }

    /// A poll that waits for those of all shards.
    fn watch(&self) -> io::Result<Poll> {
        let poll = Poll::new(self.shards.len())?;
        for (number, shard) in self.shards.iter().enumerate() {
            shard.watched_by(&poll, number)?;
        }
        Ok(poll)
    }
}

/// The packets that these shards have received.
fn packets(shards: &[ShardLoop]) -> u64 {
    shards.iter().map(|shard| shard.shard.packets_received()).sum()
}
