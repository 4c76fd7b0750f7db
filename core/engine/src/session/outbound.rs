//! Messages sent and not yet acknowledged. MQTT 5.0 §4.3, §4.4, §4.9.
//!
//! A flow begins with a PUBLISH at QoS 1 or 2 and ends with PUBACK, PUBCOMP, or a PUBREC that
//! reports a failure. Flows stand in a queue in the order in which they started. One that ends
//! leaves a gap, and gaps at the front are taken out. As Packet Identifiers are given out in
//! sequence, the distance of an identifier from the oldest one tells its place, so that starting
//! and ending a flow take constant time. When the sequence has come round to a flow that still
//! has not ended, that flow is set aside, which keeps the queue in sequence.
//!
//! An `Outbound` without flows owns no memory but itself.
//!
//! On a resumed session every PUBLISH that is not acknowledged goes out again, yet no more of
//! them than the new Receive Maximum at a time: [`Outbound::next_resend`] answers as far as the
//! window is open, and no new flow may start before it has answered for all.

use std::collections::VecDeque;

use libmqtt_codec::{AckKind, PacketId, QoS, Reason};

/// What an acknowledgement did.
#[derive(Debug, PartialEq, Eq)]
pub enum AckOutcome<T> {
    /// The flow has ended and its Packet Identifier is free. What was kept is handed back.
    Done(T),
    /// PUBREC: answer with PUBREL. (What was kept stays until PUBCOMP.)
    Release,
    /// No flow of that kind has this Packet Identifier.
    Unknown,
}

/// A flow that was stored.
#[derive(Debug)]
pub struct Inflight<T> {
    /// Its Packet Identifier.
    pub id: PacketId,
    /// The QoS that `start` was given.
    pub qos: QoS,
    /// PUBREC has come.
    pub released: bool,
    /// What is kept for it.
    pub kept: T,
}

/// What to send again on a resumed session.
#[derive(Debug, PartialEq, Eq)]
pub enum Resend<'a, T> {
    /// The PUBLISH, with DUP and the QoS that `start` was given.
    Publish(PacketId, QoS, &'a T),
    /// The PUBREL.
    PubRel(PacketId),
}

/// Where a flow stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// PUBLISH at QoS 1 was sent on this Network Connection.
    Sent1,
    /// PUBLISH at QoS 2 was sent on this Network Connection.
    Sent2,
    /// PUBREL was sent, and the PUBLISH on this Network Connection too.
    Released,
    /// PUBLISH at QoS 1 must be sent again.
    Due1,
    /// PUBLISH at QoS 2 must be sent again.
    Due2,
    /// PUBREL must be sent again.
    ReleaseDue,
    /// PUBREL was sent; the PUBLISH on an earlier Network Connection, whose window is gone.
    ReleasedBefore,
    /// Taken for a SUBSCRIBE or UNSUBSCRIBE.
    Reserved,
    /// Over.
    Gap,
}

impl State {
    /// Whether it counts against the peer's Receive Maximum.
    fn in_window(self) -> bool {
        matches!(self, State::Sent1 | State::Sent2 | State::Released)
    }
}

#[derive(Debug)]
struct Flow<T> {
    id: PacketId,
    state: State,
    /// None in `Reserved` and `Gap` alone.
    kept: Option<T>,
}

/// The flows that this side has started: packet identifiers, the peer's Receive Maximum, and
/// what is kept (`T`) for sending again.
#[derive(Debug)]
pub struct Outbound<T> {
    /// Identifiers ascend from the front, going round after 65,535. The front is no gap.
    flows: VecDeque<Flow<T>>,
    /// Flows older than those in the queue.
    aside: Option<Box<Aside<T>>>,
    /// Flows and reserved identifiers.
    taken: u16,
    /// Of these, reserved ones.
    reserved: u16,
    /// The identifier given out last; 0: none yet.
    last: u16,
    /// The peer's Receive Maximum.
    window: u16,
    /// Flows that count against it.
    used: u16,
    /// PUBRELs and PUBLISHes still to be sent again.
    releases_due: u16,
    publishes_due: u16,
    /// No flow before this place is to be sent again in this round.
    cursor: u16,
}

/// Flows that the sequence of identifiers has overtaken, oldest first, without gaps.
#[derive(Debug)]
struct Aside<T> {
    flows: Vec<Flow<T>>,
}

