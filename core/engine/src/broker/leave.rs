//! How clients go, and their sessions after them. MQTT 5.0 §3.14, §4.1.

use core::sync::atomic::Ordering;

use libmqtt_codec::{Disconnect, QoS, Reason};

use super::link::State;
use super::shard::{Next, Timer};
use super::{LinkId, Shard};
use crate::Instant;
use crate::store::RowId;
use crate::topic::SessionKey;

impl Shard {
    /// v5 [MQTT-3.14.4-3] v311 [MQTT-3.14.4-3]
    pub(super) fn handle_disconnect(
        &mut self,
        now: Instant,
        link: LinkId,
        disconnect: &Disconnect<'_>,
    ) -> Next {
        if let Some(expiry_s) = disconnect.properties.session_expiry_interval() {
            let Some(found) = self.tables.links.get(link.index, link.generation) else {
                return Next::Stop;
            };
            if found.expiry_was_zero && expiry_s > 0 {
                let text = "session expiry interval was 0";
                return self.refuse(now, link, Reason::ProtocolError, text);
            }
            if let Some(session) = self.tables.sessions.at_mut(found.session) {
                session.expiry_s = expiry_s.min(self.shared.config.session_expiry_max_s);
            }
        }
        let will = disconnect.reason != Reason::Success;
        self.leave(now, link, disconnect.reason, will);
        Next::Stop
    }

    /// Ends a link from our side.
    pub(super) fn leave(&mut self, now: Instant, link: LinkId, reason: Reason, will: bool) {
        self.detach(now, link, reason, will);
        self.drop_link(link, reason);
    }

    /// Takes a link from its session. `will` tells whether the session's will counts.
    pub(super) fn detach(&mut self, now: Instant, link: LinkId, reason: Reason, will: bool) {
        let Some(found) = self.tables.links.get_mut(link.index, link.generation) else { return };
        if found.state != State::Connected {
            return;
        }
        let index = core::mem::replace(&mut found.session, u32::MAX);
        found.state = State::Authenticating; // until the caller drops or removes it
        self.shared.totals.connections.fetch_sub(1, Ordering::Relaxed);
        self.tables.stats.connections -= 1;
        let Some(session) = self.tables.sessions.at_mut(index) else { return };
        session.link = None;
        session.ends_at = session.end_after(now);
        self.shared.totals.awaited.fetch_sub(session.waiting_bytes(), Ordering::Relaxed);
        if !will {
            session.will = None; // v5 [MQTT-3.1.2-10] v311 [MQTT-3.1.2-10]
        }
        let (expiry_s, shares) = (session.expiry_s, session.shares);
        self.hooks.disconnected(&session.client, reason);
        if expiry_s == 0 {
            self.end_session(now, index);
            return;
        }
        if shares > 0 {
            self.set_online(index, false);
        }
        self.begin_will(now, index);
        self.store_departure(index);
        self.arm_session(index);
    }

    /// Has `check_session` called when a session without link has something to do.
    pub(super) fn arm_session(&mut self, index: u32) {
        let generation = self.tables.sessions.generation(index);
        let Some(session) = self.tables.sessions.at_mut(index) else { return };
        let due = session.will.as_ref().and_then(|will| will.due);
        let Some(at) = session.ends_at.into_iter().chain(due).min() else { return };
        if session.armed.is_none_or(|armed| armed > at) {
            session.armed = Some(at);
            let key = SessionKey { shard: self.which, index, generation };
            self.timers.arm(at, Timer::Session(key));
        }
    }

    /// A session's will may be due, or its end.
    pub(super) fn check_session(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.tables.sessions.get_mut(key.index, key.generation) else { return };
        if session.armed.is_none_or(|armed| armed > now) {
            return; // a later look was arranged instead
        }
        session.armed = None;
        if session.link.is_some() {
            return;
        }
        if session.ends_at.is_some_and(|at| at <= now) {
            self.end_session(now, key.index); // v5 [MQTT-4.1.0-2]
            return;
        }
        if session.will.as_ref().is_some_and(|will| will.due.is_some_and(|due| due <= now)) {
            self.publish_will(now, key.index);
        }
        self.arm_session(key.index);
    }

    /// Ends a session: its will is due, its subscriptions and messages go.
    /// v5 [MQTT-3.1.2-23] [MQTT-4.1.0-2]
    pub(super) fn end_session(&mut self, now: Instant, index: u32) {
        self.publish_will(now, index); // v5 [MQTT-3.1.2-8]
        let Some(client_id) = self.tables.sessions.at(index).map(|s| s.client.client_id.clone())
        else {
            return;
        };
        let generation = self.tables.sessions.generation(index);
        let key = SessionKey { shard: self.which, index, generation };
        let hash = self.hash(&client_id);
        if let Ok(entry) = self.by_client_id.find_entry(hash, |&other| other == index) {
            entry.remove();
        }
        let Some(mut session) = self.tables.sessions.remove(index) else { return };
        self.shared.totals.sessions.fetch_sub(1, Ordering::Relaxed);
        if session.rights.is_some() {
            self.shared.set_rights(key, None);
        }
        if let Some(persist) = self.tables.persist.as_mut().filter(|_| session.sid != RowId(0)) {
            persist.end(&mut session);
        }
        if !session.filters.is_empty() {
            let mut subscriptions = self.shared.index_mut();
            for filter in &session.filters {
                if let Ok(filter) = libmqtt_codec::TopicFilter::new(filter) {
                    subscriptions.unsubscribe(filter, key);
                }
            }
            self.shared.index_changed();
        }
        // What was on its way to this member of a shared subscription goes to another, except
        // QoS 2 that it may have received. v5 [MQTT-4.8.2-5]
        self.shared.let_go(session.outbound_bytes, false);
        let flows = session.outbound.drain().into_iter().flatten();
        for queued in flows.filter(|queued| queued.terms.qos == QoS::AtLeastOnce) {
            self.reroute(now, &queued.stored, queued.terms.group);
        }
        self.tables.forget_spilled(&session);
        while let Some(queued) = session.pop() {
            self.tables.forget(queued.size(), false);
            self.reroute(now, &queued.stored, queued.terms.group);
        }
    }
}
