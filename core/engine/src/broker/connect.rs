//! CONNECT: how clients come. MQTT 5.0 §3.1.

use core::sync::atomic::Ordering;
use core::time::Duration;

use bytes::Bytes;
use libmqtt_codec::{ConnAck, Connect, Frame, Packet, PacketType, Reason, Side, Version};

use super::auth::sayable;
use super::link::{Extras, Question, State, Waiting};
use super::session::Session;
use super::shard::{Next, Timer};
use super::{BrokerOutput, LinkId, LinkInfo, Moved, Shard, ShardId};
use crate::session::AliasOut;
use crate::store::RowId;
use crate::{Authenticate, ClientInfo, Instant, Step, Verdict};

/// How long a client with this Keep Alive may be silent. v5 [MQTT-3.1.2-22] v311 [MQTT-3.1.2-24]
pub(super) fn patience(keep_alive_s: u16) -> Duration {
    Duration::from_millis(u64::from(keep_alive_s) * 1500)
}

impl Shard {
    /// The first packet of a link. v5 [MQTT-3.1.0-1] v311 [MQTT-3.1.0-1]
    pub(super) fn handle_first(
        &mut self,
        now: Instant,
        link: LinkId,
        frame: &Frame<'_>,
        rest: &[u8],
    ) -> Next {
        if frame.packet_type() != Some(PacketType::Connect) {
            self.drop_link(link, Reason::ProtocolError);
            return Next::Stop;
        }
        let connect = match frame.decode(Version::V5, Side::Client) {
            Ok(Packet::Connect(connect)) => connect,
            Ok(_) => return self.refuse(now, link, Reason::ProtocolError, ""),
            Err(error) => return self.refuse_malformed(link, frame, error),
        };
        let home = match connect.client_id {
            "" => self.which,
            client_id => self.shared.home(client_id),
        };
        if home != self.which {
            self.move_link(link, ShardId(home), rest);
            return Next::Stop;
        }
        let Some(found) = self.tables.links.get_mut(link.index, link.generation) else {
            return Next::Stop;
        };
        found.version = connect.version;
        found.state = State::Authenticating;
        found.packet_max = connect.properties.maximum_packet_size().unwrap_or(u32::MAX);
        let LinkInfo { peer, identity } = *found.info.take().unwrap_or_default();
        if let Err((reason, text)) = self.check_connect(&connect) {
            return self.refuse_connect(link, reason, text);
        }
        if self.has_failed_too_often(now, peer) {
            self.tables.stats.logins_failed += 1;
            return self.refuse_connect(link, Reason::ConnectionRateExceeded, "");
        }
        let user_name = match &identity {
            Some(identity) if identity.names_user() => {
                let Some(proven) = identity.proven() else {
                    let reason = Reason::BadUserNameOrPassword;
                    return self.refuse_connect(link, reason, "certificate names no user");
                };
                Some(proven)
            }
            _ => connect.user_name,
        };
        let client = ClientInfo {
            client_id: match connect.client_id {
                "" => self.assign_client_id(),
                client_id => client_id.into(),
            },
            user_name: user_name.map(Into::into),
            version: connect.version,
            peer,
            identity,
        };
        if let Some(method) = connect.properties.authentication_method()
            && let Some(found) = self.tables.links.get_mut(link.index, link.generation)
        {
            found.extras =
                Some(Box::new(Extras { method: Some(method.into()), ..Extras::default() }));
        }
        let ticket = self.ticket(link);
        let verdict = self.hooks.authenticate(
            ticket,
            &Authenticate {
                client: &client,
                step: Step::Connect,
                password: connect.password,
                method: connect.properties.authentication_method(),
                data: connect.properties.authentication_data(),
            },
        );
        let waiting = Waiting::new(Question::Authenticate(Step::Connect), frame, Some(client));
        self.authenticated(now, link, waiting, ticket, verdict)
    }

    /// Hands a link to the shard that is its session's home, with all it has sent.
    fn move_link(&mut self, link: LinkId, to: ShardId, rest: &[u8]) {
        let Some(found) = self.tables.links.remove(link.index) else { return };
        self.tables.stats.packets_received -= 1;
        self.tables.stats.bytes_received -= rest.len() as u64;
        let info = *found.info.unwrap_or_default();
        let moved = Moved { info, guest: found.guest, bytes: rest.to_vec() };
        self.outputs.push_back(BrokerOutput::Move(link, to, moved));
    }

    /// What can be said of a CONNECT without asking anyone.
    fn check_connect(&self, connect: &Connect<'_>) -> Result<(), (Reason, &'static str)> {
        let config = &self.shared.config;
        if connect.client_id.is_empty() {
            // v311 [MQTT-3.1.3-8] v31: an id is required.
            let allowed = match connect.version {
                Version::V31 => false,
                Version::V311 => connect.clean_start,
                Version::V5 => true,
            };
            if !allowed || !config.assign_client_ids {
                return Err((Reason::ClientIdentifierNotValid, "client identifier is missing"));
            }
        }
        if let Some(will) = &connect.will {
            if will.qos > config.maximum_qos {
                return Err((Reason::QoSNotSupported, "")); // v5 [MQTT-3.2.2-12]
            }
            if will.retain && !config.retain_available {
                return Err((Reason::RetainNotSupported, "")); // v5 [MQTT-3.2.2-13]
            }
            if let Err((reason, _)) = self.check_topic(will.topic) {
                return Err((reason, "will topic is not allowed"));
            }
        }
        let keep_alive_max = config.keep_alive_max_s;
        if keep_alive_max > 0
            && connect.version != Version::V5
            && !(1..=keep_alive_max).contains(&connect.keep_alive_s)
        {
            return Err((Reason::ServerUnavailable, ""));
        }
        self.check_room(connect)
    }

