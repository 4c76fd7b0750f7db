//! What goes in and out of a shard.

use core::net::SocketAddr;
use std::sync::Arc;

use libmqtt_codec::Reason;

use super::PeerBatch;
use super::limits::Guest;
use crate::Identity;
use crate::store::{Batch, RowId};

/// Names a shard of one broker: 0, 1, 2, ...
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(pub u16);

/// Names a link (a Network Connection) of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId {
    /// A small number that is used again after the link has gone: good for an array.
    pub index: u32,
    /// Tells it from the links that had the same index before.
    pub generation: u32,
}

/// What is known of the peer of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkInfo {
    /// The peer's address; none within the process.
    pub peer: Option<SocketAddr>,
    /// What the transport has proven about it.
    pub identity: Option<Arc<Identity>>,
}

/// Why a link has closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The peer closed it.
    Peer,
    /// It failed: reset, timed out, unreachable.
    Failed,
}

/// A link on its way to the shard that is its session's home: hand it to that shard's
/// `handle_moved` together with the socket.
#[derive(Debug)]
pub struct Moved {
    pub(crate) info: LinkInfo,
    pub(super) guest: Option<Box<Guest>>,
    /// Bytes read so far, from the CONNECT on.
    pub(crate) bytes: Vec<u8>,
}

/// What the driver must do.
#[derive(Debug)]
pub enum BrokerOutput {
    /// Bytes wait in `outgoing`: write them as far as the transport takes them and say
    /// `handle_sent`. Comes again only after new bytes have come to an empty `outgoing`, so if
    /// the transport stops, go on when it is writable.
    Writable(LinkId),
    /// Write what `outgoing` still has as far as it goes at once, then close the transport. The
    /// link's bytes are there until the next input other than `handle_sent` after all outputs
    /// have been polled. No `handle_closed` is due.
    Close(LinkId, Reason),
    /// Stop reading this link's transport (true), or go on (false).
    Pause(LinkId, bool),
    /// The link has left this shard: unregister its transport, hand it and the [`Moved`] to the
    /// shard named.
    Move(LinkId, ShardId, Moved),
    /// Hand this to the store, and say `handle_persisted` when it is durable. Comes before what
    /// other shards are handed on its account, and only after `persist` was called.
    Persist(Batch),
    /// Ask the store for these rows, after all that it was handed before, and hand what comes to
    /// `handle_rows`, in the order of asking.
    Fetch(Vec<RowId>),
    /// Hand this to the shard named.
    Peer(ShardId, PeerBatch),
}

/// Bytes that wait for a link's transport, in order, as up to three pieces for one vectored
/// write.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outgoing<'a> {
    /// The pieces; empty ones may be among them.
    pub pieces: [&'a [u8]; 3],
}

impl Outgoing<'_> {
    /// Bytes in these pieces.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
