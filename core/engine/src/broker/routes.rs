//! Where messages of a topic go: the index's answers, remembered.
//!
//! Each shard keeps the answers of the topics it has seen, stamped with the index's generation.
//! While nobody subscribes or unsubscribes, routing takes no lock.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::Shared;
use super::parcel::{Audience, Identifiers, Target};
use crate::topic::{Hit, Subscriber};

/// Topics remembered at most.
const ROUTES_MAX: usize = 16 * 1024;

/// Who gets the messages of one topic.
#[derive(Debug, Default)]
pub(super) struct Route {
    generation: u64,
    /// Sessions of this shard.
    pub(super) local: Vec<Target>,
    /// Sessions of other shards, by shard.
    pub(super) remote: Vec<(u16, Arc<[Target]>)>,
    /// Shared subscriptions, of each of which one member gets it.
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

    fn fill(&mut self, topic: &str, shared: &Shared, here: u16) {
        let mut all = core::mem::take(&mut self.local);
        all.clear();
        let turns = core::mem::take(&mut self.groups);
        self.remote.clear();
        {
            let index = shared.index();
            // Read under the lock: a change that comes later has a later generation.
            self.generation = shared.generation();
            index.matches(topic, &mut |hit| match hit {
                Hit::Subscriber(subscriber) => all.push(target(subscriber, 0)),
                Hit::Group(group) => {
                    let online = group.online();
                    let some = if online.is_empty() { &group.members[..] } else { online };
                    let members: Vec<Target> =
                        some.iter().map(|member| target(&member.subscriber, group.id)).collect();
                    if !members.is_empty() {
                        let next = turns
                            .iter()
                            .find(|old| old.group == group.id)
                            .map_or(0, |old| old.next % members.len());
                        self.groups.push(Turns { group: group.id, members, next });
                    }
                }
            });
        }
        merge(&mut all);
        if all.iter().any(|target| target.session.shard != here) {
            all.sort_by_key(|target| target.session.shard);
            for run in all.chunk_by(|a, b| a.session.shard == b.session.shard) {
                if run[0].session.shard != here {
                    self.remote.push((run[0].session.shard, run.into()));
                }
            }
            all.retain(|target| target.session.shard == here);
        }
        self.local = all;
    }
}

fn target(subscriber: &Subscriber, group: u32) -> Target {
    let mut identifiers = Identifiers::None;
    identifiers.add(subscriber.identifier);
    Target {
        session: subscriber.session,
        qos: subscriber.options.qos,
        audience: if subscriber.options.no_local { Audience::Others } else { Audience::All },
        retain_as_published: subscriber.options.retain_as_published,
        group,
        identifiers,
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
    all.dedup_by(|again, first| {
        if (again.session, again.audience) != (first.session, first.audience) {
            return false;
        }
        first.qos = first.qos.max(again.qos);
        first.retain_as_published |= again.retain_as_published;
        for &id in again.identifiers.as_slice() {
            first.identifiers.add(id);
        }
        true
    });
}

/// The routes that a shard remembers.
#[derive(Debug)]
pub(super) struct Routes {
    here: u16,
    known: HashMap<Box<str>, Route, FixedState>,
}

impl Routes {
    pub(super) fn new(here: u16, seed: u64) -> Routes {
        Routes { here, known: HashMap::with_hasher(FixedState::with_seed(seed)) }
    }

    /// The route of a topic as of now.
    #[inline]
    pub(super) fn get(&mut self, topic: &str, shared: &Shared) -> &mut Route {
        if !self.known.contains_key(topic) {
            if self.known.len() >= ROUTES_MAX {
                self.known.clear();
            }
            self.known.insert(topic.into(), Route::default());
        }
        let route = self.known.get_mut(topic).expect("it was just put there");
        if route.generation != shared.generation() {
            route.fill(topic, shared, self.here);
        }
        route
    }
}
