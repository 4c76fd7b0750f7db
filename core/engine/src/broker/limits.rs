//! Bounds on what peers may cost: before they are known, per address, and per client.
//!
//! A link that has not come through CONNECT is *pending*. Shards keep their pending links in the
//! order in which they came, so that a flood of them pushes out the oldest and not whoever comes
//! next. What belongs to an address is shared by all shards, and looked at only where a limit asks
//! for it: when a link opens, when a CONNECT comes, and when one was refused.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use libmqtt_codec::Reason;
use libmqtt_locks::{Mutex, MutexGuard, PoisonError};

use super::link::State;
use super::shard::Timer;
use super::{BrokerConfig, LinkId, Shard, Shared};
use crate::Instant;

/// Addresses remembered at most. Beyond, new ones are let in without a look: the bounds on all
/// connections hold.
const ADDRESSES_MAX: usize = 128 * 1024;
/// How often to look for addresses that nothing is known of any more, at most.
const PURGE_INTERVAL: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// A rate: so much at once, and as much again in each span of time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    /// What was taken is paid for by then.
    paid_at: Instant,
}

impl Bucket {
    /// Takes `amount` where `per_span` may be taken in a span, however much is taken already.
    fn take(&mut self, now: Instant, amount: u64, per_span: u64, span: Duration) {
        let cost = u128::from(amount) * span.as_nanos() / u128::from(per_span.max(1));
        let cost = Duration::from_nanos(cost.try_into().unwrap_or(u64::MAX));
        self.paid_at = self.paid_at.max(full_since(now, span)) + cost;
    }

    /// Whether more was taken than the rate allows.
    fn is_overdrawn(&self, now: Instant) -> bool {
        self.paid_at > now
    }

    /// Whether nothing more may be taken without overdrawing it.
    fn has_none(&self, now: Instant, per_span: u64, span: Duration) -> bool {
        let mut one_more = *self;
        one_more.take(now, 1, per_span, span);
        one_more.is_overdrawn(now)
    }

    /// Whether it is as one that was never used.
    fn is_full(&self, now: Instant, span: Duration) -> bool {
        self.paid_at <= full_since(now, span)
    }
}

fn full_since(now: Instant, span: Duration) -> Instant {
    Instant::from_nanos(now.as_nanos().saturating_sub(span.as_nanos() as u64))
}

/// What a client may still send.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowance {
    messages: Bucket,
    bytes: Bucket,
}

/// Peers that count as one: an IPv4 address, or the /64 network of an IPv6 address, which a single
/// subscriber of a provider has to himself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Neighbours {
    V4(u32),
    V6(u64),
}

impl From<SocketAddr> for Neighbours {
    fn from(peer: SocketAddr) -> Neighbours {
        match peer.ip().to_canonical() {
            IpAddr::V4(address) => Neighbours::V4(address.to_bits()),
            IpAddr::V6(address) => Neighbours::V6((address.to_bits() >> 64) as u64),
        }
    }
}

/// What is known of the peers at one address.
#[derive(Debug, Default)]
struct Address {
    connections: u32,
    connects: Bucket,
    failures: Bucket,
}

impl Address {
    fn is_forgettable(&self, now: Instant) -> bool {
        self.connections == 0
            && self.connects.is_full(now, MINUTE)
            && self.failures.is_full(now, MINUTE)
    }
}

/// The addresses that something is known of.
#[derive(Debug)]
pub(super) struct Addresses {
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    addresses: HashMap<Neighbours, Address, FixedState>,
    /// Look for what can be forgotten at this many addresses.
    purge_at: usize,
    /// And not before this.
    purge_after: Instant,
}

