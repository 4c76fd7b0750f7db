//! Where messages of a topic go: the index's answers, remembered.
//!
//! Each shard keeps the answers of the topics it has seen, stamped with the index's generation.
//! While nobody subscribes or unsubscribes, routing takes no lock.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use libmqtt_codec::{Publish, QoS};

use super::parcel::{Audience, Identifiers, Parcel, Stored, Target};
use super::{Shard, Shared};
use crate::Instant;
use crate::topic::{Hit, Member, SessionKey, Subscriber};

/// Topics remembered at most, and bytes of them and their targets.
const ROUTES_MAX: usize = 16 * 1024;
const ROUTES_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Who gets the messages of one topic.
#[derive(Debug, Default)]
pub(super) struct Route {
    generation: u64,
    /// Sessions of this shard.
    pub(super) local: Vec<Target>,
    /// Sessions of other shards, by shard, and whether what one of them is owed is stored.
    pub(super) remote: Vec<(u16, Arc<[Target]>, bool)>,
    /// Shared subscriptions, of each of which one member gets it; in order of their numbers.
    pub(super) groups: Vec<Turns>,
}

/// Members of a shared subscription, who take turns.
#[derive(Debug)]
pub(super) struct Turns {
    pub(super) group: u32,
    /// Those with a Network Connection, or all where there is none.
    members: Vec<Target>,
    next: usize,
}

impl Turns {
    pub(super) fn take(&mut self) -> &Target {
        self.next = if self.next + 1 < self.members.len() { self.next + 1 } else { 0 };
        &self.members[self.next]
    }
}

impl Route {
    pub(super) fn is_empty(&self) -> bool {
        self.local.is_empty() && self.remote.is_empty() && self.groups.is_empty()
    }

    /// The turns of one shared subscription.
    pub(super) fn group(&mut self, group: u32) -> Option<&mut Turns> {
        let at = self.groups.binary_search_by_key(&group, |turns| turns.group).ok()?;
        self.groups.get_mut(at)
    }

    /// Bytes that it takes, about.
    fn size(&self) -> usize {
        let remote: usize = self.remote.iter().map(|(_, targets, _)| targets.len()).sum();
        let members: usize = self.groups.iter().map(|turns| turns.members.len()).sum();
        size_of::<Route>()
            + (self.local.len() + remote + members) * size_of::<Target>()
            + self.groups.len() * size_of::<Turns>()
    }

    fn fill(&mut self, topic: &str, shared: &Shared, here: u16) {
        let mut all = core::mem::take(&mut self.local);
        all.clear();
        let turns = core::mem::take(&mut self.groups);
        self.remote.clear();
        {
            let index = shared.index();
            let rights = shared.rights();
            let may = |subscriber: &Subscriber| {
                rights.get(&subscriber.session).is_none_or(|rights| rights.may_read(topic))
            };
            // Read under the lock: a change that comes later has a later generation.
            self.generation = shared.generation();
            index.matches(topic, &mut |hit| match hit {
                Hit::Subscriber(subscriber) if !may(subscriber) => {}
                Hit::Subscriber(subscriber) => all.push(target(subscriber, 0)),
                Hit::Group(group) => {
                    let targets = |some: &[Member]| -> Vec<Target> {
                        let some = some.iter().filter(|member| may(&member.subscriber));
                        some.map(|member| target(&member.subscriber, group.id)).collect()
                    };
                    let mut members = targets(group.online());
                    if members.is_empty() {
                        members = targets(&group.members);
                    }
                    if !members.is_empty() {
                        let next = turns
                            .binary_search_by_key(&group.id, |old| old.group)
                            .map_or(0, |at| turns[at].next % members.len());
                        self.groups.push(Turns { group: group.id, members, next });
                    }
                }
            });
        }
        self.groups.sort_unstable_by_key(|turns| turns.group);
        merge(&mut all);
        if all.iter().any(|target| target.session.shard != here) {
            all.sort_by_key(|target| target.session.shard);
            for run in all.chunk_by(|a, b| a.session.shard == b.session.shard) {
                if run[0].session.shard != here {
                    let durable = run.iter().any(Target::is_owed);
                    self.remote.push((run[0].session.shard, run.into(), durable));
                }
            }
            all.retain(|target| target.session.shard == here);
        }
        self.local = all;
    }
}

