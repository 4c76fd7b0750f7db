//! Connections and sessions as the broker must see them.

use std::collections::{BTreeMap, VecDeque};

use libmqtt_codec::{
    Connect, Disconnect, Packet, PacketId, Properties, QoS, Reason, Side, Version,
};

use super::deliver::Obligation;
use super::flow::Flows;
use super::subscribe::{Expected, Sub};
use super::will::Will;
use super::wire::Wire;
use super::{Checker, Event, decode};
use crate::obs::{ActorId, ConnId, SEC, Time};

/// A Network Connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) actor: ActorId,
    pub(crate) client: Wire,
    pub(crate) broker: Wire,
    /// What the broker was handed before it answered.
    pub(crate) held: Vec<Vec<u8>>,
    pub(crate) answered: bool,
    /// The broker has let it go.
    pub(crate) gone: bool,
    /// Why the broker may close it.
    pub(crate) may_close: Option<Reason>,
    /// The Reason Code of the broker's DISCONNECT.
    pub(crate) farewell: Option<Reason>,
    pub(crate) client_gone: bool,
    pub(crate) session: Option<usize>,
    pub(crate) answered_at: Time,
    /// When it was handed a whole packet, and when any bytes: it may count either as a sign of
    /// life.
    pub(crate) last_heard: Time,
    pub(crate) last_byte: Time,
    pub(crate) keep_alive: Time,
    pub(crate) will: Option<Will>,
    /// Messages that the client heard and its program has not received yet: key, QoS and, at QoS
    /// 2, identifier.
    pub(crate) to_receive: VecDeque<(u64, QoS, Option<PacketId>)>,
}

/// A Session of the broker, from its CONNECT until it ends.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client_id: String,
    pub(crate) online: Option<ConnId>,
    pub(crate) ended: bool,
    pub(crate) version: Version,
    pub(crate) subs: BTreeMap<String, Sub>,
    /// Every shared subscription that it ever had.
    pub(crate) shared: Vec<(String, Sub)>,
    /// Seconds that it outlives its connection; `u32::MAX` for ever.
    pub(crate) expiry: u32,
    /// When it ends, unless its client returns.
    pub(crate) deadline: Option<Time>,
    /// When it was connected last; now while it is.
    pub(crate) left: Time,
    pub(crate) will: Option<(Time, Will)>,
    /// QoS 2 identifiers between PUBLISH and PUBREL: key, instance, and whether accepted.
    pub(crate) taking: BTreeMap<PacketId, (u64, usize)>,
    /// QoS 1 instances whose PUBACK has not left: in order.
    pub(crate) acking: VecDeque<(PacketId, usize)>,
    pub(crate) flows: Flows,
    pub(crate) owed: Vec<Obligation>,
    pub(crate) owed_by_key: BTreeMap<u64, Vec<usize>>,
    pub(crate) expected: BTreeMap<PacketId, Expected>,
    /// Last instance sent, per publisher, topic, QoS and group.
    pub(crate) order: BTreeMap<(String, String, u8, Option<String>), usize>,
    /// Copies sent first, flows that the client has acknowledged to the end, and what its program
    /// was handed: per key and QoS.
    pub(crate) started: BTreeMap<(u64, u8), usize>,
    pub(crate) finished: BTreeMap<(u64, u8), usize>,
    pub(crate) received: BTreeMap<(u64, u8), usize>,
    /// What the client has taken for repeats of messages of an earlier Session, per key and QoS.
    pub(crate) mistaken: BTreeMap<(u64, u8), usize>,
    pub(crate) connections: usize,
}

