//! A whole run: virtual time, one thread, every choice from one seed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::{Arc, Mutex};

use libmqtt_engine::broker::{LinkId, Moved, PeerBatch, Shard, ShardId, Shared};
use libmqtt_engine::store::{MemoryDisk, MemoryStore};
use libmqtt_engine::{Authenticate, Hooks, Instant, Ticket, Verdict};

use crate::actor::Actor;
use crate::check::{self, Checker, Judge, Ledger, State};
use crate::net::{Pipe, Way};
use crate::obs::{ActorId, ConnId, Obs, SEC, Time, What};
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
    /// The disk has done what it was given.
    Synced,
    /// The disk is full, or has room again.
    Full(bool),
    /// Power is lost.
    Crash,
    /// Power is back.
    PowerUp,
    /// A participant loses its power, and has it again.
    ClientCrash(ActorId),
    /// Somebody comes when all is over.
    Late(ActorId),
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
    /// The answer was no.
    pub(crate) refused: bool,
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
    /// States of a session met, and what happened in them.
    pub states: BTreeMap<(State, check::Event), u64>,
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
    pub(crate) actors: Vec<Box<dyn Actor>>,
    pub(crate) actor_timers: Vec<Option<Time>>,
    /// The connection of each participant.
    pub(crate) current: Vec<Option<ConnId>>,
    steps_left: usize,
    pub(crate) settled: bool,
    pub(crate) tamper: Tamper,
    checker: Judge<'p>,
    pub(crate) disk: MemoryDisk,
    pub(crate) stores: Vec<MemoryStore>,
    pub(crate) sync_due: bool,
    crashes_left: usize,
    trace: Vec<Obs>,
}

/// The shards of a broker that has just been started.
pub(crate) fn hosts(plan: &Plan, shared: &Arc<Shared>, rng: &mut Rng, now: Time) -> Vec<Host> {
    let host = |which| {
        let tickets = Arc::new(Mutex::new(Vec::new()));
        let hooks: Box<dyn Hooks> = if plan.late_verdicts {
            Box::new(LateHooks { rng: rng.fork(), tickets: Arc::clone(&tickets) })
        } else {
            Box::new(libmqtt_engine::NoHooks)
        };
        let now = Instant::from_nanos(now);
        let shard = Shard::new(Arc::clone(shared), ShardId(which), hooks, rng.next(), now);
        Host { shard, timer: None, links: BTreeMap::new(), tickets }
    };
    (0..shared.shards()).map(host).collect()
}

/// How long everybody has to come back and catch up.
const SETTLING: Time = 120 * SEC;

impl<'p> World<'p> {
    /// The world of this plan, in which nothing has happened.
    pub fn new(plan: &'p Plan) -> World<'p> {
        let mut rng = Rng::new(plan.seed.wrapping_mul(31).wrapping_add(7));
        let shared = Shared::new(plan.config.clone(), plan.shards, rng.next());
        let hosts = hosts(plan, &shared, &mut rng, 0);
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
            script: match plan.crashes {
                None => Script::new(plan.seed),
                Some(_) => Script::lasting(plan.seed),
            },
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
            checker: match plan.crashes {
                None => Judge::Checker(Box::new(Checker::new(plan))),
                Some(_) => Judge::Ledger(Box::new(Ledger::new(plan))),
            },
            disk: MemoryDisk::new(),
            stores: Vec::new(),
            sync_due: false,
            crashes_left: plan.crashes.unwrap_or(0),
            trace: Vec::new(),
        }
    }

    /// Runs to the end.
    pub fn run(mut self) -> Run {
        if self.plan.crashes.is_some() {
            self.power_up();
            self.at(3 * SEC, Event::Crash);
            if self.plan.full {
                self.at(4 * SEC, Event::Full(true));
            }
            for actor in 0..self.actors.len() {
                if self.plan.actors[actor].keeps.is_some() {
                    let wait = self.rng.micros(500_000, 8_000_000);
                    self.at(wait, Event::ClientCrash(actor));
                }
            }
        }
        for shard in 0..self.hosts.len() {
            self.drain(shard);
        }
        for actor in 0..self.actors.len() {
            if self.plan.comes_late(actor) {
                continue;
            }
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
            states: self.checker.states(),
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
            Event::Synced => self.synced(),
            Event::Full(full) => self.set_full(full),
            Event::Crash => self.crash(),
            Event::PowerUp => self.power_up(),
            Event::ClientCrash(actor) => self.client_crash(actor),
            Event::Late(actor) => self.perform(actor, &Act::Settle),
        }
    }

    fn step(&mut self) {
        self.steps_left -= 1;
        let actor = self.script.actor(self.actors.len());
        if self.plan.comes_late(actor) {
            return self.at(0, Event::Step);
        }
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
        if self.plan.actors[self.conns[conn].actor].steady && self.plan.crashes.is_none() {
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

    /// Whether power is to be lost once more; notes that it is.
    pub(crate) fn loses_power(&mut self) -> bool {
        let loses = self.crashes_left > 0 && !self.settled;
        self.crashes_left -= usize::from(loses);
        loses
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
            if self.plan.comes_late(actor) {
                self.at(SETTLING / 2, Event::Late(actor));
            } else {
                self.perform(actor, &Act::Settle);
            }
        }
    }
}
