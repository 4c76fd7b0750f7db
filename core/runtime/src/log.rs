//! Where log lines go.

use core::fmt;
use std::sync::Arc;

pub use log::Level;

type Sink = dyn Fn(Level, fmt::Arguments<'_>) + Send + Sync;

/// Where log lines go: by default to the `log` facade, under the target `libmqtt`, which drops
/// them unless the program has set a logger.
#[derive(Clone, Default)]
pub struct Log {
    sink: Option<Arc<Sink>>,
}

impl Log {
    /// To this function. It is called on threads that carry traffic and should not wait.
    pub fn to(sink: impl Fn(Level, fmt::Arguments<'_>) + Send + Sync + 'static) -> Log {
        Log { sink: Some(Arc::new(sink)) }
    }

    /// To nowhere.
    pub fn off() -> Log {
        Log::to(|_, _| {})
    }

    /// Writes one line.
    pub fn write(&self, level: Level, line: fmt::Arguments<'_>) {
        match &self.sink {
            Some(sink) => sink(level, line),
            None => log::log!(target: "libmqtt", level, "{line}"),
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.sink.is_some() { "Log(function)" } else { "Log(facade)" })
    }
}
