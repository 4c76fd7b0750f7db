//! Who may connect, and what clients may do.

mod acl_file;
mod acl_match;
mod password_file;
mod password_gate;
mod password_hash;
mod policy;

use libmqtt_engine::ClientInfo;

pub use acl_file::{AclFile, AclFileError};
pub use password_file::{PasswordFile, PasswordFileError};
pub use password_gate::PasswordGate;
pub use password_hash::{HashError, PasswordHash};
pub(crate) use policy::{Guard, Guarded};
pub use policy::{Policy, PolicyError};

/// The client's user, if it names one: an empty User Name names nobody.
fn user(client: &ClientInfo) -> Option<&str> {
    client.user_name.as_deref().filter(|name| !name.is_empty())
}
