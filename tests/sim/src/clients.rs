//! The clients' side of the world: participants and their ends of the connections.

use libmqtt_engine::broker::LinkInfo;

use crate::actor::Deed;
use crate::net::{Pipe, Way};
use crate::obs::{ActorId, ConnId, MS, Time, What};
use crate::world::{Conn, Event, Home, World};

/// Until a client that was refused is heard again. Some try again at once, and a broker that
/// cannot store refuses them for seconds.
const PATIENCE: Time = 20 * MS;

impl World<'_> {
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
                Deed::Acknowledged { key } => self.note(What::Acknowledged { actor, key }),
                Deed::Flushes { token } => self.note(What::Flushes { actor, token }),
                Deed::Received { key, qos } => match self.conn_of_received(actor) {
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

    /// The connection on which a message came that the program is handed now. A client that keeps
    /// its messages hands it over when that is stored, which may be later.
    fn conn_of_received(&self, actor: ActorId) -> Option<ConnId> {
        let last = || self.conns.iter().rposition(|conn| conn.actor == actor);
        let late = self.plan.actors[actor].keeps.and_then(|_| last());
        self.current[actor].or(late)
    }

    /// A client loses its power, and is there again.
    pub(crate) fn client_crash(&mut self, actor: ActorId) {
        if self.settled {
            return;
        }
        self.note(What::ClientPowerLost { actor });
        if let Some(conn) = self.current[actor].take() {
            self.break_off(conn);
            self.let_go(conn);
            if matches!(self.conns[conn].home, Home::Nowhere) {
                self.conns[conn].home = Home::Closed;
            }
        }
        self.actors[actor].crash(self.now);
        self.serve(actor);
        let wait = self.rng.micros(500_000, 12_000_000);
        self.at(wait, Event::ClientCrash(actor));
    }

    pub(crate) fn dial(&mut self, actor: ActorId) {
        if let Some(old) = self.current[actor] {
            // It had been closed with something left to write.
            self.conns[old].up.ended = true;
            self.read_later(old, Way::Up, 0);
            self.let_go(old);
        }
        let refused = self.conns.iter().rfind(|it| it.actor == actor).is_some_and(|it| it.refused);
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
            refused: false,
            paused: false,
            client_open: true,
            closing: false,
            told_late: false,
        });
        self.current[actor] = Some(conn);
        self.note(What::Dialled { conn, actor });
        let mut wait = self.rng.micros(10, self.plan.wire_delay_us);
        if refused {
            wait += PATIENCE;
        }
        self.at(wait, Event::Opened(conn));
    }

    pub(crate) fn open(&mut self, conn: ConnId) {
        if !self.conns[conn].client_open {
            return; // given up before it was there
        }
        if self.hosts.is_empty() {
            self.at(50 * MS, Event::Told(conn, Way::Down)); // nobody listens
            return;
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

    pub(crate) fn arrive_down(&mut self, conn: ConnId) {
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

    pub(crate) fn write_up(&mut self, conn: ConnId) {
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
    pub(crate) fn abandon(&mut self, conn: ConnId) {
        self.break_off(conn);
        self.client_lost(conn);
    }

    /// The client's end is gone: the broker hears of it later or never, and perhaps not what is on
    /// its way.
    fn break_off(&mut self, conn: ConnId) {
        if self.rng.chance(70) {
            let wait = self.rng.micros(0, 3_000_000);
            self.at(wait, Event::Told(conn, Way::Up));
        }
        if self.rng.chance(50) {
            self.conns[conn].up.break_off();
        }
    }

    /// The client's end is closed, and the client knows.
    pub(crate) fn client_lost(&mut self, conn: ConnId) {
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

    pub(crate) fn let_go(&mut self, conn: ConnId) {
        if std::mem::replace(&mut self.conns[conn].client_open, false) {
            self.note(What::ClientGone { conn });
            let settled = self.settled;
            if settled {
                self.at(MS, Event::Told(conn, Way::Up));
            }
        }
    }
}