/// With room for more flows than this, an `Outbound` that has become empty gives memory back.
const KEEP_CAPACITY: usize = 64;

/// The number of Packet Identifiers.
const IDS: u16 = u16::MAX;

impl<T> Default for Outbound<T> {
    fn default() -> Outbound<T> {
        Outbound {
            flows: VecDeque::new(),
            aside: None,
            taken: 0,
            reserved: 0,
            last: 0,
            window: u16::MAX,
            used: 0,
            releases_due: 0,
            publishes_due: 0,
            cursor: 0,
        }
    }
}

impl<T> Outbound<T> {
    /// No flow; the window is 65,535.
    pub fn new() -> Outbound<T> {
        Outbound::default()
    }

    /// Whether one more flow may start: the window is open, an identifier is free, and nothing is
    /// left to be sent again. v5 [MQTT-4.9.0-1] [MQTT-4.9.0-2] [MQTT-3.3.4-7] [MQTT-3.3.4-9]
    pub fn has_room(&self) -> bool {
        self.used < self.window
            && self.publishes_due == 0
            && self.releases_due == 0
            && self.taken < IDS
    }

    /// How many flows may start before `has_room` says no.
    pub fn room(&self) -> usize {
        if self.has_room() { (self.window - self.used).min(IDS - self.taken).into() } else { 0 }
    }

    /// Starts a flow at QoS 1 or 2. Only after `has_room`.
    ///
    /// # Panics
    ///
    /// When all 65,535 identifiers are in use, which `has_room` would have told.
    pub fn start(&mut self, qos: QoS, kept: T) -> PacketId {
        let state = if qos == QoS::ExactlyOnce { State::Sent2 } else { State::Sent1 };
        self.used += 1; // v5 [MQTT-4.9.0-2]
        self.take(state, Some(kept)).expect("has_room was asked")
    }

    /// Takes a Packet Identifier for a SUBSCRIBE or UNSUBSCRIBE; none when all are in use.
    /// v5 [MQTT-2.2.1-3]
    pub fn reserve(&mut self) -> Option<PacketId> {
        let id = self.take(State::Reserved, None)?;
        self.reserved += 1;
        Some(id)
    }

    /// Frees an identifier that `reserve` gave; whether it was reserved.
    pub fn release(&mut self, id: PacketId) -> bool {
        let Some(at) = self.find(id) else { return false };
        if self.flow(at).state != State::Reserved {
            return false;
        }
        self.reserved -= 1;
        self.end(at);
        true
    }

    /// PUBACK, PUBREC or PUBCOMP has come.
    ///
    /// The window opens by one with PUBACK, PUBCOMP and a PUBREC that reports a failure, whatever
    /// code the first two carry, but not for a PUBLISH that was sent on an earlier Network
    /// Connection. Such a PUBREC ends the flow. A PUBREC that comes again is answered again.
    pub fn handle_ack(&mut self, kind: AckKind, id: PacketId, reason: Reason) -> AckOutcome<T> {
        use State::*;
        let Some(at) = self.find(id) else { return AckOutcome::Unknown };
        let state = self.flow(at).state;
        let ends = match (kind, state) {
            (AckKind::PubAck, Sent1 | Due1) => true,
            (AckKind::PubRec, Sent2 | Due2) => reason.is_error(), // v5 [MQTT-4.3.3-4]
            // A repeat: its PUBREL may have been lost with an earlier connection.
            (AckKind::PubRec, Released | ReleasedBefore) => false,
            (AckKind::PubRec, ReleaseDue) => false,
            (AckKind::PubComp, Released | ReleasedBefore | ReleaseDue) => true,
            _ => return AckOutcome::Unknown,
        };
        match state {
            Due1 | Due2 => self.publishes_due -= 1,
            ReleaseDue => self.release_sent(),
            _ => {}
        }
        if ends {
            if let Some(kept) = self.end(at) {
                return AckOutcome::Done(kept);
            }
        } else {
            self.flow(at).state =
                if matches!(state, Sent2 | Released) { Released } else { ReleasedBefore };
        }
        AckOutcome::Release
    }

