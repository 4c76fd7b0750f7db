//! What the process uses.

use std::fmt;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use libmqtt_runtime::{Broker, Stats};

/// What the process uses at a moment; 0 where the system does not tell.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// Bytes of memory.
    pub memory: usize,
    /// Open descriptors but for pipes.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
    /// What the broker counts.
    pub stats: Stats,
}

impl Usage {
    /// Without a broker.
    pub fn now() -> Usage {
        let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
        let entries = |path| fs::read_dir(path).into_iter().flatten().flatten();
        // Pipes are not ours: a sanitizer talks through some with what names its functions.
        let is_pipe = |entry: &fs::DirEntry| {
            fs::read_link(entry.path()).is_ok_and(|it| it.to_string_lossy().starts_with("pipe:"))
        };
        Usage {
            memory: pages.unwrap_or(0) * 4096,
            // One is the list's own.
            descriptors: entries("/proc/self/fd")
                .filter(|entry| !is_pipe(entry))
                .count()
                .saturating_sub(1),
            threads: entries("/proc/self/task").count(),
            stats: Stats::default(),
        }
    }

    /// When no more is open than there was before, which takes loops a moment after their last
    /// client has gone; or after half a minute.
    pub(crate) fn settled(before: &Usage) -> Usage {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let now = Usage::now();
            if now.descriptors <= before.descriptors || Instant::now() >= deadline {
                return now;
            }
            thread::yield_now();
        }
    }

    /// With what the broker counts.
    pub fn of(broker: &Broker) -> Usage {
        Usage { stats: broker.stats(), ..Usage::now() }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>8} KiB {:>5} descriptors {:>4} threads {:>6} connections {:>6} sessions {:>6} retained {:>8} queued",
            self.memory / 1024,
            self.descriptors,
            self.threads,
            self.stats.connections,
            self.stats.sessions,
            self.stats.retained,
            self.stats.queued_messages
        )
    }
}
