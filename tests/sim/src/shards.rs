//! The broker's side of the world: shards, their links and what passes between them.

use libmqtt_codec::{Progress, frame};
use libmqtt_engine::broker::{BrokerOutput, Closed, LinkId, Moved, PeerBatch, ShardId};
use libmqtt_engine::{Ticket, Verdict};

use crate::net::Way;
use crate::obs::{ConnId, MS, Time, What};
use crate::world::{Event, Home, World};

impl World<'_> {
    /// Does what a shard wants, until it wants nothing.
    pub(crate) fn drain(&mut self, shard: usize) {
        let mut outputs = Vec::new();
        while let Some(output) = self.hosts[shard].shard.poll_output() {
            outputs.push(output);
        }
        self.look_for_answers(shard);
        let mut writable = Vec::new();
        for output in outputs {
            match output {
                BrokerOutput::Writable(link) => writable.extend(self.conn_of(shard, link)),
                BrokerOutput::Close(link, reason) => {
                    let Some(conn) = self.conn_of(shard, link) else { continue };
                    let flushed = self.flush_once(shard, link, conn);
                    self.hosts[shard].links.remove(&link);
                    self.conns[conn].home = Home::Closed;
                    self.conns[conn].down.ended = true;
                    self.note(What::BrokerClosed { conn, reason, flushed });
                    self.read_later(conn, Way::Down, 0);
                }
                BrokerOutput::Pause(link, paused) => {
                    let Some(conn) = self.conn_of(shard, link) else { continue };
                    self.conns[conn].paused = paused;
                    if !paused {
                        self.arrange(conn, Way::Up);
                    }
                }
                BrokerOutput::Move(link, to, moved) => self.move_out(shard, link, to, moved),
                BrokerOutput::Persist(batch) => self.submit(shard, batch),
                BrokerOutput::Fetch(rows) => self.fetch(shard, &rows),
                BrokerOutput::Peer(to, batch) => self.send_batch(shard, to, batch),
            }
        }
        for conn in writable {
            self.write_down(conn);
        }
        let tickets = std::mem::take(&mut *self.hosts[shard].tickets.lock().expect("one thread"));
        for ticket in tickets {
            let wait = self.rng.micros(10, 500_000);
            self.at(wait, Event::Verdict(shard, ticket));
        }
        self.note_timer(shard);
    }

    fn conn_of(&self, shard: usize, link: LinkId) -> Option<ConnId> {
        self.hosts[shard].links.get(&link).copied()
    }

    fn note_timer(&mut self, shard: usize) {
        let wanted = self.hosts[shard].shard.poll_timeout().map(|at| at.as_nanos());
        let known = self.hosts[shard].timer;
        if let Some(at) = wanted
            && known.is_none_or(|known| known > at)
            && !self.tamper.deaf()
        {
            self.hosts[shard].timer = Some(at);
            // Threads wake up a little late.
            let late = self.rng.micros(0, 4_000);
            self.at(at.saturating_sub(self.now) + late, Event::ShardTimer(shard));
        }
    }

    pub(crate) fn shard_timer(&mut self, shard: usize) {
        let Some(host) = self.hosts.get(shard) else { return };
        if host.timer.is_some_and(|at| at <= self.now) {
            self.hosts[shard].timer = None;
            let now = self.time();
            self.hosts[shard].shard.handle_timeout(now);
            self.drain(shard);
        }
    }

    /// Has a link been answered? Then its CONNACK is at the head of its output.
    fn look_for_answers(&mut self, shard: usize) {
        let waiting: Vec<(LinkId, ConnId)> = self.hosts[shard]
            .links
            .iter()
            .map(|(link, conn)| (*link, *conn))
            .filter(|(_, conn)| !self.conns[*conn].answered)
            .collect();
        for (link, conn) in waiting {
            let head = self.hosts[shard].shard.outgoing(link).pieces.concat();
            if let Ok(Progress::Packet(found)) = frame(&head, u32::MAX) {
                self.conns[conn].answered = true;
                let packet = head[..found.len].to_vec();
                self.conns[conn].refused = packet.get(3).is_some_and(|&reason| reason > 0);
                self.note(What::Answered { conn, packet });
            }
        }
    }

    pub(crate) fn arrive_up(&mut self, conn: ConnId) {
        let Home::At(shard, link) = self.conns[conn].home else { return };
        if self.conns[conn].paused {
            return;
        }
        let most = self.some_bytes();
        let now = self.now;
        let mut bytes = self.conns[conn].up.read(now, most);
        if !bytes.is_empty() {
            let packets = self.conns[conn].up.leaving.push(&bytes);
            self.note(What::Heard { conn });
            for packet in packets {
                self.tamper.lose_published(&packet, &mut bytes);
                self.note(What::ToBroker { conn, packet });
            }
            let now = self.time();
            self.hosts[shard].shard.handle_data(now, link, &bytes);
            self.drain(shard);
            self.write_later(conn, Way::Up, 0);
        }
        self.arrange(conn, Way::Up);
        let up = &self.conns[conn].up;
        if up.is_empty() && up.ended && !up.broken {
            self.tell_broker(conn);
        }
    }

    pub(crate) fn write_down(&mut self, conn: ConnId) {
        loop {
            let Home::At(shard, link) = self.conns[conn].home else { return };
            let bytes = self.hosts[shard].shard.outgoing(link).pieces.concat();
            if bytes.is_empty() {
                return;
            }
            let mut take = bytes.len().min(self.conns[conn].down.room());
            if take > 1 && self.rng.chance(15) {
                take = self.rng.range(1..take as u64) as usize;
            }
            if take > 0 {
                self.emit(conn, &bytes[..take]);
                let now = self.time();
                self.hosts[shard].shard.handle_sent(now, link, take);
                self.drain(shard);
            }
            if take < bytes.len() {
                let wait = self.rng.micros(10, 5_000);
                self.write_later(conn, Way::Down, wait);
                return;
            }
        }
    }

    /// Bytes leave the broker.
    fn emit(&mut self, conn: ConnId, bytes: &[u8]) {
        let mut packets = self.conns[conn].down.entering.push(bytes);
        if !self.tamper.idle() {
            // Broken on purpose: whole packets only, some of them changed.
            packets = self.tamper.packets(conn, packets);
            let bytes = packets.concat();
            if !bytes.is_empty() {
                self.put(conn, Way::Down, bytes);
            }
        } else {
            self.put(conn, Way::Down, bytes.to_vec());
        }
        for packet in packets {
            self.note(What::FromBroker { conn, packet });
        }
    }

    /// Writes what goes at once on a link that is about to close; whether that was all.
    fn flush_once(&mut self, shard: usize, link: LinkId, conn: ConnId) -> bool {
        loop {
            let bytes = self.hosts[shard].shard.outgoing(link).pieces.concat();
            let take = bytes.len().min(self.conns[conn].down.room());
            if take == 0 {
                return bytes.is_empty();
            }
            self.emit(conn, &bytes[..take]);
            let now = self.time();
            self.hosts[shard].shard.handle_sent(now, link, take);
        }
    }

    pub(crate) fn tell_broker(&mut self, conn: ConnId) {
        if self.tamper.deaf() {
            return;
        }
        match self.conns[conn].home {
            Home::At(shard, link) => {
                self.hosts[shard].links.remove(&link);
                self.conns[conn].home = Home::Closed;
                self.note(What::BrokerTold { conn });
                let cause = self.rng.pick(&[Closed::Peer, Closed::Failed]);
                let now = self.time();
                self.hosts[shard].shard.handle_closed(now, link, cause);
                self.drain(shard);
            }
            Home::Moving(_) => self.conns[conn].told_late = true,
            Home::Nowhere | Home::Closed => {}
        }
    }

    fn move_out(&mut self, shard: usize, link: LinkId, to: ShardId, moved: Moved) {
        let Some(conn) = self.hosts[shard].links.remove(&link) else {
            return self.complain("shard: an unknown link moves".into());
        };
        self.conns[conn].home = Home::Moving(Some(moved));
        let wait = self.rng.micros(1, self.plan.batch_delay_us);
        self.at(wait, Event::Move(conn, usize::from(to.0)));
    }

    pub(crate) fn move_in(&mut self, conn: ConnId, to: usize) {
        let Home::Moving(moved) = &mut self.conns[conn].home else { return };
        let Some(moved) = moved.take() else { return };
        let now = self.time();
        let link = self.hosts[to].shard.handle_moved(now, moved);
        self.conns[conn].home = Home::At(to, link);
        self.hosts[to].links.insert(link, conn);
        self.drain(to);
        self.read_later(conn, Way::Up, 0);
        if self.conns[conn].told_late {
            self.tell_broker(conn);
        }
    }

    fn send_batch(&mut self, from: usize, to: ShardId, batch: PeerBatch) {
        let to = usize::from(to.0);
        let wait: Time = self.rng.micros(1, self.plan.batch_delay_us).min(MS * 1000);
        let line = self.batches.entry((from, to)).or_default();
        self.tamper.batch(line, batch);
        self.at(wait, Event::Batch(from, to));
    }

    /// The oldest batch between two shards arrives, whichever was announced.
    pub(crate) fn batch(&mut self, from: usize, to: usize) {
        let Some(batch) = self.batches.get_mut(&(from, to)).and_then(|line| line.pop_front())
        else {
            return;
        };
        let now = self.time();
        self.hosts[to].shard.handle_peer(now, ShardId(from as u16), batch);
        self.drain(to);
    }

    pub(crate) fn verdict(&mut self, shard: usize, ticket: Ticket) {
        if shard >= self.hosts.len() {
            return; // it was asked before power was lost
        }
        let now = self.time();
        self.hosts[shard].shard.handle_verdict(now, ticket, Verdict::Allow);
        self.drain(shard);
    }
}