    /// A new Network Connection whose peer has this Receive Maximum: the quota starts anew, and
    /// reserved identifiers are free. Flows stay; send them again with `next_resend`.
    pub fn resume(&mut self, receive_maximum: u16) {
        use State::*;
        self.window = receive_maximum;
        self.used = 0;
        self.taken -= self.reserved;
        self.reserved = 0;
        let (mut releases, mut publishes) = (0, 0);
        self.retain(|flow| {
            flow.state = match flow.state {
                Sent1 | Due1 => Due1,
                Sent2 | Due2 => Due2,
                Released | ReleaseDue | ReleasedBefore => ReleaseDue,
                Reserved | Gap => return false,
            };
            *(if flow.state == ReleaseDue { &mut releases } else { &mut publishes }) += 1;
            true
        });
        (self.releases_due, self.publishes_due) = (releases, publishes);
    }

    /// Takes up flows that were stored, in the order in which they started, on top of none. They
    /// wait for `resume`.
    pub fn restore(&mut self, flows: Vec<Inflight<T>>) {
        debug_assert!(self.is_empty());
        let Some(newest) = flows.last().map(|flow| flow.id.get()) else { return };
        self.last = newest;
        self.taken = flows.len() as u16;
        // How far an identifier is behind the newest. The sequence has overtaken those that are
        // not farther behind than all that started later.
        let behind = |id: PacketId| match newest.checked_sub(id.get()) {
            Some(distance) => distance,
            None => IDS - id.get() + newest,
        };
        let mut farthest = None;
        let mut aside = Vec::new();
        for Inflight { id, qos, released, kept } in flows.into_iter().rev() {
            let state = match (released, qos) {
                (true, _) => State::ReleasedBefore,
                (false, QoS::ExactlyOnce) => State::Sent2,
                (false, _) => State::Sent1,
            };
            let flow = Flow { id, state, kept: Some(kept) };
            if farthest.is_none_or(|farthest| behind(id) > farthest) {
                farthest = Some(behind(id));
                self.flows.push_front(flow);
            } else {
                aside.push(flow);
            }
        }
        if !aside.is_empty() {
            aside.reverse();
            self.aside = Some(Box::new(Aside { flows: aside }));
        }
    }

