//! A whole run: virtual time, one thread, every choice from one seed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::{Arc, Mutex};

use libmqtt_engine::broker::{LinkId, LinkInfo, Moved, PeerBatch, Shard, ShardId, Shared};
use libmqtt_engine::{Authenticate, Hooks, Instant, Ticket, Verdict};

use crate::actor::{Actor, Deed};
use crate::check::Checker;
use crate::net::{Pipe, Way};
use crate::obs::{ActorId, ConnId, MS, Obs, SEC, Time, What};
use crate::ours::Ours;
use crate::peer::Peer;
use crate::plan::{Act, Plan, Script};
use crate::rng::Rng;
use crate::tamper::Tamper;

/// What waits for its moment.
#[derive(Debug)]
pub(crate) enum Event {
    /// Somebody acts.
    Step,
    /// The network misbehaves.
    Chaos,
    /// A participant's timer.
    ActorTimer(ActorId),
    /// A shard's timer.
    ShardTimer(usize),
    /// A connection is established.
    Opened(ConnId),
    /// Bytes arrive.
    Arrive(ConnId, Way),
    /// A writer may try again.
    Write(ConnId, Way),
    /// The next batch between two shards arrives.
    Batch(usize, usize),
    /// A link arrives at its new shard.
    Move(ConnId, usize),
    /// An end learns that the connection has gone.
    Told(ConnId, Way),
    /// A hook answers.
    Verdict(usize, Ticket),
}

/// Where the broker's end of a connection is.
#[derive(Debug)]
pub(crate) enum Home {
    /// Nobody has accepted it yet.
    Nowhere,
    At(usize, LinkId),
    /// Between two shards.
    Moving(Option<Moved>),
    Closed,
}

/// A Network Connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) actor: ActorId,
    pub(crate) up: Pipe,
    pub(crate) down: Pipe,
    pub(crate) home: Home,
    pub(crate) answered: bool,
    pub(crate) paused: bool,
    /// The client still holds its end.
    pub(crate) client_open: bool,
    /// The client closes when its output has gone.
    pub(crate) closing: bool,
    /// The broker was told while it could not listen.
    pub(crate) told_late: bool,
}

impl Conn {
    pub(crate) fn pipe(&mut self, way: Way) -> &mut Pipe {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}

pub(crate) struct Host {
    pub(crate) shard: Shard,
    pub(crate) timer: Option<Time>,
    pub(crate) links: BTreeMap<LinkId, ConnId>,
    /// Tickets of questions answered with Later.
    pub(crate) tickets: Arc<Mutex<Vec<Ticket>>>,
}

/// Hooks that answer later, now and then.
struct LateHooks {
    rng: Rng,
    tickets: Arc<Mutex<Vec<Ticket>>>,
}

impl Hooks for LateHooks {
    fn authenticate(&mut self, ticket: Ticket, _: &Authenticate<'_>) -> Verdict {
        if self.rng.chance(50) {
            return Verdict::Allow;
        }
        self.tickets.lock().expect("one thread").push(ticket);
        Verdict::Later
    }
}

/// What a run has shown.
#[derive(Debug)]
pub struct Run {
    /// Everything observed.
    pub trace: Vec<Obs>,
    /// What was wrong.
    pub violations: Vec<crate::check::Violation>,
    /// Situations met.
    pub seen: BTreeMap<&'static str, u64>,
}

/// A run in progress.
pub struct World<'p> {
    pub(crate) plan: &'p Plan,
    pub(crate) now: Time,
    pub(crate) rng: Rng,
    script: Script,
    queue: BinaryHeap<Reverse<(Time, u64, usize)>>,
    events: Vec<Option<Event>>,
    free: Vec<usize>,
    ordinal: u64,
    pub(crate) shared: Arc<Shared>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) batches: BTreeMap<(usize, usize), VecDeque<PeerBatch>>,
    pub(crate) conns: Vec<Conn>,
    actors: Vec<Box<dyn Actor>>,
    actor_timers: Vec<Option<Time>>,
    /// The connection of each participant.
    current: Vec<Option<ConnId>>,
    steps_left: usize,
    pub(crate) settled: bool,
    pub(crate) tamper: Tamper,
    checker: Checker<'p>,
    trace: Vec<Obs>,
}

