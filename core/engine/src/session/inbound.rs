//! QoS 2 messages received and not yet released. MQTT 5.0 §4.3.3.

use std::collections::VecDeque;

use libmqtt_codec::PacketId;

/// The Packet Identifiers between PUBLISH and PUBREL. Without any it owns no memory but itself.
///
/// They are kept in order of value. As peers count upwards, a new one goes to the back and a
/// released one comes from near the front.
#[derive(Debug, Default)]
pub struct Inbound {
    ids: VecDeque<PacketId>,
}

/// With room for more identifiers than this, memory is given back when none is left.
const KEEP_CAPACITY: usize = 64;

impl Inbound {
    /// A PUBLISH at QoS 2 has come; false if it is a repeat, which must be answered but not
    /// delivered. v5 [MQTT-4.3.3-10] v311 [MQTT-4.3.3-2]
    pub fn receive(&mut self, id: PacketId) -> bool {
        if self.ids.back().is_none_or(|&back| back < id) {
            self.ids.push_back(id);
            return true;
        }
        match self.ids.binary_search(&id) {
            Ok(_) => false,
            Err(place) => {
                self.ids.insert(place, id);
                true
            }
        }
    }

    /// Whether this identifier waits for its PUBREL.
    pub fn contains(&self, id: PacketId) -> bool {
        self.ids.binary_search(&id).is_ok()
    }

    /// PUBREL has come; false if the identifier was not waiting for it.
    pub fn release(&mut self, id: PacketId) -> bool {
        if self.ids.front() == Some(&id) {
            self.ids.pop_front();
        } else {
            let Ok(place) = self.ids.binary_search(&id) else { return false };
            self.ids.remove(place);
        }
        if self.ids.is_empty() && self.ids.capacity() > KEEP_CAPACITY {
            self.clear();
        }
        true
    }

    /// Forgets every identifier: the Session has ended.
    pub fn clear(&mut self) {
        self.ids = VecDeque::new();
    }

    /// The identifiers, in order of value.
    pub fn iter(&self) -> impl Iterator<Item = PacketId> {
        self.ids.iter().copied()
    }

    /// Number of identifiers waiting.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether none is waiting.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u16) -> PacketId {
        PacketId::new(n).unwrap()
    }

    #[test]
    fn a_repeat_is_recognised_until_it_is_released() {
        let mut inbound = Inbound::default();
        assert!(inbound.receive(id(7)));
        assert!(!inbound.receive(id(7)));
        assert!(inbound.release(id(7)));
        assert!(!inbound.release(id(7)));
        assert!(inbound.receive(id(7)));
    }

    #[test]
    fn identifiers_may_come_and_go_in_any_order() {
        let mut inbound = Inbound::default();
        let mut seen = Vec::new();
        for n in 0..3_000_u32 {
            let n = (n * 40_503 % 65_535) as u16 + 1;
            assert!(inbound.receive(id(n)));
            seen.push(n);
        }
        assert!(seen.iter().all(|&n| inbound.contains(id(n)) && !inbound.receive(id(n))));
        assert!(inbound.iter().is_sorted());
        for (left, &n) in seen.iter().rev().enumerate() {
            assert_eq!(inbound.len(), 3_000 - left);
            assert!(inbound.release(id(n)));
            assert!(!inbound.contains(id(n)));
        }
    }

    #[test]
    fn an_empty_table_that_was_large_owns_no_memory() {
        let mut inbound = Inbound::default();
        for n in 1..=1_000 {
            inbound.receive(id(n));
        }
        for n in 1..=1_000 {
            inbound.release(id(n));
        }
        assert_eq!(inbound.ids.capacity(), 0);
    }
}