    /// What to send again next: first each PUBREL, then each PUBLISH, both in the order in which
    /// their flows started; none when all were sent or the window is closed.
    /// v5 [MQTT-4.4.0-1] [MQTT-4.6.0-1] v311 [MQTT-4.4.0-1] [MQTT-4.6.0-1]
    ///
    /// A PUBREL needs no room in the window. v5 [MQTT-3.3.4-8] [MQTT-4.9.0-3]
    pub fn next_resend(&mut self) -> Option<Resend<'_, T>> {
        use State::*;
        if self.releases_due > 0 {
            let at = self.seek(|state| state == ReleaseDue)?;
            self.release_sent();
            let flow = self.flow(at);
            flow.state = ReleasedBefore;
            return Some(Resend::PubRel(flow.id));
        }
        if self.publishes_due == 0 || self.used >= self.window {
            return None;
        }
        let at = self.seek(|state| matches!(state, Due1 | Due2))?;
        self.publishes_due -= 1;
        self.used += 1;
        let flow = self.flow(at);
        let (state, qos) = match flow.state {
            Due2 => (Sent2, QoS::ExactlyOnce),
            _ => (Sent1, QoS::AtLeastOnce),
        };
        flow.state = state;
        flow.kept.as_ref().map(|kept| Resend::Publish(flow.id, qos, kept))
    }

    /// One PUBREL less to send again; after the last the PUBLISHes are looked for.
    fn release_sent(&mut self) {
        self.releases_due -= 1;
        if self.releases_due == 0 {
            self.cursor = 0;
        }
    }

    /// What was kept for this flow.
    pub fn get(&self, id: PacketId) -> Option<&T> {
        let at = self.find(id)?;
        let aside = self.aside();
        aside.get(at).or_else(|| self.flows.get(at - aside.len()))?.kept.as_ref()
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, id: PacketId) -> Option<&mut T> {
        let at = self.find(id)?;
        self.flow(at).kept.as_mut()
    }

    /// What was kept for each flow, in the order in which they started.
    pub fn iter(&self) -> impl Iterator<Item = (PacketId, &T)> {
        self.all().filter_map(|flow| Some((flow.id, flow.kept.as_ref()?)))
    }

    /// What was kept for each flow, in the order in which they started, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let aside = self.aside.iter_mut().flat_map(|aside| aside.flows.iter_mut());
        aside.chain(&mut self.flows).filter_map(|flow| flow.kept.as_mut())
    }

    /// Ends every flow and hands back what was kept, in order. Reserved identifiers stay.
    pub fn drain(&mut self) -> Vec<T> {
        let mut kept = Vec::with_capacity(self.len());
        self.retain(|flow| {
            kept.extend(flow.kept.take());
            flow.state == State::Reserved
        });
        self.taken = self.reserved;
        (self.used, self.releases_due, self.publishes_due) = (0, 0, 0);
        self.tidy();
        kept
    }

    /// Number of flows.
    pub fn len(&self) -> usize {
        usize::from(self.taken - self.reserved)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn aside(&self) -> &[Flow<T>] {
        self.aside.as_ref().map_or(&[], |aside| &aside.flows)
    }

    fn all(&self) -> impl Iterator<Item = &Flow<T>> {
        self.aside().iter().chain(&self.flows)
    }

    /// The flow at a place, which counts through those set aside, then the queue.
    fn flow(&mut self, at: usize) -> &mut Flow<T> {
        let set_aside = self.aside().len();
        match &mut self.aside {
            Some(aside) if at < set_aside => &mut aside.flows[at],
            _ => &mut self.flows[at - set_aside],
        }
    }

    /// Gives out the next identifier that is free.
    fn take(&mut self, state: State, kept: Option<T>) -> Option<PacketId> {
        if self.taken == IDS {
            return None;
        }
        // Many gaps for few flows: an old one is in the way.
        if self.flows.len() > KEEP_CAPACITY && self.flows.len() > 4 * usize::from(self.taken) {
            self.retain(|flow| flow.state != State::Gap);
        }
        let id = loop {
            let next = PacketId::new(self.last.wrapping_add(1)).unwrap_or(PacketId::MIN);
            self.last = next.get();
            // v5 [MQTT-2.2.1-3] [MQTT-2.2.1-4] v311 [MQTT-2.3.1-2] [MQTT-2.3.1-4]
            if self.flows.front().is_some_and(|oldest| oldest.id == next) {
                self.set_oldest_aside();
            } else if self.aside().iter().all(|flow| flow.id != next) {
                break next;
            }
        };
        self.taken += 1;
        self.flows.push_back(Flow { id, state, kept });
        Some(id)
    }

    fn set_oldest_aside(&mut self) {
        let oldest = self.flows.pop_front();
        let aside = self.aside.get_or_insert_with(|| Box::new(Aside { flows: Vec::new() }));
        aside.flows.extend(oldest);
        self.cursor = 0;
        self.drop_gaps();
    }

    /// The place of an identifier that is in use.
    fn find(&self, id: PacketId) -> Option<usize> {
        let aside = self.aside();
        if let Some(at) = aside.iter().position(|flow| flow.id == id) {
            return Some(at);
        }
        let oldest = self.flows.front()?.id.get();
        let distance = |id: PacketId| match id.get().checked_sub(oldest) {
            Some(ahead) => usize::from(ahead),
            None => usize::from(IDS - oldest + id.get()),
        };
        let wanted = distance(id);
        let at = match self.flows.get(wanted) {
            Some(flow) if flow.id == id => wanted,
            // Gaps were taken out.
            _ => self.flows.binary_search_by_key(&wanted, |flow| distance(flow.id)).ok()?,
        };
        (self.flows[at].state != State::Gap).then_some(aside.len() + at)
    }

    /// Moves the cursor to the next flow in a state that is wanted.
    fn seek(&mut self, wanted: impl Fn(State) -> bool) -> Option<usize> {
        let start = usize::from(self.cursor);
        let aside = self.aside();
        let at = match aside.iter().skip(start).position(|flow| wanted(flow.state)) {
            Some(ahead) => start + ahead,
            None => {
                let start = start.max(aside.len());
                let mut queued = self.flows.range(start - aside.len()..);
                start + queued.position(|flow| wanted(flow.state))?
            }
        };
        self.cursor = at as u16;
        Some(at)
    }

    /// Makes the place a gap and hands back what was kept there.
    fn end(&mut self, at: usize) -> Option<T> {
        let flow = self.flow(at);
        let counted = flow.state.in_window();
        flow.state = State::Gap;
        let kept = flow.kept.take();
        self.used -= u16::from(counted);
        self.taken -= 1;
        if let Some(aside) = self.aside.as_mut().filter(|aside| at < aside.flows.len()) {
            aside.flows.remove(at);
            self.cursor = 0;
            if aside.flows.is_empty() {
                self.aside = None;
            }
        }
        self.tidy();
        kept
    }

    /// Takes gaps out at the front, and gives memory back when nothing is left.
    fn tidy(&mut self) {
        if self.taken > 0 {
            return self.drop_gaps();
        }
        self.cursor = 0;
        if self.flows.capacity() > KEEP_CAPACITY {
            self.flows = VecDeque::new();
        } else {
            self.flows.clear();
        }
    }

    fn drop_gaps(&mut self) {
        while self.flows.front().is_some_and(|flow| flow.state == State::Gap) {
            self.flows.pop_front();
            self.cursor = self.cursor.saturating_sub(1);
        }
    }

    /// Takes out every flow that is not wanted.
    fn retain(&mut self, mut wanted: impl FnMut(&mut Flow<T>) -> bool) {
        if let Some(mut aside) = self.aside.take() {
            aside.flows.retain_mut(&mut wanted);
            self.aside = Some(aside).filter(|aside| !aside.flows.is_empty());
        }
        self.flows.retain_mut(&mut wanted);
        self.cursor = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use QoS::{AtLeastOnce, ExactlyOnce};

    fn id(n: u16) -> PacketId {
        PacketId::new(n).unwrap()
    }

    fn acked(outbound: &mut Outbound<u32>, kind: AckKind, n: u16) -> AckOutcome<u32> {
        outbound.handle_ack(kind, id(n), Reason::Success)
    }

    /// Everything that `next_resend` has now: `P` or `R` and the identifier.
    fn resent(outbound: &mut Outbound<u32>) -> Vec<(char, u16)> {
        core::iter::from_fn(|| {
            Some(match outbound.next_resend()? {
                Resend::Publish(id, _, _) => ('P', id.get()),
                Resend::PubRel(id) => ('R', id.get()),
            })
        })
        .collect()
    }

    #[test]
    fn it_is_small_and_owns_nothing_while_it_is_empty() {
        assert!(size_of::<Outbound<[u64; 8]>>() <= 64);
        let mut outbound = Outbound::new();
        for n in 0..1_000 {
            outbound.start(AtLeastOnce, n);
        }
        for n in 1..=1_000 {
            assert_eq!(
                acked(&mut outbound, AckKind::PubAck, n),
                AckOutcome::Done(u32::from(n) - 1)
            );
        }
        assert!(outbound.is_empty());
        assert_eq!(outbound.flows.capacity(), 0);
    }

    #[test]
    fn a_qos1_flow_ends_with_puback_alone() {
        let mut outbound = Outbound::new();
        assert_eq!(outbound.start(AtLeastOnce, 5), id(1));
        for kind in [AckKind::PubRec, AckKind::PubComp, AckKind::PubRel] {
            assert_eq!(acked(&mut outbound, kind, 1), AckOutcome::Unknown);
        }
        assert_eq!(acked(&mut outbound, AckKind::PubAck, 2), AckOutcome::Unknown);
        assert_eq!(acked(&mut outbound, AckKind::PubAck, 1), AckOutcome::Done(5));
        assert_eq!(acked(&mut outbound, AckKind::PubAck, 1), AckOutcome::Unknown);
    }

    #[test]
    fn a_qos2_flow_takes_pubrec_then_pubcomp() {
        let mut outbound = Outbound::new();
        outbound.start(ExactlyOnce, 5);
        assert_eq!(acked(&mut outbound, AckKind::PubAck, 1), AckOutcome::Unknown);
        assert_eq!(acked(&mut outbound, AckKind::PubComp, 1), AckOutcome::Unknown);
        assert_eq!(acked(&mut outbound, AckKind::PubRec, 1), AckOutcome::Release);
        assert_eq!(acked(&mut outbound, AckKind::PubRec, 1), AckOutcome::Release);
        assert_eq!(outbound.get(id(1)), Some(&5));
        assert_eq!(acked(&mut outbound, AckKind::PubComp, 1), AckOutcome::Done(5));
        assert_eq!(outbound.get(id(1)), None);
    }

    #[test]
    fn a_pubrec_that_reports_a_failure_ends_the_flow() {
        let mut outbound = Outbound::new();
        outbound.resume(1);
        outbound.start(ExactlyOnce, 5);
        assert!(!outbound.has_room());
        let refused = outbound.handle_ack(AckKind::PubRec, id(1), Reason::QuotaExceeded);
        assert_eq!(refused, AckOutcome::Done(5));
        assert!(outbound.has_room());
    }

    #[test]
    fn the_window_opens_with_puback_and_pubcomp_and_never_beyond_receive_maximum() {
        let mut outbound = Outbound::new();
        outbound.resume(2);
        outbound.start(AtLeastOnce, 1);
        outbound.start(ExactlyOnce, 2);
        assert!(!outbound.has_room());
        acked(&mut outbound, AckKind::PubRec, 2);
        assert!(!outbound.has_room());
        acked(&mut outbound, AckKind::PubComp, 2);
        acked(&mut outbound, AckKind::PubComp, 2);
        assert_eq!(outbound.room(), 1);
        acked(&mut outbound, AckKind::PubAck, 1);
        assert_eq!(outbound.room(), 2);
    }

    #[test]
    fn a_resumed_session_sends_again_in_order_as_the_window_allows() {
        let mut outbound = Outbound::new();
        for n in 1..=6 {
            outbound.start(if n % 2 == 0 { ExactlyOnce } else { AtLeastOnce }, n);
        }
        acked(&mut outbound, AckKind::PubRec, 4);
        acked(&mut outbound, AckKind::PubRec, 2);
        outbound.resume(2);
        assert_eq!(resent(&mut outbound), [('R', 2), ('R', 4), ('P', 1), ('P', 3)]);
        assert!(!outbound.has_room());
        // This PUBLISH was not sent on this connection.
        assert_eq!(acked(&mut outbound, AckKind::PubComp, 2), AckOutcome::Done(2));
        assert_eq!(resent(&mut outbound), []);
        assert_eq!(acked(&mut outbound, AckKind::PubAck, 1), AckOutcome::Done(1));
        assert_eq!(resent(&mut outbound), [('P', 5)]);
        assert!(!outbound.has_room());
        acked(&mut outbound, AckKind::PubAck, 3);
        assert_eq!(resent(&mut outbound), [('P', 6)]);
        assert!(!outbound.has_room());
        acked(&mut outbound, AckKind::PubAck, 5);
        assert!(outbound.has_room());
        assert_eq!(outbound.start(AtLeastOnce, 7), id(7));
    }

    #[test]
    fn an_early_acknowledgement_spares_the_resend() {
        let mut outbound = Outbound::new();
        for n in 1..=3 {
            outbound.start(ExactlyOnce, n);
        }
        acked(&mut outbound, AckKind::PubRec, 3);
        outbound.resume(10);
        assert_eq!(acked(&mut outbound, AckKind::PubComp, 3), AckOutcome::Done(3));
        assert_eq!(acked(&mut outbound, AckKind::PubRec, 1), AckOutcome::Release);
        assert_eq!(resent(&mut outbound), [('P', 2)]);
        assert!(outbound.has_room());
        assert_eq!(outbound.room(), 9);
    }

    #[test]
    fn reserved_identifiers_are_no_flows_and_end_with_the_connection() {
        let mut outbound = Outbound::new();
        outbound.start(AtLeastOnce, 1);
        let subscribe = outbound.reserve().unwrap();
        assert_eq!((subscribe, outbound.len()), (id(2), 1));
        assert_eq!(acked(&mut outbound, AckKind::PubAck, 2), AckOutcome::Unknown);
        assert!(!outbound.release(id(1)));
        assert!(outbound.release(subscribe));
        assert!(!outbound.release(subscribe));
        let other = outbound.reserve().unwrap();
        outbound.resume(10);
        assert!(!outbound.release(other));
        assert_eq!(resent(&mut outbound), [('P', 1)]);
        assert_eq!(outbound.drain(), [1]);
    }

    #[test]
    fn identifiers_in_use_are_not_given_out_again() {
        let mut outbound = Outbound::new();
        for n in 1..=u32::from(u16::MAX) {
            assert!(outbound.has_room());
            assert_eq!(outbound.start(AtLeastOnce, n).get(), n as u16);
        }
        assert!(!outbound.has_room());
        assert_eq!(outbound.reserve(), None);
        acked(&mut outbound, AckKind::PubAck, 40_000);
        assert_eq!(outbound.reserve(), Some(id(40_000)));
    }

    #[test]
    fn stored_flows_are_taken_up_as_they_were() {
        let mut outbound = Outbound::new();
        for n in 1..=65_600 {
            let sent = outbound.start(AtLeastOnce, n);
            if n != 68 {
                acked(&mut outbound, AckKind::PubAck, sent.get());
            }
        }
        for n in 0..5 {
            outbound.start(if n % 2 == 0 { AtLeastOnce } else { ExactlyOnce }, n);
        }
        let second = outbound.iter().nth(2).unwrap().0;
        acked(&mut outbound, AckKind::PubRec, second.get());
        let flows = outbound.all().filter(|flow| flow.kept.is_some()).map(|flow| Inflight {
            id: flow.id,
            qos: if flow.state == State::Sent1 { AtLeastOnce } else { ExactlyOnce },
            released: flow.state == State::Released,
            kept: flow.kept.unwrap(),
        });
        let mut restored = Outbound::new();
        restored.restore(flows.collect());
        assert!(outbound.aside.is_some() && restored.aside.is_some());
        outbound.resume(100);
        restored.resume(100);
        let again = resent(&mut outbound);
        assert_eq!((again.len(), again[0].0), (6, 'R'));
        assert_eq!(resent(&mut restored), again);
        assert!(restored.iter().eq(outbound.iter()));
        assert_eq!(restored.start(AtLeastOnce, 9), outbound.start(AtLeastOnce, 9));
        for (_, id) in again {
            let kind = if id == second.get() { AckKind::PubComp } else { AckKind::PubAck };
            assert_eq!(acked(&mut restored, kind, id), acked(&mut outbound, kind, id));
        }
    }

    #[test]
    fn one_flow_that_never_ends_holds_nothing_up() {
        let mut outbound = Outbound::new();
        assert_eq!(outbound.start(AtLeastOnce, 0), id(1));
        for n in 1..=200_000 {
            let sent = outbound.start(AtLeastOnce, n);
            assert_ne!(sent, id(1));
            assert_eq!(acked(&mut outbound, AckKind::PubAck, sent.get()), AckOutcome::Done(n));
            assert!(outbound.flows.len() < 100);
        }
        assert_eq!(acked(&mut outbound, AckKind::PubAck, 1), AckOutcome::Done(0));
        assert!(outbound.aside.is_none() && outbound.is_empty());
    }

    /// A plain list does the same.
    #[test]
    fn any_order_of_acknowledgements_will_do() {
        let mut state = 7_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        let mut outbound = Outbound::new();
        let mut model: Vec<(PacketId, u32, bool)> = Vec::new();
        for n in 0..300_000 {
            let target = if n % 50_000 < 25_000 { 40 } else { 400 };
            if model.len() < target && random(8) > 0 {
                let kept = outbound.start(if n % 3 == 0 { ExactlyOnce } else { AtLeastOnce }, n);
                assert!(model.iter().all(|(id, ..)| *id != kept));
                model.push((kept, n, n % 3 == 0));
            } else if !model.is_empty() {
                // One in a hundred of the first stays for very long.
                let at = random(model.len()).max(usize::from(n % 100 != 0)) % model.len();
                let (id, kept, twice) = model.remove(at);
                if twice {
                    let kind = AckKind::PubRec;
                    assert_eq!(acked(&mut outbound, kind, id.get()), AckOutcome::Release);
                }
                let kind = if twice { AckKind::PubComp } else { AckKind::PubAck };
                assert_eq!(acked(&mut outbound, kind, id.get()), AckOutcome::Done(kept));
            }
            if n % 10_000 == 0 {
                outbound.resume(u16::MAX);
                let again: Vec<u16> = resent(&mut outbound).into_iter().map(|(_, n)| n).collect();
                assert_eq!(again, model.iter().map(|(id, ..)| id.get()).collect::<Vec<_>>());
            }
            assert_eq!(outbound.len(), model.len());
        }
        assert_eq!(outbound.drain(), model.iter().map(|(_, kept, _)| *kept).collect::<Vec<_>>());
    }
}
