//! Who may connect, and what clients may do.

mod acl_file;
mod acl_match;
mod password_file;
mod password_gate;
mod password_hash;
mod policy;

pub use acl_file::{AclFile, AclFileError};
pub use password_file::{PasswordFile, PasswordFileError};
pub use password_gate::PasswordGate;
pub use password_hash::{HashError, PasswordHash};
pub(crate) use policy::{Guard, Guarded};
pub use policy::{Policy, PolicyError};
