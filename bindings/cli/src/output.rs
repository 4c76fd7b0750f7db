//! Writing without a panic when nobody reads.

use core::fmt;
use std::io::{self, Write};

/// Writes a line to standard error. If that fails there is nobody left to tell.
pub(crate) fn complain(line: fmt::Arguments<'_>) {
    let _: io::Result<()> = writeln!(io::stderr().lock(), "{line}");
}

/// Writes a text to standard output, and gives the exit code.
pub(crate) fn show(text: &str) -> u8 {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => 0,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            complain(format_args!("libmqtt: cannot write to standard output: {error}"));
            crate::exit::OTHER
        }
    }
}
