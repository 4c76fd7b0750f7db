//! What a late subscriber is sent.

use libmqtt_oracles::naive;

use super::Checker;
use crate::obs::{SEC, Time};

/// A change of what is retained for a topic; it came into force between two moments.
#[derive(Debug)]
pub(crate) struct Kept {
    /// None: it was removed.
    instance: Option<usize>,
    from: Time,
    until: Time,
}

impl Checker<'_> {
    pub(super) fn keep(&mut self, topic: &str, instance: Option<usize>, from: Time, until: Time) {
        self.kept.entry(topic.into()).or_default().push(Kept { instance, from, until });
        self.count("retained changes");
    }

    /// Whether this message was ever retained is open for ever.
    pub(super) fn doubt_kept(&mut self, instance: usize) {
        let changes = self.kept.values_mut().flatten();
        changes.filter(|change| change.instance == Some(instance)).for_each(|change| {
            change.until = Time::MAX;
        });
    }

    /// Owes a session what is retained for a filter that it has just subscribed to.
    pub(super) fn owe_retained(&mut self, session: usize, filter: &str) {
        let mut owed = Vec::new();
        for (topic, changes) in &self.kept {
            if !naive::matches(filter, topic) {
                continue;
            }
            let mut candidates = Vec::new();
            for change in changes.iter().rev().filter(|change| change.from <= self.now) {
                candidates.push(change.instance);
                // A will that is published about now may come before or after.
                if change.until <= self.now {
                    break;
                }
            }
            let certain = candidates.len() == 1;
            for instance in candidates.into_iter().flatten() {
                let origin = &self.instances[instance].origin;
                let life = origin.expiry.map_or(Time::MAX, |s| Time::from(s) * SEC);
                let age = self.now.saturating_sub(origin.at);
                if age <= life.saturating_add(self.plan.slack) {
                    owed.push((instance, certain && age < life));
                }
            }
        }
        for (instance, must) in owed {
            self.owe_stored(session, instance, filter, must);
        }
    }
}
