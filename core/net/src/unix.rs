//! Unix sockets.

use std::io;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use crate::Address;

/// The system's form of an address.
pub(crate) fn address(address: &Address) -> io::Result<SocketAddr> {
    match address {
        Address::Unix(path) => SocketAddr::from_pathname(path),
        #[cfg(target_os = "linux")]
        Address::Abstract(name) => {
            use std::os::linux::net::SocketAddrExt;
            SocketAddr::from_abstract_name(name.as_bytes())
        }
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Starts listening. A socket that a program left behind when it ended is taken away first.
pub(crate) fn listen(at: &Address, backlog: u32) -> io::Result<UnixListener> {
    let address = address(at)?;
    let error = match bind(&address, backlog) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => error,
        result => return result,
    };
    let Address::Unix(path) = at else { return Err(error) };
    match UnixStream::connect_addr(&address) {
        Err(refused) if refused.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)?;
            bind(&address, backlog)
        }
        _ => Err(error),
    }
}

fn bind(address: &SocketAddr, backlog: u32) -> io::Result<UnixListener> {
    let listener = UnixListener::bind_addr(address)?;
    // std listens with a backlog of its own choice; asked again, the system takes ours.
    socket2::SockRef::from(&listener).listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
