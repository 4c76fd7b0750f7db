//! How TCP connections behave.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// When TCP itself asks whether the peer is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Silence before the first probe; whole seconds.
    pub idle: Duration,
    /// Time between probes; whole seconds.
    pub interval: Duration,
    /// Probes without an answer until the connection has failed.
    pub probes: u32,
}

/// Options of a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpOptions {
    /// Send at once what was written (TCP_NODELAY). We write whole batches, so this is on.
    pub no_delay: bool,
    /// Probes of an idle connection. MQTT has its own Keep Alive, so this is off.
    pub keep_alive: Option<KeepAlive>,
    /// Size of the system's send buffer in bytes; none: the system's choice.
    pub send_buffer: Option<usize>,
    /// Size of the system's receive buffer in bytes; none: the system's choice.
    pub receive_buffer: Option<usize>,
}

impl Default for TcpOptions {
    fn default() -> TcpOptions {
        TcpOptions { no_delay: true, keep_alive: None, send_buffer: None, receive_buffer: None }
    }
}

impl TcpOptions {
    /// Sets them on a socket: for a listener before `listen`, since most systems hand them on to
    /// accepted connections.
    pub(crate) fn apply(&self, socket: &SockRef<'_>) -> io::Result<()> {
        socket.set_tcp_nodelay(self.no_delay)?;
        if let Some(keep_alive) = &self.keep_alive {
            let probe = TcpKeepalive::new().with_time(keep_alive.idle);
            #[cfg(not(any(target_os = "openbsd", target_os = "haiku")))]
            let probe = probe.with_interval(keep_alive.interval);
            #[cfg(not(any(target_os = "openbsd", target_os = "haiku")))]
            let probe = probe.with_retries(keep_alive.probes);
            socket.set_tcp_keepalive(&probe)?;
        }
        if let Some(bytes) = self.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        Ok(())
    }

    /// Whether an accepted connection has the listener's options without further calls.
    pub(crate) const INHERITED: bool = cfg!(any(target_os = "linux", target_os = "android"));
}
