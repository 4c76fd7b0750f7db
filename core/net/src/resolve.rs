//! Names to addresses, off the loop.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use libmqtt_locks::{Condvar, Mutex, MutexGuard, PoisonError};

/// Threads at most.
const THREADS_MAX: usize = 4;
/// Questions that wait at most.
const WAITING_MAX: usize = 4096;
/// A thread without work for so long ends.
const IDLE: Duration = Duration::from_secs(10);

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The system's resolver says so.
    #[error("resolver failed")]
    Failed(#[from] io::Error),
    /// It has no address at all.
    #[error("name has no address")]
    Nothing,
    /// Too many questions wait, or the system gives no thread.
    #[error("too many names wait to be resolved")]
    Busy,
}

type Answer = Box<dyn FnOnce(Result<Vec<SocketAddr>, ResolveError>) + Send>;

/// Asks the system's resolver, which blocks, on a few threads of its own.
///
/// Threads start when there is work and end when there has been none for a while. Cloning gives
/// another handle. After [`Resolver::close`], a thread that is inside the system's resolver ends
/// when that returns.
#[derive(Clone)]
pub struct Resolver {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    work: Mutex<Work>,
    come: Condvar,
}

#[derive(Default)]
struct Work {
    waiting: VecDeque<(String, u16, Answer)>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Default for Resolver {
    fn default() -> Resolver {
        Resolver::new()
    }
}

impl Resolver {
    /// A resolver without a thread yet.
    pub fn new() -> Resolver {
        Resolver { shared: Arc::default() }
    }

    /// Finds the addresses of `host` and has `answer` called with them: for an address in text at
    /// once, on this thread; else later, on a thread of the resolver.
    pub fn resolve(
        &self,
        host: &str,
        port: u16,
        answer: impl FnOnce(Result<Vec<SocketAddr>, ResolveError>) + Send + 'static,
    ) {
        let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = literal.unwrap_or(host).parse() {
            return answer(Ok(vec![SocketAddr::new(address, port)]));
        }
        let mut work = self.shared.work();
        if work.closed {
            return;
        }
        if work.waiting.len() >= WAITING_MAX {
            drop(work);
            return answer(Err(ResolveError::Busy));
        }
        work.waiting.push_back((host.to_owned(), port, Box::new(answer)));
        if work.idle >= work.waiting.len() || work.threads >= THREADS_MAX {
            self.shared.come.notify_one();
            return;
        }
        let shared = self.shared.clone();
        let thread = std::thread::Builder::new().name("mqtt-resolve".into());
        match thread.spawn(move || shared.run()) {
            Ok(_) => work.threads += 1,
            Err(_) if work.threads > 0 => {}
            Err(_) => {
                let given_back = work.waiting.pop_back();
                drop(work);
                if let Some((_, _, answer)) = given_back {
                    answer(Err(ResolveError::Busy));
                }
            }
        }
    }

    /// Drops the questions that wait, and every later one. Never waits for a thread.
    pub fn close(&self) {
        let mut work = self.shared.work();
        work.closed = true;
        let dropped = std::mem::take(&mut work.waiting);
        drop(work);
        drop(dropped);
        self.shared.come.notify_all();
    }
}

impl Shared {
    fn work(&self) -> MutexGuard<'_, Work> {
        // Answers are called without it, so nothing panics while it is held.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut work = self.work();
        while !work.closed {
            if let Some((host, port, answer)) = work.waiting.pop_front() {
                drop(work);
                let found = look_up(&host, port);
                answer(found);
                work = self.work();
                continue;
            }
            work.idle += 1;
            let (back, waited) =
                self.come.wait_timeout(work, IDLE).unwrap_or_else(PoisonError::into_inner);
            work = back;
            work.idle -= 1;
            if waited.timed_out() && work.waiting.is_empty() {
                break;
            }
        }
        work.threads -= 1;
    }
}

fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
    let found: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    if found.is_empty() { Err(ResolveError::Nothing) } else { Ok(found) }
}
