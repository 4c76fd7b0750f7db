//! Who must get which message, and what left the broker.

use libmqtt_codec::{Ack, AckKind, Publish, QoS, Reason};
use libmqtt_oracles::naive;

use super::Checker;
use super::settle::lasts;
use crate::obs::{ConnId, SEC, Time, key_of};

/// A message as it reached the broker.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) publisher: usize,
    pub(crate) client_id: String,
    pub(crate) topic: String,
    pub(crate) key: u64,
    /// Bytes of its payload.
    pub(crate) len: usize,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) expiry: Option<u32>,
    pub(crate) will: bool,
    pub(crate) at: Time,
}

/// A message that the broker has taken, once per taking.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) origin: Origin,
    /// The obligations it made: session, place.
    pub(super) targets: Vec<(usize, usize)>,
}

/// One copy that a session may get.
#[derive(Debug)]
pub(crate) struct Obligation {
    pub(crate) instance: usize,
    pub(crate) qos: QoS,
    /// Subscription Identifiers, sorted; one that several subscriptions share stands repeatedly.
    pub(crate) ids: Vec<u32>,
    pub(crate) retain: bool,
    /// The subscriptions behind it, as they were. Without any left it may be forgotten.
    pub(crate) filters: Vec<String>,
    pub(crate) group: Option<usize>,
    /// From the retained store, because of a SUBSCRIBE.
    pub(crate) stored: bool,
    pub(crate) must: bool,
    pub(crate) since: Time,
    /// When its copy left.
    pub(crate) sent: Option<Time>,
    /// Details are not decided by the specification.
    pub(crate) loose: bool,
}

