//! SIGINT, SIGTERM and SIGHUP.
//!
//! The command is a whole program, so it may have handlers; the crates below it have none.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// What the user or the system wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// End.
    End,
    /// Read files again.
    Reload,
}

/// Has `react` called on a thread of its own at SIGINT and SIGTERM. The second of these ends the
/// process at once, as somebody means it.
pub(crate) fn watch_end(react: impl FnMut(Signal) + Send + 'static) -> io::Result<()> {
    watch(&[SIGINT, SIGTERM], react)
}

/// The same, and at SIGHUP.
pub(crate) fn watch_all(react: impl FnMut(Signal) + Send + 'static) -> io::Result<()> {
    watch(&[SIGINT, SIGTERM, SIGHUP], react)
}

fn watch(which: &[i32], mut react: impl FnMut(Signal) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new(which)?;
    let mut ending = false;
    thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            if signal == SIGHUP {
                react(Signal::Reload);
            } else if core::mem::replace(&mut ending, true) {
                std::process::exit(128 + signal);
            } else {
                react(Signal::End);
            }
        }
    })?;
    Ok(())
}