impl Checker<'_> {
    pub(super) fn dialled(&mut self, conn: ConnId, actor: ActorId) {
        let link = Link {
            actor,
            client: Wire::new(Side::Client, u32::MAX),
            broker: Wire::new(Side::Server, u32::from(self.plan.config.inflight_max)),
            held: Vec::new(),
            answered: false,
            gone: false,
            may_close: None,
            farewell: None,
            client_gone: false,
            session: None,
            answered_at: 0,
            last_heard: self.now,
            last_byte: self.now,
            keep_alive: 0,
            will: None,
            to_receive: VecDeque::new(),
        };
        self.links.insert(conn, link);
        self.open.insert(conn);
    }

    /// The broker has answered CONNECT: now it has done what it asks.
    pub(super) fn answered(&mut self, conn: ConnId, bytes: &[u8]) {
        let link = self.links.get_mut(&conn).expect("dialled before");
        link.answered = true;
        link.answered_at = self.now;
        let held = std::mem::take(&mut link.held);
        let Some((first, rest)) = held.split_first() else {
            return self.violation(format!("wire: conn {conn}: an answer before CONNECT"));
        };
        let Ok(Packet::Connect(connect)) = decode(first, Version::V5, Side::Client) else {
            return self.violation(format!("wire: conn {conn}: first packet is no CONNECT"));
        };
        link.broker.received(&Packet::Connect(connect));
        let Ok(Packet::ConnAck(connack)) = decode(bytes, connect.version, Side::Server) else {
            return self.violation(format!("wire: conn {conn}: first answer is no CONNACK"));
        };
        if connack.reason.is_error() {
            link.may_close = Some(connack.reason);
            if !self.plan.refusals_expected(connack.reason) {
                let reason = connack.reason;
                self.violation(format!("connect: conn {conn} refused: {reason}"));
            }
            return;
        }
        self.connected_as(conn, &connect, connack.session_present, connack.properties);
        for packet in rest {
            self.broker_hears(conn, packet);
        }
    }

    fn connected_as(
        &mut self,
        conn: ConnId,
        connect: &Connect<'_>,
        present: bool,
        answer: Properties<'_>,
    ) {
        let client_id = answer.assigned_client_identifier().unwrap_or(connect.client_id);
        let session = self.find_session(conn, client_id, connect, present);
        let s = &mut self.sessions[session];
        s.online = Some(conn);
        s.deadline = None;
        s.will = None;
        s.version = connect.version;
        s.connections += 1;
        s.acking.clear();
        s.expected.clear();
        s.expiry = match connect.version {
            Version::V5 => answer
                .session_expiry_interval()
                .or(connect.properties.session_expiry_interval())
                .unwrap_or(0)
                .min(self.plan.config.session_expiry_max_s),
            _ if connect.clean_start => 0,
            _ => self.plan.config.session_expiry_v3_s.min(self.plan.config.session_expiry_max_s),
        };
        let keep_alive = answer.server_keep_alive().unwrap_or(connect.keep_alive_s);
        let link = self.links.get_mut(&conn).expect("dialled before");
        link.session = Some(session);
        link.last_heard = self.now;
        link.last_byte = self.now;
        link.keep_alive = Time::from(keep_alive) * SEC;
        link.will = connect.will.map(|will| Will::of(&will));
        if link.will.is_some() {
            self.count("wills");
        }
        self.note(conn, Event::Connected);
    }

    /// Ends or resumes what there is for this client, and answers with the session to use.
    fn find_session(
        &mut self,
        conn: ConnId,
        client_id: &str,
        connect: &Connect<'_>,
        present: bool,
    ) -> usize {
        let old = self.living.get(client_id).copied();
        let mut must_be_present = Some(false);
        if let Some(old) = old {
            let lasting = self.sessions[old].expiry > 0;
            if let Some(old_conn) = self.sessions[old].online {
                self.count("takeovers");
                let clean = connect.clean_start;
                self.taken_over(old_conn, clean, present);
                must_be_present = (lasting || clean).then_some(!clean);
            } else {
                let in_doubt = self.sessions[old].deadline.is_some_and(|at| at <= self.now);
                must_be_present =
                    (!in_doubt || connect.clean_start).then_some(!connect.clean_start);
            }
        }
        if connect.version != Version::V31 && must_be_present.is_some_and(|must| must != present) {
            self.violation(format!(
                "session: conn {conn}, {client_id}: Session Present {present}, clean start {}",
                connect.clean_start
            ));
        }
        // 3.1 does not say; where it must be there it is.
        let resumed = match connect.version {
            Version::V31 => must_be_present.unwrap_or(false),
            _ => present,
        };
        match old {
            Some(old) if resumed => {
                self.count("sessions resumed");
                self.resume_will(old);
                old
            }
            old => {
                if let Some(old) = old {
                    self.end_session(old);
                }
                self.sessions.push(Session::new(client_id, connect.version));
                self.living.insert(client_id.into(), self.sessions.len() - 1);
                self.sessions.len() - 1
            }
        }
    }

    /// A new connection of the same client ends this one.
    fn taken_over(&mut self, conn: ConnId, clean: bool, resumed: bool) {
        let link = self.links.get_mut(&conn).expect("dialled before");
        link.may_close = Some(Reason::SessionTakenOver);
        link.gone = true;
        let session = link.session.expect("it is connected");
        if let Some(will) = link.will.as_mut().filter(|will| will.delay > 0 && !clean) {
            // A session that ends with its connection is not continued by the new one, but
            // §3.1.4 says in passing that its will is not sent either.
            will.doubtful = true;
            if resumed {
                link.will = None; // v5 [MQTT-3.1.3-9]
                self.count("wills cancelled");
            }
        }
        let expiry = self.sessions[session].expiry;
        self.sessions[session].expiry = expiry.max(1); // whether it ends now is for CONNACK to say
        self.disconnected(conn);
        self.sessions[session].expiry = expiry;
    }

    pub(super) fn take_disconnect(&mut self, conn: ConnId, disconnect: &Disconnect<'_>) {
        let link = self.links.get_mut(&conn).expect("dialled before");
        link.may_close = Some(disconnect.reason);
        link.gone = true;
        if disconnect.reason == Reason::Success {
            link.will = None; // v5 [MQTT-3.14.4-3] v311 [MQTT-3.14.4-3]
        }
        let session = link.session.expect("it is connected");
        if let Some(expiry) = disconnect.properties.session_expiry_interval() {
            self.sessions[session].expiry = expiry.min(self.plan.config.session_expiry_max_s);
        }
        self.count("goodbyes");
        self.disconnected(conn);
    }

    pub(super) fn broker_told(&mut self, conn: ConnId) {
        let link = self.links.get_mut(&conn).expect("dialled before");
        if !link.gone {
            link.gone = true;
            if link.session.is_some() {
                self.count("cuts");
                self.disconnected(conn);
            }
        }
    }

    pub(super) fn send_disconnect(&mut self, conn: ConnId, disconnect: &Disconnect<'_>) {
        let link = self.links.get_mut(&conn).expect("dialled before");
        link.farewell = Some(disconnect.reason);
    }

    /// What the broker must have told a client before it closes the link.
    fn check_farewell(&mut self, conn: ConnId, reason: Reason, flushed: bool) {
        let link = &self.links[&conn];
        let farewell = link.farewell;
        let taken_over = link.may_close == Some(Reason::SessionTakenOver);
        let says = link.session.is_some_and(|s| self.sessions[s].version == Version::V5);
        if farewell.is_some_and(|farewell| farewell != reason) {
            self.violation(format!("farewell: conn {conn} closed: {reason}, told {farewell:?}"));
        } else if taken_over && says && flushed {
            self.count("clients told of a takeover");
            if farewell.is_none() {
                // v5 [MQTT-3.1.4-3]
                self.violation(format!("farewell: conn {conn} was not told of the takeover"));
            }
        }
    }

    pub(super) fn broker_closed(&mut self, conn: ConnId, reason: Reason, flushed: bool) {
        self.check_farewell(conn, reason, flushed);
        let link = self.links.get_mut(&conn).expect("dialled before");
        let allowed = match link.may_close {
            Some(_) => true,
            None if !link.answered && link.held.is_empty() => {
                self.now >= link.last_heard + self.plan.connect_timeout()
            }
            None => {
                reason == Reason::KeepAliveTimeout
                    && link.keep_alive > 0
                    && self.now >= link.last_heard + link.keep_alive * 3 / 2
            }
        };
        let was_gone = std::mem::replace(&mut link.gone, true);
        let connected = link.session.is_some();
        if !allowed {
            self.violation(format!("close: conn {conn} closed by the broker: {reason}"));
        }
        if reason == Reason::KeepAliveTimeout {
            self.count("keep-alive timeouts");
        }
        if !was_gone && connected {
            self.disconnected(conn);
        }
    }

    /// The session has lost its connection.
    fn disconnected(&mut self, conn: ConnId) {
        self.note(conn, Event::Left);
        let link = self.links.get_mut(&conn).expect("dialled before");
        let will = link.will.take();
        let session = link.session.expect("only connected links");
        let now = self.now;
        let s = &mut self.sessions[session];
        s.online = None;
        s.left = now;
        for owed in &mut s.owed {
            if owed.qos == QoS::AtMostOnce {
                owed.must = false;
            }
        }
        for group in self.groups.iter_mut().filter(|group| group.qos_min == 0) {
            group.must &= !group.members.contains(&session);
        }
        let expiry = s.expiry;
        s.deadline = (expiry != u32::MAX).then(|| now + Time::from(expiry) * SEC);
        if let Some(will) = will {
            self.will_due(session, will);
        }
        if expiry == 0 {
            self.end_session(session);
        }
    }

    /// The session is over, and with it all that it was owed.
    pub(super) fn end_session(&mut self, session: usize) {
        let passed_on = self.passed_on(session);
        let s = &mut self.sessions[session];
        s.ended = true;
        s.deadline = None;
        s.subs.clear();
        for owed in &mut s.owed {
            owed.must = false;
        }
        let will = s.will.take();
        let client_id = s.client_id.clone();
        if self.living.get(&client_id) == Some(&session) {
            self.living.remove(&client_id);
        }
        for group in &mut self.groups {
            group.member_left(session);
        }
        for (group, heirs) in passed_on {
            self.count("shared messages that must be passed on");
            let group = &mut self.groups[group];
            group.must = true;
            group.members.extend(heirs);
        }
        if let Some((_, will)) = will {
            self.fire(session, &will, self.now); // v5 [MQTT-3.1.2-8]
        }
        self.count("sessions ended");
    }

    /// Time has passed: what is due happens.
    pub(super) fn advance(&mut self) {
        let (now, slack) = (self.now, self.plan.slack);
        if std::mem::replace(&mut self.advanced_to, now) == now {
            return;
        }
        let due = |session: &&usize| {
            let s = &self.sessions[**session];
            s.deadline.is_some_and(|at| at <= now) || s.will.as_ref().is_some_and(|w| w.0 <= now)
        };
        for session in self.living.values().filter(due).copied().collect::<Vec<_>>() {
            let s = &mut self.sessions[session];
            if s.will.as_ref().is_some_and(|(at, _)| *at <= now) {
                let (at, will) = s.will.take().expect("just seen");
                self.fire(session, &will, at);
            }
            let s = &mut self.sessions[session];
            if s.deadline.is_some_and(|at| at <= now) {
                // Perhaps over, perhaps not yet: nothing is owed for certain any more.
                s.owed.iter_mut().for_each(|owed| owed.must = false);
                let over = s.deadline.is_some_and(|at| at + slack < now);
                for group in &mut self.groups {
                    group.member_left(session);
                }
                if over {
                    self.count("sessions expired");
                    self.end_session(session);
                }
            }
        }
        self.open_wills.retain(|(_, until)| *until >= now);
        let links = &self.links;
        self.open.retain(|conn| !links[conn].gone);
        let late = self.open.iter().find(|conn| {
            let link = &links[conn];
            let limit = link.keep_alive * 3 / 2;
            link.keep_alive > 0 && now > link.last_byte + limit + slack
        });
        if let Some(&conn) = late {
            self.links.get_mut(&conn).expect("just seen").keep_alive = 0;
            self.violation(format!("keep-alive: conn {conn} is silent and stays open"));
        }
    }

    pub(super) fn client_gone(&mut self, conn: ConnId) {
        self.links.get_mut(&conn).expect("dialled before").client_gone = true;
    }

    pub(super) fn end_links(&mut self) {
        let mut found = Vec::new();
        for (conn, link) in self.links.iter().filter(|(_, link)| !link.gone && !link.client_gone) {
            for (end, wire) in [("client", &link.client), ("broker", &link.broker)] {
                if let Some(debts) = wire.debts() {
                    found.push(format!("wire: conn {conn}: the {end} still owes {debts}"));
                }
            }
        }
        for client_id in self.plan.client_ids() {
            if !self.connected().contains(client_id) {
                found.push(format!("liveness: {client_id} is not connected at the end"));
            }
        }
        found.into_iter().for_each(|what| self.violation(what));
    }
}

impl Session {
    fn new(client_id: &str, version: Version) -> Session {
        Session {
            client_id: client_id.into(),
            online: None,
            ended: false,
            version,
            subs: BTreeMap::new(),
            shared: Vec::new(),
            expiry: 0,
            deadline: None,
            left: 0,
            will: None,
            taking: BTreeMap::new(),
            acking: VecDeque::new(),
            flows: Flows::default(),
            owed: Vec::new(),
            owed_by_key: BTreeMap::new(),
            expected: BTreeMap::new(),
            order: BTreeMap::new(),
            started: BTreeMap::new(),
            finished: BTreeMap::new(),
            received: BTreeMap::new(),
            mistaken: BTreeMap::new(),
            connections: 0,
        }
    }
}
