//! The store of a client that keeps its messages.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use libmqtt_engine::client::{Client as Machine, ConnectError};
use libmqtt_engine::store::{Completion, Store, StoreError};
use libmqtt_engine::{Instant, UnixTime};
use libmqtt_locks::{Mutex, PoisonError};

use super::core::Driver;
use crate::store::{DiskStore, Durability};

/// Where and how a client keeps its messages at QoS 1 and 2.
///
/// They survive the process: what was published and not yet acknowledged is sent by the next
/// client with this directory and its Client Identifier, in order; what was received at QoS 2
/// is not received twice. A message is safe from the moment that [`Client::flush`] or
/// its acknowledgement tells. The client needs a Client Identifier, and a session that outlives
/// its connection. Messages at QoS 0 are not kept.
///
/// [`Client::flush`]: super::Client::flush
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientPersistence {
    /// The directory, which is made if it is not there. Any number of clients may share it: each
    /// Client Identifier has a file of its own in it, which one client at a time has open.
    pub directory: PathBuf,
    /// When what is stored is on disk. With [`Durability::Sync`], QoS 2 is exactly once even
    /// if the process is killed or the power fails.
    pub durability: Durability,
}

impl ClientPersistence {
    /// In this directory, with [`Durability::Sync`].
    pub fn new(directory: impl Into<PathBuf>) -> ClientPersistence {
        ClientPersistence { directory: directory.into(), durability: Durability::Sync }
    }

    /// The whole path of the file of this client.
    pub fn path(&self, client_id: &str) -> PathBuf {
        self.directory.join(file_name(client_id))
    }
}

/// Why a client cannot keep its messages.
#[derive(Debug)]
pub(crate) enum KeeperError {
    /// Its configuration does not go with that.
    Unfit(ConnectError),
    /// This file does not open.
    Store(PathBuf, StoreError),
}

/// Has the loop look at the client when the store has done something.
#[derive(Default)]
struct Bell(Mutex<Option<Driver>>);

impl Bell {
    fn ring(&self) {
        let driver = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Without one it comes with a look.
        if let Some(driver) = driver {
            driver.drive.wake(driver.key);
        }
    }
}

pub(crate) struct Keeper {
    store: DiskStore,
    bell: Arc<Bell>,
    done: Vec<Completion>,
    failing: bool,
}

impl Keeper {
    /// Opens the file of a client, which begins with what is in it.
    pub(crate) fn open(
        persistence: &ClientPersistence,
        machine: &mut Machine,
        now: Instant,
    ) -> Result<Keeper, KeeperError> {
        let config = machine.config();
        if config.client_id.is_empty() {
            return Err(KeeperError::Unfit(ConnectError::ClientIdEmpty));
        }
        if !config.is_lasting() {
            return Err(KeeperError::Unfit(ConnectError::NotLasting));
        }
        let path = persistence.path(&config.client_id);
        let durability = persistence.durability;
        let bell = Arc::new(Bell::default());
        let store = open(&path, durability, &bell, machine, now)
            .map_err(|error| KeeperError::Store(path, error))?;
        Ok(Keeper { store, bell, done: Vec::new(), failing: false })
    }

    /// Who is to be told that the store has done something.
    pub(crate) fn driven_by(&self, driver: &Driver) {
        *self.bell.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(driver.clone());
    }

    /// Gives the store what there is to be stored.
    pub(crate) fn submit(&mut self, machine: &mut Machine) {
        while let Some(batch) = machine.poll_batch() {
            self.store.submit(batch);
        }
        if machine.poll_flush() {
            // A fetch is answered when all before it is written, which it thus is now.
            self.store.fetch(&[]);
        }
    }

    /// Tells the machine what the store has done; the news of a failure, or of its end.
    pub(crate) fn poll(
        &mut self,
        machine: &mut Machine,
        now: Instant,
    ) -> Option<Result<(), StoreError>> {
        let mut news = None;
        self.store.poll(&mut self.done);
        for completion in self.done.drain(..) {
            match completion {
                Completion::Durable(position) => {
                    machine.handle_persisted(now, position);
                    if core::mem::take(&mut self.failing) {
                        news = Some(Ok(()));
                    }
                }
                Completion::Failed(error) => {
                    machine.handle_store_failed(now);
                    self.failing = true;
                    news = Some(Err(error));
                }
                Completion::Rows(_) => {}
            }
        }
        news
    }
}

fn open(
    path: &Path,
    durability: Durability,
    bell: &Arc<Bell>,
    machine: &mut Machine,
    now: Instant,
) -> Result<DiskStore, StoreError> {
    let rings = bell.clone();
    let mut store = DiskStore::open_client(path, durability, Box::new(move || rings.ring()))?;
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let unix = UnixTime(since_1970.unwrap_or_default().as_millis() as u64);
    machine.restore(&mut store, now, unix, durability == Durability::Sync)?;
    Ok(store)
}

/// Bytes of a Client Identifier that its file's name shows.
const SHOWN: usize = 100;

/// A name that every file system takes, also those that ignore case, and different for every
/// Client Identifier: small letters and digits stand for themselves, other bytes as `%` and two
/// digits; of a long one the beginning, and a hash of all.
fn file_name(client_id: &str) -> String {
    let mut name = String::from("client-");
    for byte in client_id.bytes().take(SHOWN) {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    if client_id.len() > SHOWN {
        // FNV-1a. Two that have it in common are still told apart: the file says whose it is.
        let hash = client_id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        name.truncate(7 + 2 * SHOWN);
        name.push_str(&format!("+{hash:016x}"));
    }
    name.push_str(".db");
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_identifier_has_a_file_name_of_its_own() {
        assert_eq!(file_name("me-1_x"), "client-me-1_x.db");
        assert_eq!(file_name("../Ü/%"), "client-%2e%2e%2f%c3%9c%2f%25.db");
        assert_eq!(file_name("nul"), "client-nul.db");
        let long = "Ä".repeat(32_767);
        let name = file_name(&long);
        assert!(name.len() < 255 && name.is_ascii(), "{name}");
        let ids = ["a", "A", "a ", "%61", "a+", &long, &format!("{long}x")];
        let names: std::collections::HashSet<_> = ids.iter().map(|id| file_name(id)).collect();
        assert_eq!(names.len(), ids.len());
    }
}
