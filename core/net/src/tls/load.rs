//! What was read from files, and can be read again.

use std::fmt;
use std::sync::Arc;

use libmqtt_locks::{Mutex, MutexGuard, PoisonError};

use super::source::Stamp;
use super::{TlsClientOptions, TlsConfigError, TlsServerOptions};

/// Options that name files.
pub trait Load: fmt::Debug {
    /// What is made of them.
    type Config;

    #[doc(hidden)]
    fn stamp(&self) -> Stamp;

    #[doc(hidden)]
    fn load(&self) -> Result<Arc<Self::Config>, TlsConfigError>;
}

/// TLS of a listener, read and checked: see [`Loaded`].
pub type TlsServer = Loaded<TlsServerOptions>;

/// TLS of a client, read and checked: see [`Loaded`]. Its connections share the sessions that can
/// be resumed.
pub type TlsClient = Loaded<TlsClientOptions>;

/// TLS as options say, read and checked. Clones are the same, and are reloaded together.
pub struct Loaded<O: Load> {
    shared: Arc<Shared<O>>,
}

struct Shared<O: Load> {
    options: O,
    state: Mutex<State<O::Config>>,
}

struct State<C> {
    config: Arc<C>,
    /// Of the files when they were last looked at.
    stamp: Stamp,
}

impl<O: Load> Loaded<O> {
    /// Reads what the options name.
    pub fn new(options: O) -> Result<Loaded<O>, TlsConfigError> {
        let stamp = options.stamp();
        let config = options.load()?;
        let state = Mutex::new(State { config, stamp });
        Ok(Loaded { shared: Arc::new(Shared { options, state }) })
    }

    /// Reads all files again, for connections to come; those that are open stay as they are. If
    /// anything is wrong, what was read before stays in force.
    pub fn reload(&self) -> Result<(), TlsConfigError> {
        let stamp = self.shared.options.stamp();
        let config = self.shared.options.load();
        let mut state = self.state();
        state.stamp = stamp;
        state.config = config?;
        Ok(())
    }

    /// Reloads if a file has changed since it was last looked at; none: it has not.
    pub fn reload_if_changed(&self) -> Option<Result<(), TlsConfigError>> {
        let stamp = self.shared.options.stamp();
        if self.state().stamp == stamp {
            return None;
        }
        Some(self.reload())
    }

    /// What it was made with.
    pub fn options(&self) -> &O {
        &self.shared.options
    }

    pub(crate) fn config(&self) -> Arc<O::Config> {
        self.state().config.clone()
    }

    fn state(&self) -> MutexGuard<'_, State<O::Config>> {
        // Nothing panics while it is held.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O: Load> Clone for Loaded<O> {
    fn clone(&self) -> Loaded<O> {
        Loaded { shared: self.shared.clone() }
    }
}

impl<O: Load> PartialEq for Loaded<O> {
    fn eq(&self, other: &Loaded<O>) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<O: Load> Eq for Loaded<O> {}

impl<O: Load> fmt::Debug for Loaded<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Loaded").field(&self.shared.options).finish()
    }
}