    /// Whether there is room for one more client. Asked again when it is let in: hooks that take
    /// their time may have let in others.
    fn check_room(&self, connect: &Connect<'_>) -> Result<(), (Reason, &'static str)> {
        let config = &self.shared.config;
        if self.shared.totals.connections.load(Ordering::Relaxed) >= config.connections_max {
            return Err((Reason::ServerBusy, ""));
        }
        let new = connect.client_id.is_empty() || self.find_session(connect.client_id).is_none();
        if new && self.shared.totals.sessions.load(Ordering::Relaxed) >= config.sessions_max {
            return Err((Reason::QuotaExceeded, "too many sessions"));
        }
        Ok(())
    }

    /// A Client Identifier that nobody has and whose home is here.
    /// v5 [MQTT-3.1.3-6] [MQTT-3.2.2-16]
    fn assign_client_id(&mut self) -> Box<str> {
        loop {
            let prefix = &self.shared.config.assigned_id_prefix;
            let client_id = format!("{prefix}{:016x}", self.random.next_u64());
            if self.shared.home(&client_id) == self.which && self.find_session(&client_id).is_none()
            {
                return client_id.into();
            }
        }
    }

    /// Goes on with a CONNECT when its client is known to be who it says: may its will be
    /// published?
    pub(super) fn check_will(
        &mut self,
        now: Instant,
        link: LinkId,
        mut waiting: Waiting,
        data: Option<Bytes>,
    ) -> Next {
        let Some(connect) = waiting.connect() else { return Next::Stop };
        let Some(client) = &waiting.client else { return Next::Stop };
        let Some(will) = &connect.will else { return self.accept(now, link, &waiting, data) };
        let ticket = self.ticket(link);
        let verdict = self.hooks.authorise_publish(ticket, client, &super::will::publish(will));
        match verdict {
            Verdict::Allow | Verdict::AllowWith(_) => self.accept(now, link, &waiting, data),
            Verdict::Later => {
                waiting.what = Question::Will(data);
                self.wait(link, waiting, ticket)
            }
            Verdict::Deny(reason) => {
                let reason = sayable(reason, PacketType::ConnAck);
                self.refuse_connect(link, reason, "will is not allowed")
            }
            Verdict::Challenge(_) => self.refuse_connect(link, Reason::NotAuthorized, ""),
        }
    }

