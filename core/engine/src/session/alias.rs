//! Topic Aliases, one table per direction and Network Connection. MQTT 5.0 §3.3.2.3.4.

use core::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use libmqtt_codec::Reason;

/// The aliases that the peer assigns. Without any it owns no memory but itself.
#[derive(Debug, Default)]
pub struct AliasIn {
    /// The topic of alias 1, 2, ...; empty: none.
    topics: Vec<Box<str>>,
    maximum: u16,
}

impl AliasIn {
    /// A table that takes aliases 1 to `maximum`; its memory comes with use.
    pub fn new(maximum: u16) -> AliasIn {
        AliasIn { topics: Vec::new(), maximum }
    }

    /// The topic of a PUBLISH that came with `alias` and `topic` (perhaps empty).
    ///
    /// `Err` is the Reason Code: Topic Alias invalid for 0 or above the maximum, Protocol Error
    /// for an alias that stands for nothing.
    /// v5 [MQTT-3.3.2-8] [MQTT-3.3.2-10] [MQTT-3.3.2-12]
    pub fn resolve(&mut self, alias: u16, topic: &str) -> Result<&str, Reason> {
        if alias == 0 || alias > self.maximum {
            return Err(Reason::TopicAliasInvalid);
        }
        let place = usize::from(alias) - 1;
        if topic.is_empty() {
            let known = self.topics.get(place).map_or("", |topic| topic);
            return if known.is_empty() { Err(Reason::ProtocolError) } else { Ok(known) };
        }
        if place >= self.topics.len() {
            self.topics.resize_with(place + 1, Box::default);
        }
        let known = &mut self.topics[place];
        if **known != *topic {
            *known = topic.into();
        }
        Ok(known)
    }
}

/// How to write a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AliasUse {
    /// With its name alone.
    Name,
    /// With its name and this alias, which the peer then knows.
    Define(u16),
    /// With an empty name and this alias.
    Known(u16),
}

/// The aliases that this side assigns, by itself.
///
/// While there are free ones, a topic gets an alias when it is first used. After that only a
/// topic that comes twice within a short time gets one, in place of one that has not been used
/// for long, so that topics which come once (a burst of retained messages) keep no alias and
/// cost little.
#[derive(Debug, Default)]
pub struct AliasOut {
    maximum: u16,
    table: Option<Box<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    /// Places in `slots` by hash of the topic.
    places: HashTable<u16>,
    /// Alias 1, 2, ...
    slots: Vec<Slot>,
    /// Hashes of topics that lately came without an alias, at places by hash.
    passed: Vec<u32>,
    /// The slot that is looked at next for eviction.
    hand: u16,
}

#[derive(Debug)]
struct Slot {
    topic: Box<str>,
    hash: u64,
    /// Used since the hand last passed.
    warm: bool,
}

impl AliasOut {
    /// A table for aliases 1 to `maximum` (0: none are ever used); its memory comes with use.
    pub fn new(maximum: u16) -> AliasOut {
        AliasOut { maximum, table: None }
    }

    /// How to write `topic` now. What is answered must be sent, in this order.
    /// v5 [MQTT-3.1.2-26] [MQTT-3.1.2-27] [MQTT-3.2.2-17] [MQTT-3.2.2-18] [MQTT-3.3.2-8]
    /// [MQTT-3.3.2-9] [MQTT-3.3.2-11]
    pub fn assign(&mut self, topic: &str) -> AliasUse {
        // An alias takes three bytes.
        if self.maximum == 0 || topic.len() < 4 {
            return AliasUse::Name;
        }
        self.table.get_or_insert_default().assign(topic, self.maximum.into())
    }
}

impl Table {
    fn assign(&mut self, topic: &str, maximum: usize) -> AliasUse {
        let hash = FixedState::default().hash_one(topic);
        let slots = &mut self.slots;
        let is_it = |&place: &u16| slots[usize::from(place)].topic.as_ref() == topic;
        if let Some(&place) = self.places.find(hash, is_it) {
            slots[usize::from(place)].warm = true;
            return AliasUse::Known(place + 1);
        }
        let slot = || Slot { topic: topic.into(), hash, warm: false };
        let place = if slots.len() < maximum {
            slots.push(slot());
            (slots.len() - 1) as u16
        } else if self.came_lately(hash, maximum) {
            let place = self.evict();
            self.slots[usize::from(place)] = slot();
            place
        } else {
            return AliasUse::Name;
        };
        let slots = &self.slots;
        self.places.insert_unique(hash, place, |&place| slots[usize::from(place)].hash);
        AliasUse::Define(place + 1)
    }