/// How long everybody has to come back and catch up.
const SETTLING: Time = 120 * SEC;

impl<'p> World<'p> {
    /// The world of this plan, in which nothing has happened.
    pub fn new(plan: &'p Plan) -> World<'p> {
        let mut rng = Rng::new(plan.seed.wrapping_mul(31).wrapping_add(7));
        let shared = Shared::new(plan.config.clone(), plan.shards, rng.next());
        let hosts = (0..plan.shards)
            .map(|which| {
                let tickets = Arc::new(Mutex::new(Vec::new()));
                let hooks: Box<dyn Hooks> = if plan.late_verdicts {
                    Box::new(LateHooks { rng: rng.fork(), tickets: Arc::clone(&tickets) })
                } else {
                    Box::new(libmqtt_engine::NoHooks)
                };
                let shared = Arc::clone(&shared);
                let now = Instant::from_nanos(0);
                let shard = Shard::new(shared, ShardId(which), hooks, rng.next(), now);
                Host { shard, timer: None, links: BTreeMap::new(), tickets }
            })
            .collect();
        let actors: Vec<Box<dyn Actor>> = plan
            .actors
            .iter()
            .map(|actor| -> Box<dyn Actor> {
                let seed = rng.next();
                match actor.engine {
                    true => Box::new(Ours::new(actor.clone(), seed)),
                    false => Box::new(Peer::new(actor.clone(), seed)),
                }
            })
            .collect();
        let count = actors.len();
        World {
            plan,
            now: 0,
            script: Script::new(plan.seed),
            queue: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            ordinal: 0,
            shared,
            hosts,
            batches: BTreeMap::new(),
            conns: Vec::new(),
            actors,
            actor_timers: vec![None; count],
            current: vec![None; count],
            steps_left: plan.steps,
            settled: false,
            tamper: Tamper::new(plan.fault, rng.next()),
            rng,
            checker: Checker::new(plan),
            trace: Vec::new(),
        }
    }

    /// Runs to the end.
    pub fn run(mut self) -> Run {
        for shard in 0..self.hosts.len() {
            self.drain(shard);
        }
        for actor in 0..self.actors.len() {
            let act = self.script.connect(&self.plan.actors[actor]);
            self.perform(actor, &act);
        }
        self.at(0, Event::Step);
        if self.plan.chaos {
            self.at(0, Event::Chaos);
        }
        let mut end = Time::MAX;
        let mut budget = 3_000_000u64;
        while let Some(Reverse((at, _, place))) = self.queue.pop() {
            if at > end {
                break;
            }
            self.now = self.now.max(at);
            let event = self.events[place].take().expect("scheduled once");
            self.free.push(place);
            self.happen(event);
            if self.steps_left == 0 && !self.settled {
                self.settle();
                end = self.now + SETTLING;
            }
            budget -= 1;
            if budget == 0 {
                self.complain("liveness: the run does not come to rest".into());
                break;
            }
        }
        let dropped = self.shared.stats().publish_dropped;
        self.note(What::End { dropped });
        Run {
            violations: self.checker.violations().to_vec(),
            seen: self.checker.seen().clone(),
            trace: self.trace,
        }
    }

    pub(crate) fn time(&self) -> Instant {
        Instant::from_nanos(self.now)
    }

    /// Records an observation.
    pub(crate) fn note(&mut self, what: What) {
        let obs = Obs { at: self.now, what };
        self.checker.observe(&obs);
        self.trace.push(obs);
    }

    pub(crate) fn complain(&mut self, what: String) {
        self.note(What::Complaint { what });
    }

    /// Makes something happen `wait` nanoseconds from now.
    pub(crate) fn at(&mut self, wait: Time, event: Event) {
        self.ordinal += 1;
        let place = match self.free.pop() {
            Some(place) => {
                self.events[place] = Some(event);
                place
            }
            None => {
                self.events.push(Some(event));
                self.events.len() - 1
            }
        };
        self.queue.push(Reverse((self.now + wait, self.ordinal, place)));
    }

    fn happen(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Step if self.settled => {}
            Event::Step => self.step(),
            Event::Chaos if self.settled => {}
            Event::Chaos => self.chaos(),
            Event::ActorTimer(actor) => {
                if self.actor_timers[actor].is_some_and(|at| at <= self.now) {
                    self.actor_timers[actor] = None;
                    self.actors[actor].timeout(self.now);
                    self.serve(actor);
                }
            }
            Event::ShardTimer(shard) => self.shard_timer(shard),
            Event::Opened(conn) => self.open(conn),
            Event::Arrive(conn, way) => {
                let pipe = self.conns[conn].pipe(way);
                if pipe.reads_at.take_if(|at| *at <= now).is_none() {
                    return; // it was done earlier, or is due later
                }
                match way {
                    Way::Up => self.arrive_up(conn),
                    Way::Down => self.arrive_down(conn),
                }
            }
            Event::Write(conn, way) => {
                let pipe = self.conns[conn].pipe(way);
                if pipe.writes_at.take_if(|at| *at <= now).is_none() {
                    return;
                }
                match way {
                    Way::Up => self.write_up(conn),
                    Way::Down => self.write_down(conn),
                }
            }
            Event::Batch(from, to) => self.batch(from, to),
            Event::Move(conn, to) => self.move_in(conn, to),
            Event::Told(conn, Way::Up) => self.tell_broker(conn),
            Event::Told(conn, Way::Down) => self.client_lost(conn),
            Event::Verdict(shard, ticket) => self.verdict(shard, ticket),
        }
    }