    /// Lets a client in.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        link: LinkId,
        waiting: &Waiting,
        data: Option<Bytes>,
    ) -> Next {
        let Some(connect) = waiting.connect() else { return Next::Stop };
        let Some(client) = waiting.client.as_deref() else { return Next::Stop };
        let expiry_asked = match connect.version {
            Version::V5 => connect.properties.session_expiry_interval().unwrap_or(0),
            _ if connect.clean_start => 0,
            _ => self.shared.config.session_expiry_v3_s,
        };
        let properties = self.connack_properties(&connect, client, expiry_asked, data.as_deref());
        let connack = ConnAck {
            session_present: false,
            reason: Reason::Success,
            properties: properties.view(),
        };
        let packet_max = self.tables.links.at(link.index).map_or(0, |found| found.packet_max);
        let len = Packet::ConnAck(connack).encoded_len(connect.version);
        if len.is_ok_and(|len| len > packet_max as usize) {
            self.drop_link(link, Reason::PacketTooLarge); // it cannot even be let in
            return Next::Stop;
        }
        if let Err((reason, text)) = self.check_room(&connect) {
            return self.refuse_connect(link, reason, text);
        }
        let expiry_s = expiry_asked.min(self.shared.config.session_expiry_max_s);
        let stores = expiry_s > 0 || connect.will.is_some();
        if self.is_failing() && (stores || self.has_stored_session(&client.client_id)) {
            return self.refuse_connect(link, Reason::ServerUnavailable, "");
        }
        let before = self.changes();
        let (index, present) = self.open_session(now, &connect, client);
        let ended = self.changes() != before;
        let will = connect.will.as_ref().map(|will| Box::new(super::will::keep(will)));
        let Some(session) = self.tables.sessions.at_mut(index) else { return Next::Stop };
        session.client = client.clone();
        session.link = Some(link.index);
        self.shared.totals.awaited.fetch_add(session.waiting_bytes(), Ordering::Relaxed);
        session.ends_at = None;
        session.expiry_s = expiry_s;
        session.will = will; // v5 [MQTT-3.1.2-7] v311 [MQTT-3.1.2-8]
        let window = connect.properties.receive_maximum().unwrap_or(u16::MAX);
        session.outbound.resume(window.min(self.shared.config.inflight_max)); // v5 [MQTT-3.3.4-9]
        let shares = session.shares;
        self.ask_rights(index);

        let Some(found) = self.tables.links.get_mut(link.index, link.generation) else {
            return Next::Stop;
        };
        found.state = State::Connected;
        found.session = index;
        found.last_received = now;
        found.expiry_was_zero = expiry_s == 0;
        found.request_problem_information =
            connect.properties.request_problem_information().unwrap_or(true);
        let keep_alive_max = self.shared.config.keep_alive_max_s;
        found.keep_alive_s = match connect.keep_alive_s {
            wanted if keep_alive_max > 0 && (wanted == 0 || wanted > keep_alive_max) => {
                keep_alive_max
            }
            wanted => wanted,
        };
        let aliases = connect.properties.topic_alias_maximum().unwrap_or(0);
        let aliases = aliases.min(self.shared.config.topic_alias_out_max);
        if aliases > 0 {
            // v5 [MQTT-3.1.2-26] [MQTT-3.1.2-27]
            found.extras.get_or_insert_default().aliases_out = Some(AliasOut::new(aliases));
        }
        if found.keep_alive_s > 0 {
            let due = now + patience(found.keep_alive_s);
            if due < found.armed {
                found.armed = due;
                self.timers.arm(due, Timer::Link(link));
            }
        }
        if self.tables.persist.is_some() {
            self.store_session(index);
            if stores || ended {
                self.cork(link);
            }
        }
        self.shared.totals.connections.fetch_add(1, Ordering::Relaxed);
        self.tables.stats.connections += 1;
        self.tables.stats.connections_total += 1;
        let connack = ConnAck {
            // v5 [MQTT-3.2.2-2] [MQTT-3.2.2-3] v311 [MQTT-3.2.2-1] [MQTT-3.2.2-2] [MQTT-3.2.2-3]
            session_present: present && connect.version != Version::V31,
            ..connack
        };
        self.tables.write_packet(link.index, &Packet::ConnAck(connack));
        self.hooks.connected(client);
        if shares > 0 {
            self.set_online(index, true);
        }
        self.tables.pump(now, index);
        Next::Go
    }

    /// Finds or makes the session of a CONNECT; whether there was state.
    fn open_session(
        &mut self,
        now: Instant,
        connect: &Connect<'_>,
        client: &ClientInfo,
    ) -> (u32, bool) {
        if let Some(index) = self.find_session(&client.client_id)
            && let Some(old) = self.tables.sessions.at(index).and_then(|session| session.link)
        {
            // v5 [MQTT-3.1.4-3] v311 [MQTT-3.1.4-2]
            let old = LinkId { index: old, generation: self.tables.links.generation(old) };
            self.refuse(now, old, Reason::SessionTakenOver, "");
        }
        if let Some(index) = self.find_session(&client.client_id) {
            if !connect.clean_start {
                // v5 [MQTT-3.1.2-5] [MQTT-3.1.3-9] v311 [MQTT-3.1.2-4]
                if let Some(session) = self.tables.sessions.at_mut(index) {
                    session.will = None;
                }
                return (index, true);
            }
            self.end_session(now, index); // v5 [MQTT-3.1.2-4] v311 [MQTT-3.1.2-6]
        }
        // v5 [MQTT-3.1.2-6] v311 [MQTT-3.1.2-5]
        let session = Session::new(client.clone(), self.shared.seed);
        (self.insert_session(session), false)
    }

    /// Takes in a session.
    pub(super) fn insert_session(&mut self, session: Session) -> u32 {
        let hash = self.hash(&session.client.client_id);
        let (index, _) = self.tables.sessions.insert(session);
        let (sessions, hasher) = (&self.tables.sessions, &self.hasher);
        self.by_client_id.insert_unique(hash, index, |&other| {
            let other = sessions.at(other).map_or("", |session| &*session.client.client_id);
            hash_text(hasher, other)
        });
        self.shared.totals.sessions.fetch_add(1, Ordering::Relaxed);
        index
    }

    /// Whether there is something of this client in the store.
    fn has_stored_session(&self, client_id: &str) -> bool {
        self.find_session(client_id)
            .and_then(|index| self.tables.sessions.at(index))
            .is_some_and(|session| session.sid != RowId(0))
    }

    /// A session by its Client Identifier. v5 [MQTT-3.1.3-2] v311 [MQTT-3.1.3-2]
    pub(super) fn find_session(&self, client_id: &str) -> Option<u32> {
        let hash = self.hash(client_id);
        let sessions = &self.tables.sessions;
        let same = |&index: &u32| {
            sessions.at(index).is_some_and(|session| *session.client.client_id == *client_id)
        };
        self.by_client_id.find(hash, same).copied()
    }

    pub(super) fn hash(&self, client_id: &str) -> u64 {
        hash_text(&self.hasher, client_id)
    }
}

fn hash_text(hasher: &foldhash::fast::FixedState, text: &str) -> u64 {
    use core::hash::BuildHasher;
    hasher.hash_one(text)
}