impl Addresses {
    pub(super) fn new(seed: u64) -> Addresses {
        let addresses = HashMap::with_hasher(FixedState::with_seed(seed));
        let known = Known { addresses, purge_at: 1024, purge_after: Instant::default() };
        Addresses { known: Mutex::new(known) }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// What is known of an address; none: there is no room for more.
    fn address(&mut self, now: Instant, whose: Neighbours) -> Option<&mut Address> {
        if !self.addresses.contains_key(&whose) {
            if self.addresses.len() >= self.purge_at && now >= self.purge_after {
                self.addresses.retain(|_, address| !address.is_forgettable(now));
                self.purge_at = (2 * self.addresses.len()).clamp(1024, ADDRESSES_MAX);
                self.purge_after = now + PURGE_INTERVAL;
            }
            if self.addresses.len() >= ADDRESSES_MAX {
                return None;
            }
        }
        Some(self.addresses.entry(whose).or_default())
    }
}

/// A link's place among those of its address, until it is dropped.
#[derive(Debug)]
pub(super) struct Guest {
    shared: Arc<Shared>,
    whose: Neighbours,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut known = self.shared.addresses.known();
        if let Some(address) = known.addresses.get_mut(&self.whose) {
            address.connections -= 1;
        }
    }
}

/// Links that have not come through CONNECT, the oldest first; some that have are among them.
#[derive(Debug, Default)]
pub(super) struct Pending {
    links: VecDeque<LinkId>,
    /// How many came since it was looked through.
    new: usize,
}

impl BrokerConfig {
    fn limits_addresses(&self) -> bool {
        self.address_connections_max > 0
            || self.address_connects_per_min_max > 0
            || self.address_failures_per_min_max > 0
    }

    /// Whether what clients send is limited by time.
    pub(super) fn limits_clients(&self) -> bool {
        self.client_messages_per_s_max > 0 || self.client_bytes_per_s_max > 0
    }
}

impl Shard {
    /// Whether a link may open from there: its place among those of its address, if these are
    /// counted.
    pub(super) fn admit(
        &self,
        now: Instant,
        peer: Option<SocketAddr>,
    ) -> Result<Option<Box<Guest>>, Reason> {
        let config = &self.shared.config;
        let Some(peer) = peer.filter(|_| config.limits_addresses()) else { return Ok(None) };
        let whose = Neighbours::from(peer);
        let mut known = self.shared.addresses.known();
        let Some(address) = known.address(now, whose) else { return Ok(None) };
        let (most, rate) = (config.address_connections_max, config.address_connects_per_min_max);
        if most > 0 && address.connections >= most {
            return Err(Reason::QuotaExceeded);
        }
        if rate > 0 {
            if address.connects.has_none(now, rate.into(), MINUTE) {
                return Err(Reason::ConnectionRateExceeded);
            }
            address.connects.take(now, 1, rate.into(), MINUTE);
        }
        address.connections += 1;
        Ok(Some(Box::new(Guest { shared: Arc::clone(&self.shared), whose })))
    }

    /// Whether so many logins from there have failed lately that no other is tried.
    pub(super) fn has_failed_too_often(&self, now: Instant, peer: Option<SocketAddr>) -> bool {
        let rate = self.shared.config.address_failures_per_min_max;
        let Some(peer) = peer.filter(|_| rate > 0) else { return false };
        let known = self.shared.addresses.known();
        let address = known.addresses.get(&Neighbours::from(peer));
        address.is_some_and(|address| address.failures.has_none(now, rate.into(), MINUTE))
    }

    /// Notes that a login from there has failed for this reason.
    pub(super) fn note_failure(&mut self, now: Instant, peer: Option<SocketAddr>, reason: Reason) {
        if matches!(reason, Reason::ServerBusy | Reason::ServerUnavailable) {
            return; // our fault
        }
        self.tables.stats.logins_failed += 1;
        let rate = self.shared.config.address_failures_per_min_max;
        let Some(peer) = peer.filter(|_| rate > 0) else { return };
        if let Some(address) = self.shared.addresses.known().address(now, peer.into()) {
            address.failures.take(now, 1, rate.into(), MINUTE);
        }
    }

    /// Notes a new pending link, and closes the oldest where there are too many.
    pub(super) fn note_pending(&mut self, link: LinkId) {
        let most = self.shared.config.pending_max;
        self.pending.links.push_back(link);
        self.pending.new += 1;
        if self.pending.links.len() <= most {
            return;
        }
        let links = &self.tables.links;
        let waits = |link: &LinkId| {
            links
                .get(link.index, link.generation)
                .is_some_and(|link| matches!(link.state, State::Fresh | State::Authenticating))
        };
        if self.pending.new > most / 4 {
            self.pending.links.retain(waits);
            self.pending.new = 0;
        }
        while self.pending.links.len() > most {
            let Some(oldest) = self.pending.links.pop_front() else { return };
            if waits(&oldest) {
                self.tables.stats.connections_refused += 1;
                self.drop_link(oldest, Reason::ServerBusy);
                return;
            }
        }
    }