    /// Whether this topic came lately without an alias; remembers it.
    fn came_lately(&mut self, hash: u64, maximum: usize) -> bool {
        if self.passed.is_empty() {
            self.passed = vec![0; (2 * maximum).clamp(64, 4096)];
        }
        let tag = (hash >> 32) as u32;
        let place = hash as usize % self.passed.len();
        core::mem::replace(&mut self.passed[place], tag) == tag
    }

    /// Frees the next slot that was not used since the hand last passed it.
    fn evict(&mut self) -> u16 {
        loop {
            let place = self.hand;
            self.hand = (place + 1) % self.slots.len() as u16;
            let slot = &mut self.slots[usize::from(place)];
            if !core::mem::take(&mut slot.warm) {
                let hash = slot.hash;
                if let Ok(entry) = self.places.find_entry(hash, |&at| at == place) {
                    entry.remove();
                }
                return place;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_stands_for_the_topic_it_came_with_last() {
        let mut aliases = AliasIn::new(2);
        assert_eq!(aliases.resolve(2, "a"), Ok("a"));
        assert_eq!(aliases.resolve(2, ""), Ok("a"));
        assert_eq!(aliases.resolve(2, "b"), Ok("b"));
        assert_eq!(aliases.resolve(2, ""), Ok("b"));
    }

    #[test]
    fn an_alias_that_stands_for_nothing_is_a_protocol_error() {
        let mut aliases = AliasIn::new(3);
        assert_eq!(aliases.resolve(1, ""), Err(Reason::ProtocolError));
        aliases.resolve(2, "a").unwrap();
        assert_eq!(aliases.resolve(1, ""), Err(Reason::ProtocolError));
        assert_eq!(aliases.resolve(3, ""), Err(Reason::ProtocolError));
    }

    #[test]
    fn aliases_outside_the_range_are_invalid() {
        for (maximum, alias) in [(0, 1), (5, 0), (5, 6), (5, 65_535)] {
            let mut aliases = AliasIn::new(maximum);
            assert_eq!(aliases.resolve(alias, "a/b"), Err(Reason::TopicAliasInvalid));
            assert_eq!(aliases.topics.capacity(), 0);
        }
    }

    #[test]
    fn topics_get_aliases_at_first_use_while_there_are_free_ones() {
        let mut aliases = AliasOut::new(2);
        assert_eq!(aliases.assign("topic/1"), AliasUse::Define(1));
        assert_eq!(aliases.assign("topic/1"), AliasUse::Known(1));
        assert_eq!(aliases.assign("topic/2"), AliasUse::Define(2));
        assert_eq!(aliases.assign("topic/2"), AliasUse::Known(2));
        assert_eq!(aliases.assign("topic/1"), AliasUse::Known(1));
    }

    #[test]
    fn no_alias_is_used_where_none_is_allowed_or_none_would_save_anything() {
        let mut none = AliasOut::new(0);
        assert_eq!(none.assign("topic/1"), AliasUse::Name);
        assert!(none.table.is_none());
        assert_eq!(AliasOut::new(5).assign("abc"), AliasUse::Name);
    }

    #[test]
    fn topics_that_come_once_take_no_alias_from_others() {
        let mut aliases = AliasOut::new(4);
        for n in 0..4 {
            aliases.assign(&format!("burst/{n}"));
        }
        for n in 4..1_000 {
            assert_eq!(aliases.assign(&format!("burst/{n}")), AliasUse::Name);
        }
    }

    #[test]
    fn topics_that_repeat_take_the_aliases_of_those_that_do_not() {
        let mut aliases = AliasOut::new(4);
        for n in 0..4 {
            aliases.assign(&format!("burst/{n}"));
        }
        let mut known = 0;
        for _ in 0..10 {
            for n in 0..3 {
                let used = aliases.assign(&format!("steady/{n}"));
                known += usize::from(matches!(used, AliasUse::Known(_)));
            }
        }
        assert!(known >= 20, "{known}");
    }

    /// Whatever is answered, a receiver understands it.
    #[test]
    fn both_tables_agree() {
        let mut sender = AliasOut::new(7);
        let mut receiver = AliasIn::new(7);
        let mut state = 1_u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Few topics often, many seldom.
            let n = (state >> 33) % (1 + (state >> 50) % 64);
            let topic = format!("topic/{n}");
            let heard = match sender.assign(&topic) {
                AliasUse::Name => Ok(&*topic),
                AliasUse::Define(alias) => receiver.resolve(alias, &topic),
                AliasUse::Known(alias) => receiver.resolve(alias, ""),
            };
            assert_eq!(heard, Ok(&*topic));
        }
    }
}