impl Target {
    /// Whether it is owed what has more than QoS 0, also after a crash.
    fn is_owed(&self) -> bool {
        self.durable && self.qos > QoS::AtMostOnce
    }
}

fn target(subscriber: &Subscriber, group: u32) -> Target {
    Target {
        session: subscriber.session,
        qos: subscriber.options.qos,
        audience: if subscriber.options.no_local { Audience::Others } else { Audience::All },
        retain_as_published: subscriber.options.retain_as_published,
        durable: subscriber.is_durable(),
        group,
        identifiers: Identifiers::one(subscriber.identifier()),
    }
}

/// Makes one target of all that name the same session: it gets one copy, at the highest QoS, with
/// all identifiers. v5 [MQTT-3.3.4-2] [MQTT-3.3.4-4] v311 [MQTT-3.3.5-1]
///
/// Where only some of them are No Local, what the session publishes itself comes through the
/// others alone, so there is a second target for that. v5 [MQTT-3.8.3-3]
fn merge(all: &mut Vec<Target>) {
    if all.iter().any(|target| target.audience == Audience::Others) {
        all.sort_by_key(|target| target.session);
        let mut own = Vec::new();
        for same in all.chunk_by_mut(|a, b| a.session == b.session) {
            let local = same.iter().filter(|target| target.audience == Audience::All);
            if (1..same.len()).contains(&local.clone().count()) {
                own.extend(
                    local.map(|target| Target { audience: Audience::Own, ..target.clone() }),
                );
                same.iter_mut().for_each(|target| target.audience = Audience::Others);
            }
        }
        all.append(&mut own);
    }
    all.sort_by_key(|target| (target.session, target.audience));
    let same = |a: &Target, b: &Target| (a.session, a.audience) == (b.session, b.audience);
    for run in all.chunk_by_mut(same).filter(|run| run.len() > 1) {
        // All at once: a session may have very many subscriptions that match.
        run[0].identifiers = run.iter().flat_map(|target| target.identifiers.as_slice()).collect();
    }
    all.dedup_by(|again, first| {
        if !same(again, first) {
            return false;
        }
        first.qos = first.qos.max(again.qos);
        first.retain_as_published |= again.retain_as_published;
        first.durable |= again.durable;
        true
    });
}

/// The routes that a shard remembers.
#[derive(Debug)]
pub(super) struct Routes {
    here: u16,
    known: HashMap<Box<str>, Route, FixedState>,
    /// Bytes of all of them, about.
    bytes: usize,
}

impl Routes {
    pub(super) fn new(here: u16, seed: u64) -> Routes {
        Routes { here, known: HashMap::with_hasher(FixedState::with_seed(seed)), bytes: 0 }
    }

    /// The route of a topic as of now.
    #[inline]
    pub(super) fn get(&mut self, topic: &str, shared: &Shared) -> &mut Route {
        if !self.known.contains_key(topic) {
            if self.known.len() >= ROUTES_MAX || self.bytes > ROUTES_BYTES_MAX {
                self.known.clear();
                self.bytes = 0;
            }
            self.known.insert(topic.into(), Route::default());
            self.bytes += topic.len() + Route::default().size();
        }
        let route = self.known.get_mut(topic).expect("it was just put there");
        if route.generation != shared.generation() {
            let before = route.size();
            route.fill(topic, shared, self.here);
            self.bytes = self.bytes - before + route.size();
        }
        route
    }
}

impl Shard {
    /// Routes a message: to the sessions of this shard at once, to those of others by batch.
    /// Returns whether anyone is subscribed.
    #[inline]
    pub(super) fn route(
        &mut self,
        now: Instant,
        parcel: &mut Parcel<'_>,
        origin: Option<SessionKey>,
    ) -> bool {
        let route = self.routes.get(parcel.publish.topic, &self.shared);
        if route.is_empty() {
            return false;
        }
        self.tables.begin();
        parcel.many = route.local.len() + route.groups.len() > 1;
        let owed = parcel.publish.qos > QoS::AtMostOnce;
        for target in &route.local {
            self.tables.deliver(now, parcel, target, origin);
        }
        for (shard, targets, durable) in &route.remote {
            let persist = self.tables.persist.as_deref_mut().filter(|_| owed && *durable);
            self.peers.push(*shard, parcel, targets, origin, persist);
        }
        // v5-U52: each group's copy goes to one member.
        for turns in &mut route.groups {
            let target = turns.take();
            if target.session.shard == self.which {
                self.tables.deliver(now, parcel, target, origin);
            } else {
                let owed = owed && target.is_owed();
                let persist = self.tables.persist.as_deref_mut().filter(|_| owed);
                self.peers.push_one(parcel, target, origin, persist);
            }
        }
        true
    }