    /// Counts a packet against what its client may send. If that was too much, the client is not
    /// read until it is made up for; whether it was.
    pub(super) fn charge(
        &mut self,
        now: Instant,
        link: LinkId,
        bytes: usize,
        message: bool,
    ) -> bool {
        let config = &self.shared.config;
        let (messages_max, bytes_max) =
            (config.client_messages_per_s_max, config.client_bytes_per_s_max);
        let Some(found) = self.tables.links.get_mut(link.index, link.generation) else {
            return false;
        };
        if found.state != State::Connected {
            return false;
        }
        let allowance = &mut found.extras.get_or_insert_default().allowance;
        if messages_max > 0 && message {
            allowance.messages.take(now, 1, messages_max.into(), SECOND);
        }
        if bytes_max > 0 {
            allowance.bytes.take(now, bytes as u64, bytes_max.into(), SECOND);
        }
        let until = allowance.messages.paid_at.max(allowance.bytes.paid_at);
        if until <= now {
            return false;
        }
        found.throttled = true;
        self.tables.stats.throttled += 1;
        self.timers.arm(until, Timer::Throttle(link));
        self.pause(link);
        true
    }

    /// A client has made up for what it sent.
    pub(super) fn end_throttle(&mut self, now: Instant, link: LinkId) {
        if let Some(found) = self.tables.links.get_mut(link.index, link.generation) {
            found.throttled = false;
            self.read_again(now, link);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_span_at_once_and_then_its_rate() {
        let mut now = Instant::from_nanos(1);
        let mut bucket = Bucket::default();
        let mut taken = 0;
        let mut take = |now| {
            let free = !bucket.has_none(now, 60, MINUTE);
            if free {
                bucket.take(now, 1, 60, MINUTE);
                taken += 1;
            }
            free
        };
        // The epoch is near: what was never used is full all the same after a span.
        now = now + MINUTE;
        while take(now) {}
        for _ in 0..10 {
            now = now + SECOND;
            assert!(take(now) && !take(now));
        }
        assert_eq!(taken, 70);
        assert!(!bucket.is_full(now + SECOND, MINUTE) && bucket.is_full(now + MINUTE, MINUTE));
    }

    #[test]
    fn peers_of_one_subscriber_count_as_one() {
        let group = |text: &str| Neighbours::from(text.parse::<SocketAddr>().unwrap());
        assert_eq!(group("1.2.3.4:1"), group("[::ffff:1.2.3.4]:2"));
        assert_ne!(group("1.2.3.4:1"), group("1.2.3.5:1"));
        assert_eq!(group("[2001:db8:1:2::1]:1"), group("[2001:db8:1:2:ffff:ffff:0:9]:2"));
        assert_ne!(group("[2001:db8:1:2::1]:1"), group("[2001:db8:1:3::1]:1"));
        assert_ne!(group("[::]:1"), group("0.0.0.0:1"));
    }

    #[test]
    fn addresses_are_forgotten_and_bounded() {
        let mut now = Instant::from_nanos(1) + MINUTE;
        let addresses = Addresses::new(7);
        let note = |now, n: u32| {
            let mut known = addresses.known();
            let address = known.address(now, Neighbours::V4(n));
            address.map(|address| address.connects.take(now, 1, 60, MINUTE)).is_some()
        };
        let mut most = 0;
        for n in 0..100_000 {
            assert!(note(now, n));
            now = now + Duration::from_millis(100);
            most = most.max(addresses.known().addresses.len());
        }
        assert!(most < 4000, "{most} for the 600 of a minute");
        let refused = (0..200_000).filter(|&n| !note(now, n)).count();
        assert_eq!(addresses.known().addresses.len(), ADDRESSES_MAX);
        assert!((60_000..80_000).contains(&refused), "{refused}");
    }
}