    fn step(&mut self) {
        self.steps_left -= 1;
        let actor = self.script.actor(self.actors.len());
        let act = self.script.next(&self.plan.actors[actor], self.actors[actor].connected());
        self.perform(actor, &act);
        // Bursts: what is asked in the same moment leaves in one write.
        let wait = if self.rng.chance(25) { 0 } else { self.script.pause() };
        self.at(wait, Event::Step);
    }

    fn perform(&mut self, actor: ActorId, act: &Act) {
        if let Act::Abandon = act {
            if let Some(conn) = self.current[actor] {
                self.abandon(conn);
            }
            return;
        }
        self.actors[actor].perform(self.now, act);
        self.serve(actor);
    }

    /// Cuts and clogs.
    fn chaos(&mut self) {
        let wait = self.rng.micros(50_000, 2_000_000);
        self.at(wait, Event::Chaos);
        let open: Vec<ConnId> = self.current.iter().flatten().copied().collect();
        if open.is_empty() {
            return;
        }
        let conn = self.rng.pick(&open);
        if self.plan.actors[self.conns[conn].actor].steady {
            return;
        }
        if self.rng.chance(40) {
            self.cut(conn);
        } else {
            let way = self.rng.pick(&[Way::Up, Way::Down]);
            let until = self.now + self.rng.micros(1_000, 3_000_000);
            self.conns[conn].pipe(way).clogged_until = until;
        }
    }

    /// The connection breaks. Each end learns of it some time, or by itself.
    fn cut(&mut self, conn: ConnId) {
        self.conns[conn].up.break_off();
        self.conns[conn].down.break_off();
        for way in [Way::Up, Way::Down] {
            if self.rng.chance(75) {
                let wait = self.rng.micros(0, 2_000_000);
                self.at(wait, Event::Told(conn, way));
            }
        }
    }

    /// Faults are over.
    fn settle(&mut self) {
        self.settled = true;
        for conn in 0..self.conns.len() {
            let c = &mut self.conns[conn];
            c.up.clogged_until = 0;
            c.down.clogged_until = 0;
            c.up.capacity = c.up.capacity.max(4096);
            c.down.capacity = c.down.capacity.max(4096);
            if c.up.broken || !c.client_open {
                let wait = self.rng.micros(0, 100_000);
                self.at(wait, Event::Told(conn, Way::Up));
                self.at(wait, Event::Told(conn, Way::Down));
            } else {
                self.read_later(conn, Way::Up, 0);
                self.read_later(conn, Way::Down, 0);
            }
        }
        for actor in 0..self.actors.len() {
            self.perform(actor, &Act::Settle);
        }
    }