    /// Gives a message of a shared subscription to another member than the one that had it.
    pub(super) fn reroute(&mut self, now: Instant, stored: &Arc<Stored>, group: u32) {
        if group == 0 {
            return;
        }
        if stored.expired(now) {
            self.tables.stats.publish_dropped += 1; // v5 [MQTT-3.3.2-5]
            return;
        }
        let mut parcel = Parcel::from_stored(stored);
        let route = self.routes.get(parcel.publish.topic, &self.shared);
        let Some(turns) = route.group(group) else { return };
        let target = turns.take();
        if target.session.shard == self.which {
            self.tables.begin();
            self.tables.deliver(now, &mut parcel, target, None);
        } else {
            let persist = self.tables.persist.as_deref_mut();
            self.peers.push_one(&mut parcel, target, None, persist);
        }
    }

    /// The accepted message of a decoded PUBLISH or of the host: kept if it is to be retained,
    /// and routed.
    pub(super) fn accept_message(
        &mut self,
        now: Instant,
        publish: &Publish<'_>,
        origin: Option<SessionKey>,
    ) -> bool {
        let mut scratch = core::mem::take(&mut self.scratch);
        let mut parcel = Parcel::new(publish, now, &mut scratch);
        if publish.retain {
            self.retain(&mut parcel);
        }
        let matched = self.route(now, &mut parcel, origin);
        drop(parcel);
        self.scratch = scratch;
        matched
    }
}

#[cfg(test)]
mod tests {
    use libmqtt_codec::{SubscriptionOptions, TopicFilter};

    use super::*;
    use crate::broker::BrokerConfig;
    use crate::topic::SessionKey;

    fn subscribe(shared: &Shared, filter: &str, session: u32, identifier: u32) {
        let session = SessionKey { shard: 0, index: session, generation: 0 };
        let options = SubscriptionOptions::default();
        let subscriber = Subscriber::new(session, options, identifier, false);
        shared.index_mut().subscribe(TopicFilter::new(filter).unwrap(), subscriber, true);
        shared.index_changed();
    }

    #[test]
    fn remembered_routes_are_bounded_in_bytes() {
        let shared = Shared::new(BrokerConfig::default(), 1, 7);
        (0..100).for_each(|session| subscribe(&shared, "#", session, 0));
        let mut routes = Routes::new(0, 7);
        let mut most = 0;
        for n in 0..3000 {
            let topic = format!("{n}{}", "x".repeat(60_000));
            assert_eq!(routes.get(&topic, &shared).local.len(), 100);
            let bytes: usize = routes.known.iter().map(|(key, it)| key.len() + it.size()).sum();
            if n % 100 == 0 {
                assert_eq!(routes.bytes, bytes);
            }
            most = most.max(routes.bytes);
        }
        assert!((ROUTES_BYTES_MAX..ROUTES_BYTES_MAX + 100_000).contains(&most), "{most}");
    }

    /// With quadratic work this would take minutes.
    #[test]
    fn very_many_subscriptions_of_one_session_that_match_are_merged() {
        let shared = Shared::new(BrokerConfig::default(), 1, 7);
        let filter = |n: u32| -> String {
            let levels: Vec<_> =
                (0..16).map(|bit| if n >> bit & 1 > 0 { "+" } else { "a" }).collect();
            levels.join("/")
        };
        for n in 0..1 << 16 {
            subscribe(&shared, &filter(n), 1, n + 1);
            subscribe(&shared, &format!("$share/{n}/a/#"), 2, 0);
        }
        let mut routes = Routes::new(0, 7);
        for _ in 0..2 {
            let route = routes.get(&filter(0), &shared);
            let mut identifiers = route.local[0].identifiers.as_slice().to_vec();
            identifiers.sort_unstable();
            assert!(route.local.len() == 1 && identifiers.iter().copied().eq(1..=1 << 16));
            assert_eq!(route.groups.len(), 1 << 16);
            shared.index_changed();
        }
    }
}
