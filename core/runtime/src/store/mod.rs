//! The store on disk.
//!
//! One file, locked while it is open, and one thread, `mqtt-store`, which commits for all handles.
//! It takes all that waits and makes it durable in one transaction; while that syncs, the next
//! gathers. So load makes large transactions, and an idle broker is answered within one sync.
//!
//! A broker has one file; a client that keeps its messages has one too, with a thread of its own.

mod disk;
mod file;
mod rows;

use core::time::Duration;
use std::path::PathBuf;

pub use disk::DiskStore;
pub(crate) use disk::Wake;

/// When what is stored is on disk, and with it what an acknowledgement means. (A client's `flush`
/// has it written at once.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Before it is acknowledged. Nothing that was acknowledged is lost when the process is
    /// killed or the power fails, given a disk that keeps what it has said it keeps.
    #[default]
    Sync,
    /// This long after it was acknowledged at the latest. When the process is killed or the power
    /// fails, up to this much of what was acknowledged is lost: messages, subscriptions, sessions;
    /// and messages that were delivered and acknowledged in that time may come again, at QoS 2
    /// too.
    Interval(Duration),
    /// When the broker or client stops, or 16 MiB of changes have come together. When the process is killed
    /// or the power fails, all since then is lost or comes again.
    Off,
}

impl Durability {
    /// Bytes of changes that a shard may have on the way to the store before its publishers have
    /// to wait, if more than it is told: where nothing is written before so much has gathered, to
    /// wait for that would be to wait for ever.
    pub(crate) fn gathers(self) -> usize {
        match self {
            Durability::Sync => 0,
            Durability::Interval(_) | Durability::Off => 2 * disk::GATHERED_MAX,
        }
    }
}

/// Where and how a broker keeps sessions and messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Persistence {
    /// The directory, which is made if it is not there. It belongs to one broker at a time.
    pub directory: PathBuf,
    /// The name of the file in it.
    pub file: PathBuf,
    /// When what is stored is on disk.
    pub durability: Durability,
}

impl Persistence {
    /// In this directory, with an acknowledgement that means on disk.
    pub fn new(directory: impl Into<PathBuf>) -> Persistence {
        Persistence {
            directory: directory.into(),
            file: "libmqtt.db".into(),
            durability: Durability::Sync,
        }
    }

    /// The whole path of the file.
    pub fn path(&self) -> PathBuf {
        self.directory.join(&self.file)
    }
}