    // The client's end.

    /// Does what a participant wants, writes what it has, notes its timer.
    pub(crate) fn serve(&mut self, actor: ActorId) {
        while let Some(deed) = self.actors[actor].poll() {
            match deed {
                Deed::Dial => self.dial(actor),
                Deed::Close => {
                    if let Some(conn) = self.current[actor] {
                        self.conns[conn].closing = true;
                    }
                }
                Deed::Published { token, key, qos } => {
                    self.note(What::Published { actor, token, key, qos });
                }
                Deed::Resolved { token, outcome } => {
                    self.note(What::Resolved { actor, token, outcome });
                }
                Deed::Received { key, qos } => match self.current[actor] {
                    Some(conn) => self.note(What::Received { conn, key, qos }),
                    None => self.complain(format!("program: {key:x} received while offline")),
                },
                Deed::Complaint(what) => self.complain(format!("actor {actor}: {what}")),
            }
        }
        if let Some(conn) = self.current[actor] {
            self.write_up(conn);
        }
        let wanted = self.actors[actor].poll_timeout();
        let known = self.actor_timers[actor];
        if let Some(at) = wanted
            && known.is_none_or(|known| known > at)
        {
            self.actor_timers[actor] = Some(at);
            self.at(at.saturating_sub(self.now), Event::ActorTimer(actor));
        } else if wanted.is_none() {
            self.actor_timers[actor] = None;
        }
    }

    fn dial(&mut self, actor: ActorId) {
        if let Some(old) = self.current[actor] {
            // It had been closed with something left to write.
            self.conns[old].up.ended = true;
            self.read_later(old, Way::Up, 0);
            self.let_go(old);
        }
        let conn = self.conns.len();
        let mut capacity = || {
            if self.settled { 65_536 } else { self.rng.pick(&[40, 500, 10_000, 65_536]) }
        };
        self.conns.push(Conn {
            actor,
            up: Pipe::new(capacity()),
            down: Pipe::new(capacity()),
            home: Home::Nowhere,
            answered: false,
            paused: false,
            client_open: true,
            closing: false,
            told_late: false,
        });
        self.current[actor] = Some(conn);
        self.note(What::Dialled { conn, actor });
        let wait = self.rng.micros(10, self.plan.wire_delay_us);
        self.at(wait, Event::Opened(conn));
    }

    fn open(&mut self, conn: ConnId) {
        if !self.conns[conn].client_open {
            return; // given up before it was there
        }
        let shard = self.rng.below(self.hosts.len());
        let now = self.time();
        let link = self.hosts[shard].shard.handle_accept(now, LinkInfo::default());
        self.conns[conn].home = Home::At(shard, link);
        self.hosts[shard].links.insert(link, conn);
        self.note(What::Accepted { conn });
        self.drain(shard);
        if self.conns[conn].up.broken {
            return; // it is told
        }
        let actor = self.conns[conn].actor;
        self.actors[actor].opened(self.now);
        self.serve(actor);
    }

    fn arrive_down(&mut self, conn: ConnId) {
        let most = self.some_bytes();
        let now = self.now;
        let c = &mut self.conns[conn];
        let bytes = c.down.read(now, most);
        if !bytes.is_empty() {
            if c.client_open && !c.closing {
                let packets = c.down.leaving.push(&bytes);
                let actor = c.actor;
                if self.actors[actor].listens() {
                    for packet in packets {
                        self.note(What::ToClient { conn, packet });
                    }
                }
                self.actors[actor].data(now, &bytes);
                self.serve(actor);
            }
            self.write_later(conn, Way::Down, 0);
        }
        self.arrange(conn, Way::Down);
        let c = &self.conns[conn];
        if c.down.is_empty() && c.down.ended && !c.down.broken {
            self.client_lost(conn);
        }
    }

