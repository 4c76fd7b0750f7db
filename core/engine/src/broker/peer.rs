//! What travels between the shards of a broker.

use std::sync::Arc;

use super::Shard;
use super::parcel::{Parcel, Stored, Target};
use crate::Instant;
use crate::topic::SessionKey;

/// Messages from one shard to another: hand it to that shard's `handle_peer`, batches of the same
/// pair of shards in order.
#[derive(Debug, Default)]
pub struct PeerBatch {
    pub(super) deliveries: Vec<Delivery>,
}

/// A message and the sessions of one shard that get it.
#[derive(Debug)]
pub(super) struct Delivery {
    stored: Arc<Stored>,
    to: Arc<[Target]>,
    /// Who published it.
    origin: Option<SessionKey>,
}

impl PeerBatch {
    pub(super) fn push(
        &mut self,
        parcel: &mut Parcel<'_>,
        to: Arc<[Target]>,
        origin: Option<SessionKey>,
    ) {
        self.deliveries.push(Delivery { stored: Arc::clone(parcel.stored()), to, origin });
    }
}

impl Shard {
    pub(super) fn deliver_from_peer(&mut self, now: Instant, delivery: &Delivery) {
        let mut parcel = Parcel::from_stored(&delivery.stored);
        self.tables.begin();
        for target in delivery.to.iter() {
            if target.group != 0 && !self.tables.is_alive(target.session) {
                self.reroute(now, &delivery.stored, target.group);
            } else {
                self.tables.deliver(now, &mut parcel, target, delivery.origin);
            }
        }
    }
}
