//! What sessions may be sent: asked of hooks once, remembered with the sessions and in the routes.

use super::Shard;
use crate::topic::SessionKey;

impl Shard {
    /// Command: hooks' answers about rights have changed, so they are asked anew for each session.
    ///
    /// Subscriptions stay. What waits for a session and may not be sent to it any more is dropped
    /// when its turn comes.
    pub fn rights_changed(&mut self) {
        for index in self.tables.sessions.indices() {
            self.ask_rights(index);
        }
    }

    /// Asks for the rights of a session.
    pub(super) fn ask_rights(&mut self, index: u32) {
        let generation = self.tables.sessions.generation(index);
        let Some(session) = self.tables.sessions.at_mut(index) else { return };
        let rights = self.hooks.rights(&session.client);
        if rights.is_none() && session.rights.is_none() {
            return;
        }
        session.rights.clone_from(&rights);
        let key = SessionKey { shard: self.which, index, generation };
        self.shared.set_rights(key, rights);
        // Who has read the rights before has read an earlier generation, too.
        if !session.filters.is_empty() {
            self.shared.index_changed();
        }
    }
}