    /// How many bytes a read brings.
    pub(crate) fn some_bytes(&mut self) -> usize {
        match self.rng.range(0..10) {
            0 => 1,
            1..3 => self.rng.range(1..20) as usize,
            3..5 => self.rng.range(1..600) as usize,
            _ => 65_536,
        }
    }

    /// Notes when the next bytes arrive.
    pub(crate) fn arrange(&mut self, conn: ConnId, way: Way) {
        let now = self.now;
        if let Some(at) = self.conns[conn].pipe(way).next() {
            self.read_later(conn, way, at.saturating_sub(now).max(1_000));
        }
    }

    /// The reader looks again.
    pub(crate) fn read_later(&mut self, conn: ConnId, way: Way, wait: Time) {
        let at = self.now + wait;
        let pipe = self.conns[conn].pipe(way);
        if pipe.reads_at.is_none_or(|known| known > at) {
            pipe.reads_at = Some(at);
            self.at(wait, Event::Arrive(conn, way));
        }
    }

    /// The writer tries again.
    pub(crate) fn write_later(&mut self, conn: ConnId, way: Way, wait: Time) {
        let at = self.now + wait;
        let pipe = self.conns[conn].pipe(way);
        if pipe.writes_at.is_none_or(|known| known > at) && !pipe.broken {
            pipe.writes_at = Some(at);
            self.at(wait, Event::Write(conn, way));
        }
    }

    fn write_up(&mut self, conn: ConnId) {
        let actor = self.conns[conn].actor;
        if self.current[actor] != Some(conn) {
            return;
        }
        let bytes = self.actors[actor].outgoing();
        let room = self.conns[conn].up.room();
        let mut take = bytes.len().min(room);
        if take > 1 && self.rng.chance(15) {
            take = self.rng.range(1..take as u64) as usize;
        }
        if take > 0 {
            let packets = self.conns[conn].up.entering.push(&bytes[..take]);
            self.actors[actor].sent(self.now, take);
            for packet in packets {
                self.note(What::FromClient { conn, packet });
            }
            self.put(conn, Way::Up, bytes[..take].to_vec());
            self.serve(actor); // sending may have made room for more
        }
        if take < bytes.len() {
            let wait = self.rng.micros(10, 5_000);
            self.write_later(conn, Way::Up, wait);
        } else if self.conns[conn].closing && self.conns[conn].client_open {
            self.conns[conn].up.ended = true;
            self.read_later(conn, Way::Up, 0);
            self.client_lost(conn);
        }
    }

    /// Puts bytes into a pipe.
    pub(crate) fn put(&mut self, conn: ConnId, way: Way, bytes: Vec<u8>) {
        let delay = self.rng.micros(10, self.plan.wire_delay_us);
        let at = self.now + delay;
        self.conns[conn].pipe(way).write(at, bytes);
        self.arrange(conn, way);
    }

    /// The client drops its end; the broker may never hear of it.
    fn abandon(&mut self, conn: ConnId) {
        if self.rng.chance(70) {
            let wait = self.rng.micros(0, 3_000_000);
            self.at(wait, Event::Told(conn, Way::Up));
        }
        if self.rng.chance(50) {
            self.conns[conn].up.break_off();
        }
        self.client_lost(conn);
    }

    /// The client's end is closed, and the client knows.
    fn client_lost(&mut self, conn: ConnId) {
        if !self.conns[conn].client_open {
            return;
        }
        self.let_go(conn);
        let actor = self.conns[conn].actor;
        if self.current[actor] == Some(conn) {
            self.current[actor] = None;
            self.actors[actor].closed(self.now);
            self.serve(actor);
        }
        if matches!(self.conns[conn].home, Home::Nowhere) {
            self.conns[conn].home = Home::Closed;
        }
    }

    fn let_go(&mut self, conn: ConnId) {
        if std::mem::replace(&mut self.conns[conn].client_open, false) {
            self.note(What::ClientGone { conn });
            let settled = self.settled;
            if settled {
                self.at(MS, Event::Told(conn, Way::Up));
            }
        }
    }
}
