//! Shared subscriptions: one copy for each group. MQTT 5.0 §4.8.2.

use std::collections::BTreeSet;

use libmqtt_codec::QoS;
use libmqtt_oracles::naive;

use super::Checker;
use super::deliver::Obligation;

/// One message for one shared subscription.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) instance: usize,
    pub(crate) members: Vec<usize>,
    pub(crate) must: bool,
    /// Lowest QoS that a member would get.
    pub(crate) qos_min: u8,
    pub(crate) taken: Option<usize>,
    pub(crate) filter: String,
    /// Whoever is a member may get it.
    pub(crate) open: bool,
}

impl Group {
    /// A member has ended its session or subscription: the message may go elsewhere, or be lost.
    pub(crate) fn member_left(&mut self, session: usize) {
        if self.members.contains(&session) {
            self.must = false;
            self.open |= self.taken.is_none_or(|taken| taken == session);
            if self.taken == Some(session) {
                self.taken = None;
            }
        }
    }
}

impl Checker<'_> {
    pub(super) fn owe_groups(&mut self, instance: usize) {
        let topic = self.instances[instance].origin.topic.clone();
        let mut filters = BTreeSet::new();
        for &session in self.living.values() {
            let shared = self.sessions[session].subs.keys().filter(|filter| {
                let (name, rest) = naive::split_share(filter);
                name.is_some() && naive::matches(rest, &topic)
            });
            filters.extend(shared.cloned());
        }
        for filter in filters {
            self.owe_group(instance, &filter);
        }
    }

    pub(super) fn owe_group(&mut self, instance: usize, filter: &str) {
        let origin = self.instances[instance].origin.clone();
        let group = self.groups.len();
        let mut members = Vec::new();
        // A session that ends as its will is published may still be a member, and take it along.
        let dying = origin.will && self.sessions[origin.publisher].ended;
        let (mut must, mut qos_min) = (!dying, 2);
        for session in self.living.values().copied().collect::<Vec<_>>() {
            let s = &self.sessions[session];
            let Some(sub) = s.subs.get(filter) else { continue };
            let qos = sub.options.qos.min(origin.qos);
            let in_doubt = s.deadline.is_some_and(|at| at <= self.now);
            must &= !self.too_large(session, &origin);
            must &= !in_doubt && (s.online.is_some() || qos > QoS::AtMostOnce);
            qos_min = qos_min.min(qos as u8);
            members.push(session);
            let owed = Obligation {
                instance,
                qos,
                ids: sub.id.into_iter().collect(),
                retain: sub.options.retain_as_published && origin.retain,
                filters: vec![filter.into()],
                group: Some(group),
                stored: false,
                must: false,
                since: origin.at,
                sent: None,
                loose: false,
            };
            self.owe(session, owed);
        }
        let filter = filter.to_string();
        let open = false;
        self.groups_by_key.entry(origin.key).or_default().push(self.groups.len());
        self.groups.push(Group { instance, members, must, qos_min, taken: None, filter, open });
    }

    /// What a session that ends now, at a moment that is certain, leaves behind for others: the
    /// groups, and who is in them. Queued messages must be passed on, and those at QoS 1 that it
    /// has not acknowledged; at QoS 2 what it was sent must not. MQTT 5.0 §4.8.2.
    pub(super) fn passed_on(&self, session: usize) -> Vec<(usize, Vec<usize>)> {
        let s = &self.sessions[session];
        if self.plan.tight || s.shared.is_empty() {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (at, group) in self.groups.iter().enumerate() {
            if !group.must || !group.members.contains(&session) {
                continue;
            }
            let origin = &self.instances[group.instance].origin;
            // Of a message that was taken twice nobody can tell which one it is.
            let alike = self.groups_by_key[&origin.key].iter();
            let unique = alike.filter(|&&other| self.groups[other].filter == group.filter).count();
            let own = s.owed.iter().filter(|owed| owed.group == Some(at)).collect::<Vec<_>>();
            let (1, &[own]) = (unique, &own[..]) else { continue };
            let left_behind = match group.taken {
                None => own.qos == QoS::AtLeastOnce || (s.online.is_none() && s.left <= origin.at),
                Some(taker) if taker == session => {
                    // Every copy of it that the session was sent is open, this one too.
                    let places = &s.owed_by_key[&origin.key];
                    let sent = places.iter().filter(|&&place| {
                        s.owed[place].sent.is_some() && s.owed[place].qos > QoS::AtMostOnce
                    });
                    let open = s.flows.open().filter(|&key| key == origin.key);
                    own.qos == QoS::AtLeastOnce && open.count() == sent.count()
                }
                Some(_) => false,
            };
            let heirs: Vec<usize> = self
                .living
                .values()
                .copied()
                .filter(|&heir| {
                    heir != session && self.sessions[heir].subs.contains_key(&group.filter)
                })
                .collect();
            let can_take = |&heir: &usize| {
                let heir_s = &self.sessions[heir];
                heir_s.subs[&group.filter].options.qos.min(origin.qos) > QoS::AtMostOnce
                    && heir_s.deadline.is_none_or(|at| at > self.now)
                    && !self.too_large(heir, origin)
            };
            if left_behind && !heirs.is_empty() && heirs.iter().all(can_take) {
                found.push((at, heirs));
            }
        }
        found
    }

    /// Notes that this session may get what another member of its groups has left behind, under
    /// any subscription that it had: the message may have waited since.
    pub(super) fn owe_again(&mut self, session: usize, key: u64) {
        for group in self.groups_by_key.get(&key).cloned().unwrap_or_default() {
            let g = &self.groups[group];
            if !g.open || g.taken.is_some() {
                continue;
            }
            let origin = &self.instances[g.instance].origin;
            let s = &self.sessions[session];
            let new: Vec<Obligation> = s
                .shared
                .iter()
                .filter(|(filter, _)| *filter == g.filter)
                .map(|(filter, sub)| Obligation {
                    instance: g.instance,
                    qos: sub.options.qos.min(origin.qos),
                    ids: sub.id.into_iter().collect(),
                    retain: sub.options.retain_as_published && origin.retain,
                    filters: vec![filter.clone()],
                    group: Some(group),
                    stored: false,
                    must: false,
                    since: origin.at,
                    sent: None,
                    loose: false,
                })
                .filter(|new| {
                    !s.owed.iter().any(|owed| {
                        owed.group == Some(group)
                            && owed.sent.is_none()
                            && (owed.qos, &owed.ids, owed.retain) == (new.qos, &new.ids, new.retain)
                    })
                })
                .collect();
            for owed in new {
                self.groups[group].members.push(session);
                self.owe(session, owed);
            }
        }
    }

    /// Another taking of the same message, with whose copy this session's may have been confused:
    /// then the group of `place` is free.
    pub(super) fn exchange(&mut self, group: usize, holder: usize) -> bool {
        let s = &self.sessions[holder];
        let Some(held) =
            s.owed.iter().find(|owed| owed.group == Some(group) && owed.sent.is_some())
        else {
            return false;
        };
        let key = self.instances[held.instance].origin.key;
        let other = s.owed_by_key[&key].iter().copied().find(|&place| {
            let owed = &s.owed[place];
            let free = owed.group.is_some_and(|group| self.groups[group].taken.is_none());
            owed.sent.is_none() && free && (owed.qos, &owed.ids) == (held.qos, &held.ids)
        });
        let Some(place) = other else { return false };
        let now = self.now;
        let owed = &mut self.sessions[holder].owed[place];
        owed.sent = Some(now);
        self.groups[owed.group.expect("just seen")].taken = Some(holder);
        true
    }
}
