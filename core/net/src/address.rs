//! Where sockets are.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where a socket listens, or is dialled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// TCP.
    Ip(SocketAddr),
    /// A Unix socket with a path in the file system.
    Unix(PathBuf),
    /// A Unix socket with a name in Linux's abstract namespace, which needs no file.
    Abstract(Box<str>),
}

impl Address {
    /// The Unix socket that a text names: a path, or behind `@` an abstract name.
    pub fn unix(text: &str) -> Address {
        match text.strip_prefix('@') {
            Some(name) => Address::Abstract(name.into()),
            None => Address::Unix(text.into()),
        }
    }

    /// The address of TCP.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Address::Ip(address) => Some(*address),
            Address::Unix(_) | Address::Abstract(_) => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Ip(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(address) => address.fmt(f),
            Address::Unix(path) => path.display().fmt(f),
            Address::Abstract(name) => write!(f, "@{name}"),
        }
    }
}
