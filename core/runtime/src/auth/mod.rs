//! Who may connect: users and their passwords.

mod password_file;
mod password_gate;
mod password_hash;

pub use password_file::{PasswordFile, PasswordFileError};
pub use password_gate::PasswordGate;
pub use password_hash::{HashError, PasswordHash};