impl Checker<'_> {
    pub(super) fn take_publish(&mut self, conn: ConnId, publish: &Publish<'_>, topic: String) {
        let session = self.links[&conn].session.expect("it is connected");
        let Some(key) = key_of(publish.payload) else {
            return self.violation(format!("payload: damaged on conn {conn}"));
        };
        let id = publish.packet_id;
        if let (QoS::ExactlyOnce, Some(id)) = (publish.qos, id) {
            if let Some(&(old, _)) = self.sessions[session].taking.get(&id) {
                self.count("QoS 2 repeats");
                if old != key {
                    self.violation(format!("wire: conn {conn}: id {id} for {key:x} before PUBREL"));
                }
                return;
            }
            let takers = self.taken.entry(key).or_default();
            let again = key != 0 && takers.contains(&session);
            takers.push(session);
            if again {
                self.violation(format!("exactly-once: {key:x} published twice in one session"));
            }
        } else if id.is_some() {
            self.taken.entry(key).or_default().push(session);
        }
        let instance = self.take(Origin {
            publisher: session,
            client_id: self.sessions[session].client_id.clone(),
            topic,
            key,
            len: publish.payload.len(),
            qos: publish.qos,
            retain: publish.retain,
            expiry: publish.properties.message_expiry_interval(),
            will: false,
            at: self.now,
        });
        let s = &mut self.sessions[session];
        match (publish.qos, id) {
            (QoS::AtLeastOnce, Some(id)) => s.acking.push_back((id, instance)),
            (QoS::ExactlyOnce, Some(id)) => drop(s.taking.insert(id, (key, instance))),
            _ => {}
        }
    }

    /// The broker has taken a message: everyone who must get it is noted.
    pub(super) fn take(&mut self, origin: Origin) -> usize {
        let instance = self.instances.len();
        self.count("messages");
        if origin.retain {
            let until = if origin.will { origin.at + self.plan.slack } else { origin.at };
            self.keep(&origin.topic, (origin.len > 0).then_some(instance), origin.at, until);
        }
        self.instances.push(Instance { origin, targets: Vec::new() });
        for session in self.living.values().copied().collect::<Vec<_>>() {
            self.owe_ordinary(instance, session, true);
        }
        self.owe_groups(instance);
        instance
    }

    /// Notes the copy that a session gets for its ordinary subscriptions, all together.
    pub(super) fn owe_ordinary(&mut self, instance: usize, session: usize, must: bool) {
        let origin = &self.instances[instance].origin;
        let s = &self.sessions[session];
        let own = s.client_id == origin.client_id;
        let matched: Vec<_> = s
            .subs
            .iter()
            .filter(|(filter, sub)| {
                naive::split_share(filter).0.is_none()
                    && naive::matches(filter, &origin.topic)
                    && !(sub.options.no_local && own && !origin.will)
            })
            .collect();
        let Some(granted) = matched.iter().map(|(_, sub)| sub.options.qos).max() else {
            return;
        };
        let qos = granted.min(origin.qos);
        let mut ids: Vec<u32> = matched.iter().filter_map(|(_, sub)| sub.id).collect();
        ids.sort_unstable();
        // Where they disagree, the engine's one copy follows those that want the flag.
        let rap = matched.iter().any(|(_, sub)| sub.options.retain_as_published);
        let retain = rap && origin.retain;
        let in_doubt = s.deadline.is_some_and(|at| at <= self.now);
        let loose = origin.will && own && matched.iter().any(|(_, sub)| sub.options.no_local);
        let waits =
            s.online.is_some() || qos > QoS::AtMostOnce || self.plan.config.queue_qos0_offline;
        let owed = Obligation {
            instance,
            qos,
            ids,
            retain,
            filters: matched.iter().map(|(filter, _)| filter.to_string()).collect(),
            group: None,
            stored: false,
            must: must && waits && !in_doubt && !loose,
            since: origin.at,
            sent: None,
            loose,
        };
        self.owe(session, owed);
    }

    /// Notes a copy from the retained store.
    pub(super) fn owe_stored(&mut self, session: usize, instance: usize, filter: &str, must: bool) {
        let s = &self.sessions[session];
        let sub = &s.subs[filter];
        let owed = Obligation {
            instance,
            qos: sub.options.qos.min(self.instances[instance].origin.qos),
            ids: sub.id.into_iter().collect(),
            retain: true,
            filters: vec![filter.into()],
            group: None,
            stored: true,
            // A full queue refuses all of them and counts one.
            must: must && !self.plan.tight,
            since: self.now,
            sent: None,
            loose: false,
        };
        self.owe(session, owed);
    }

    /// Whether a message might be larger than a client takes.
    pub(super) fn too_large(&self, session: usize, origin: &Origin) -> bool {
        let client_id = &self.sessions[session].client_id;
        let actor = self.plan.actors.iter().find(|actor| actor.client_id == *client_id);
        let most = actor.and_then(|actor| actor.packet_max).unwrap_or(u32::MAX);
        origin.len + origin.topic.len() + 40 > most as usize
    }

    pub(super) fn owe(&mut self, session: usize, mut owed: Obligation) {
        let origin = &self.instances[owed.instance].origin;
        owed.must &= !self.too_large(session, origin);
        let key = origin.key;
        let s = &mut self.sessions[session];
        s.owed_by_key.entry(key).or_default().push(s.owed.len());
        self.instances[owed.instance].targets.push((session, s.owed.len()));
        s.owed.push(owed);
    }

    /// A PUBLISH has left for a client.
    pub(super) fn send_publish(&mut self, conn: ConnId, publish: &Publish<'_>, topic: String) {
        if topic.starts_with("$SYS/") {
            return;
        }
        let session = self.links[&conn].session.expect("wire: after CONNACK");
        let Some(key) = key_of(publish.payload) else {
            return self.violation(format!("payload: damaged towards conn {conn}"));
        };
        let s = &mut self.sessions[session];
        if let Some(id) = publish.packet_id {
            match s.flows.publish(conn, id.get(), key, publish.qos, publish.dup) {
                Err(why) => return self.violation(format!("flow: conn {conn}, broker: {why}")),
                Ok(false) => return self.count("messages sent again"),
                Ok(true) => {}
            }
        }
        *s.started.entry((key, publish.qos as u8)).or_default() += 1;
        let mut ids: Vec<u32> = publish.properties.subscription_identifiers().collect();
        ids.sort_unstable();
        self.owe_again(session, key);
        let places = self.sessions[session].owed_by_key.get(&key).cloned().unwrap_or_default();
        let fits = |owed: &Obligation| {
            owed.sent.is_none()
                && self.instances[owed.instance].origin.topic == topic
                && (owed.loose
                    || owed.qos == publish.qos && owed.ids == ids && owed.retain == publish.retain)
        };
        let s = &mut self.sessions[session];
        // Of several takings of one message, what must be sent comes first.
        let fitting = places.iter().copied().filter(|&place| fits(&s.owed[place]));
        let rank = |place: &usize| {
            let owed = &s.owed[*place];
            let group = owed.group.map(|group| &self.groups[group]);
            let origin = &self.instances[owed.instance].origin;
            let alive = origin.expiry.is_none_or(|s| self.now <= origin.at + Time::from(s) * SEC);
            let free = group.is_none_or(|group| group.taken.is_none());
            let must = owed.must || group.is_some_and(|group| group.must);
            (!free, !(alive && must))
        };
        match fitting.min_by_key(rank) {
            Some(place) => {
                s.owed[place].sent = Some(self.now);
                let unique = key != 0 && places.len() == 1;
                self.sent_as_owed(conn, session, place, publish, unique);
            }
            None => {
                let owed: Vec<_> = places.iter().map(|&place| &s.owed[place]).collect();
                let why = if owed.is_empty() {
                    "nothing in its subscriptions asks for it"
                } else if owed.iter().all(|owed| owed.sent.is_some()) {
                    "it was sent before"
                } else {
                    "not with these marks"
                };
                let what = format!(
                    "delivery: conn {conn}, {}: {key:x} to {topic} at {:?} retain {} ids {ids:?}: \
                     {why}; owed {owed:?}",
                    s.client_id, publish.qos, publish.retain
                );
                self.violation(what);
            }
        }
    }

    fn sent_as_owed(
        &mut self,
        conn: ConnId,
        session: usize,
        place: usize,
        publish: &Publish<'_>,
        unique: bool,
    ) {
        let s = &mut self.sessions[session];
        let owed = &s.owed[place];
        let instance = owed.instance;
        let origin = self.instances[instance].origin.clone();
        let mut found = Vec::new();
        let (group, stored) = (owed.group, owed.stored);
        // Order can be told where it is certain which taking of the message this is. What another
        // member has left behind comes late.
        let passed_on = group.is_some_and(|group| self.groups[group].open);
        if !stored && !origin.will && unique && !passed_on {
            let group = owed.group.and_then(|_| owed.filters.first().cloned());
            let line = (origin.client_id.clone(), origin.topic.clone(), publish.qos as u8, group);
            let last = s.order.insert(line, instance);
            if let Some(last) = last.filter(|&last| last > instance) {
                found.push(format!(
                    "order: {}: {:x} after {:x} of the same publisher, topic and QoS",
                    s.client_id, origin.key, self.instances[last].origin.key
                ));
            }
        }
        if let Some(expiry) = origin.expiry.filter(|_| unique) {
            let from = owed.since.max(self.links[&conn].answered_at);
            let waited = from.saturating_sub(origin.at);
            let life = Time::from(expiry) * SEC;
            let value = publish.properties.message_expiry_interval();
            if !publish.dup && waited > life + self.plan.slack {
                found.push(format!("expiry: {:x} sent after its {expiry} s", origin.key));
            } else if s.version.has_properties() && !publish.dup {
                let most = u64::from(expiry).saturating_sub(waited / SEC) + 1;
                let least =
                    u64::from(expiry).saturating_sub((self.now - origin.at).div_ceil(SEC) + 1);
                if value.is_none_or(|value| !(least..=most).contains(&u64::from(value))) {
                    found.push(format!(
                        "expiry: {:x} of {expiry} s sent with {value:?}, not {least} to {most}",
                        origin.key
                    ));
                }
            }
        }
        let filter = owed.filters.first().cloned().unwrap_or_default();
        let client_id = s.client_id.clone();
        if let Some(group) = group {
            let taken = self.groups[group].taken;
            match taken {
                Some(other) if !self.exchange(group, other) => found.push(format!(
                    "shared: {:x} of {filter} to {client_id}, but {} has it",
                    origin.key, self.sessions[other].client_id
                )),
                // Who has gone already leaves it behind at once.
                _ if self.sessions[session].ended => {}
                _ => self.groups[group].taken = Some(session),
            }
            self.count("shared deliveries");
        } else if stored {
            self.count("retained deliveries");
        } else {
            self.count("deliveries");
        }
        found.into_iter().for_each(|what| self.violation(what));
    }

    /// An acknowledgement came from the client.
    pub(super) fn take_ack(&mut self, conn: ConnId, ack: &Ack<'_>) {
        let session = self.links[&conn].session.expect("it is connected");
        let s = &mut self.sessions[session];
        let unknown = !s.flows.knows(ack.packet_id.get());
        if ack.kind == AckKind::PubRel {
            s.taking.remove(&ack.packet_id);
        } else if unknown && ack.kind != AckKind::PubComp {
            let what =
                format!("flow: {} acknowledged {}, not in flight", s.client_id, ack.packet_id);
            self.violation(what);
        } else if let Some((key, qos)) = s.flows.ack(ack.kind, ack.packet_id.get(), ack.reason) {
            *s.finished.entry((key, qos as u8)).or_default() += 1;
        }
    }

    /// The broker has acknowledged.
    pub(super) fn send_ack(&mut self, conn: ConnId, ack: &Ack<'_>) {
        let session = self.links[&conn].session.expect("wire: after CONNACK");
        let s = &mut self.sessions[session];
        if ack.kind == AckKind::PubRel {
            s.flows.release(ack.packet_id.get());
        }
        if s.online != Some(conn) {
            return;
        }
        let instance = match ack.kind {
            AckKind::PubAck => s.acking.pop_front().map(|(_, instance)| instance),
            AckKind::PubRec if ack.reason.is_error() => {
                s.taking.remove(&ack.packet_id).map(|(_, instance)| instance)
            }
            AckKind::PubRec => s.taking.get(&ack.packet_id).map(|(_, instance)| *instance),
            _ => None,
        };
        let Some(instance) = instance else { return };
        let targets = self.instances[instance].targets.clone();
        let key = self.instances[instance].origin.key;
        if ack.reason.is_error() {
            self.count("refusals");
            self.doubt(instance);
            for (session, place) in targets {
                if self.sessions[session].owed[place].sent.is_some() {
                    self.violation(format!("refused: {key:x} was delivered all the same"));
                }
            }
        } else if ack.reason == Reason::NoMatchingSubscribers {
            let wanted = targets.iter().find(|(session, place)| {
                self.sessions[*session].owed[*place].must
                    && !self.sessions[*session].owed[*place].stored
            });
            if let Some(&(session, _)) = wanted {
                let who = self.sessions[session].client_id.clone();
                self.violation(format!("ack: no subscribers for {key:x}, but {who} is one"));
            }
        }
    }

    /// A session's subscriptions change while a message is taken: it gets a copy by the old ones
    /// or by the new ones.
    pub(super) fn owe_either(&mut self, instance: usize, session: usize) {
        for &(other, place) in &self.instances[instance].targets {
            if other == session {
                self.sessions[session].owed[place].must = false;
            }
        }
        self.owe_ordinary(instance, session, false);
    }

    /// Nobody must get this message any more, though everybody owed it may.
    pub(super) fn doubt(&mut self, instance: usize) {
        for (session, place) in self.instances[instance].targets.clone() {
            self.sessions[session].owed[place].must = false;
        }
        self.groups.iter_mut().filter(|g| g.instance == instance).for_each(|g| g.must = false);
        self.doubt_kept(instance);
    }

    pub(super) fn end_deliveries(&mut self, dropped: u64) {
        self.settle();
        let mut missing = Vec::new();
        for s in &self.sessions {
            for owed in s.owed.iter().filter(|owed| owed.must && owed.sent.is_none()) {
                let origin = &self.instances[owed.instance].origin;
                if lasts(origin) {
                    missing.push(format!(
                        "missing: {}: {:x} to {} from {}, taken at {} ms: {owed:?}",
                        s.client_id,
                        origin.key,
                        origin.topic,
                        origin.client_id,
                        origin.at / 1_000_000
                    ));
                }
            }
        }
        for group in self.groups.iter().filter(|group| group.must && group.taken.is_none()) {
            let origin = &self.instances[group.instance].origin;
            if lasts(origin) {
                let members: Vec<_> =
                    group.members.iter().map(|&s| self.sessions[s].client_id.as_str()).collect();
                missing.push(format!(
                    "missing: {:x} to {} from {}, taken at {} ms, for one of {members:?}",
                    origin.key,
                    origin.topic,
                    origin.client_id,
                    origin.at / 1_000_000
                ));
            }
        }
        if self.plan.tight {
            if missing.len() as u64 > dropped {
                let count = missing.len();
                self.violation(format!("missing: {count} messages, counted as dropped {dropped}"));
            }
            *self.seen.entry("messages dropped at a limit").or_default() += missing.len() as u64;
        } else {
            missing.into_iter().take(10).for_each(|what| self.violation(what));
        }
        let mut unfinished = Vec::new();
        for s in self.sessions.iter().filter(|s| s.online.is_some()) {
            for key in s.flows.open() {
                unfinished.push(format!("flow: {}: {key:x} is not finished", s.client_id));
            }
        }
        unfinished.into_iter().take(10).for_each(|what| self.violation(what));
    }
}
