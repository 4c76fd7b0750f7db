//! Which taking of a message a copy belongs to, when several look alike: found at the end.
//!
//! Empty payloads have no key, and what a publisher repeats after its session was lost has the same
//! one again. A copy is booked when it is sent, for the likeliest of the debts that it fits. At
//! the end a debt that is left open may take over a copy that was booked for another one, if that
//! one need not be paid or finds a copy itself: an augmenting path of a matching, so that a message
//! is called missing only if no way to book what was sent pays everything.

use std::collections::BTreeSet;

use super::Checker;
use super::deliver::Origin;

/// Where an obligation is: session, place.
type Place = (usize, usize);

impl Checker<'_> {
    /// Whether a copy that may stand for what is owed at one of `places` can be spared elsewhere;
    /// then it has been booked anew.
    fn find_copy(&mut self, places: &[Place], tried: &mut BTreeSet<Place>) -> bool {
        for &(session, place) in places {
            let s = &self.sessions[session];
            let wanted = &s.owed[place];
            if wanted.sent.is_some() || wanted.loose {
                continue;
            }
            let origin = &self.instances[wanted.instance].origin;
            let alike: Vec<usize> = s.owed_by_key[&origin.key]
                .iter()
                .copied()
                .filter(|&other| {
                    let owed = &s.owed[other];
                    owed.sent.is_some_and(|at| at >= wanted.since)
                        && !owed.loose
                        && self.instances[owed.instance].origin.topic == origin.topic
                        && (owed.qos, &owed.ids, owed.retain)
                            == (wanted.qos, &wanted.ids, wanted.retain)
                })
                .collect();
            for other in alike {
                if tried.insert((session, other)) && self.spare(session, other, tried) {
                    let sent = self.sessions[session].owed[other].sent.take();
                    self.book(session, place, sent);
                    return true;
                }
            }
        }
        false
    }

    /// Whether the copy that was booked here may go elsewhere, because nothing must be paid here
    /// or another copy has been found. Then the place is empty.
    fn spare(&mut self, session: usize, place: usize, tried: &mut BTreeSet<Place>) -> bool {
        let owed = &self.sessions[session].owed[place];
        let origin = &self.instances[owed.instance].origin;
        let must = owed.must || owed.group.is_some_and(|group| self.groups[group].must);
        if must && lasts(origin) {
            let places = self.places(session, place);
            if !self.find_copy(&places, tried) {
                return false;
            }
        } else if let Some(group) = owed.group {
            self.groups[group].taken = None;
        }
        true
    }

    /// Books a copy.
    fn book(&mut self, session: usize, place: usize, sent: Option<crate::obs::Time>) {
        let owed = &mut self.sessions[session].owed[place];
        owed.sent = sent;
        if let Some(group) = owed.group {
            self.groups[group].taken = Some(session);
        }
    }

    /// Where else the same debt can be paid: with any member of a group.
    fn places(&self, session: usize, place: usize) -> Vec<Place> {
        match self.sessions[session].owed[place].group {
            None => vec![(session, place)],
            Some(group) => self.group_places(group),
        }
    }

    fn group_places(&self, group: usize) -> Vec<Place> {
        let targets = &self.instances[self.groups[group].instance].targets;
        let of_group =
            |&&(session, place): &&Place| self.sessions[session].owed[place].group == Some(group);
        targets.iter().filter(of_group).copied().collect()
    }

    /// Pays what can be paid with copies that were booked for something else.
    pub(super) fn settle(&mut self) {
        let mut open: Vec<Vec<Place>> = Vec::new();
        for (session, s) in self.sessions.iter().enumerate() {
            let due = |(_, owed): &(usize, &super::deliver::Obligation)| {
                owed.must && owed.sent.is_none() && lasts(&self.instances[owed.instance].origin)
            };
            open.extend(s.owed.iter().enumerate().filter(due).map(|(at, _)| vec![(session, at)]));
        }
        for (at, group) in self.groups.iter().enumerate() {
            if group.must && group.taken.is_none() && lasts(&self.instances[group.instance].origin)
            {
                open.push(self.group_places(at));
            }
        }
        for places in open {
            if self.find_copy(&places, &mut BTreeSet::new()) {
                self.count("copies booked anew at the end");
            }
        }
    }
}

/// Whether a message does not expire during a run.
pub(super) fn lasts(origin: &Origin) -> bool {
    origin.expiry.is_none_or(|expiry| expiry >= 1000)
}
