//! Checks passwords without holding up a shard.
//!
//! A check is slow on purpose, so the hook answers [`Verdict::Later`] and a few threads of the
//! gate's own do the work. What waits for them is bounded; beyond it a CONNECT is told that the
//! server is busy.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use libmqtt_engine::codec::Reason;
use libmqtt_engine::{Authenticate, Hooks, Ticket, Verdict};
use libmqtt_locks::{Mutex, PoisonError, RwLock};

use super::{PasswordFile, user};
use crate::{Answers, HooksFactory};

/// Threads that check.
const WORKERS: usize = 2;

/// Checks that may wait for them.
const WAITING_MAX: usize = 4096;

/// Lets clients in by a [`PasswordFile`]. Cloning gives another handle to the same gate; its
/// threads end with the last handle.
#[derive(Clone, Debug)]
pub struct PasswordGate {
    file: Arc<RwLock<Arc<PasswordFile>>>,
    jobs: SyncSender<Job>,
    anonymous: bool,
}

struct Job {
    name: Box<str>,
    password: Box<[u8]>,
    answer: Box<dyn FnOnce(Verdict) + Send>,
}

impl PasswordGate {
    /// A gate with its threads. `anonymous`: whether a client without User Name gets in, too.
    pub fn new(file: PasswordFile, anonymous: bool) -> io::Result<PasswordGate> {
        let file = Arc::new(RwLock::new(Arc::new(file)));
        let (jobs, waiting) = sync_channel(WAITING_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..WORKERS {
            let (waiting, file) = (waiting.clone(), file.clone());
            thread::Builder::new()
                .name("libmqtt-auth".into())
                .spawn(move || work(&waiting, &file))?;
        }
        Ok(PasswordGate { file, jobs, anonymous })
    }

    /// Uses another file from now on. Clients that are connected stay.
    pub fn replace(&self, file: PasswordFile) {
        *self.file.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(file);
    }

    /// Decides about a CONNECT: at once, or [`Verdict::Later`] through `answers`.
    pub fn authenticate(
        &self,
        answers: &Answers,
        ticket: Ticket,
        attempt: &Authenticate<'_>,
    ) -> Verdict {
        if attempt.method.is_some() {
            return Verdict::Deny(Reason::BadAuthenticationMethod);
        }
        let Some(name) = user(attempt.client) else {
            let stranger = Verdict::Deny(Reason::NotAuthorized);
            return if self.anonymous { Verdict::Allow } else { stranger };
        };
        let Some(password) = attempt.password else {
            return Verdict::Deny(Reason::BadUserNameOrPassword);
        };
        let answers = answers.clone();
        self.check(name, password, move |verdict| answers.answer(ticket, verdict))
    }

    /// Hooks that do nothing but this.
    pub fn hooks(self) -> HooksFactory {
        Arc::new(move |answers| Box::new(GateHooks { gate: self.clone(), answers }))
    }

    fn check(
        &self,
        name: &str,
        password: &[u8],
        answer: impl FnOnce(Verdict) + Send + 'static,
    ) -> Verdict {
        let (name, password) = (name.into(), password.into());
        match self.jobs.try_send(Job { name, password, answer: Box::new(answer) }) {
            Ok(()) => Verdict::Later,
            Err(_) => Verdict::Deny(Reason::ServerBusy),
        }
    }
}

fn work(waiting: &Mutex<Receiver<Job>>, file: &RwLock<Arc<PasswordFile>>) {
    // Who waits for a password can wait for those who are in.
    #[cfg(target_os = "linux")]
    let _: rustix::io::Result<()> = rustix::process::setpriority_process(None, 10);
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { name, password, answer }) = job else { return };
        let file = file.read().unwrap_or_else(PoisonError::into_inner).clone();
        answer(match file.verify(&name, &password) {
            true => Verdict::Allow,
            false => Verdict::Deny(Reason::BadUserNameOrPassword),
        });
    }
}

struct GateHooks {
    gate: PasswordGate,
    answers: Answers,
}

impl Hooks for GateHooks {
    fn authenticate(&mut self, ticket: Ticket, attempt: &Authenticate<'_>) -> Verdict {
        self.gate.authenticate(&self.answers, ticket, attempt)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    fn file(name: &str, password: &str) -> PasswordFile {
        let mut file = PasswordFile::new();
        file.set(name, password.as_bytes(), 2).unwrap();
        file
    }

    fn verdict(gate: &PasswordGate, name: &str, password: &str) -> Verdict {
        let (tell, told): (Sender<Verdict>, _) = channel();
        let now = gate.check(name, password.as_bytes(), move |verdict| tell.send(verdict).unwrap());
        assert_eq!(now, Verdict::Later);
        told.recv().unwrap()
    }

    #[test]
    fn the_verdict_comes_from_another_thread() {
        let gate = PasswordGate::new(file("joe", "secret"), false).unwrap();
        let refused = Verdict::Deny(Reason::BadUserNameOrPassword);
        assert_eq!(verdict(&gate, "joe", "secret"), Verdict::Allow);
        assert_eq!(verdict(&gate, "joe", "Secret"), refused);
        assert_eq!(verdict(&gate, "jim", "secret"), refused);
    }

    #[test]
    fn a_replaced_file_counts_at_once() {
        let gate = PasswordGate::new(file("joe", "old"), false).unwrap();
        gate.replace(file("joe", "new"));
        assert_eq!(verdict(&gate, "joe", "new"), Verdict::Allow);
        assert_eq!(verdict(&gate, "joe", "old"), Verdict::Deny(Reason::BadUserNameOrPassword));
    }

    #[test]
    fn too_many_at_once_are_told_that_the_server_is_busy() {
        let gate = PasswordGate::new(file("joe", "secret"), false).unwrap();
        let (hold, held) = channel::<()>();
        let held = Arc::new(Mutex::new(held));
        // Each answer blocks its worker until `hold` is dropped.
        let blocked = || {
            let held = held.clone();
            gate.check("joe", b"secret", move |_| {
                let _ = held.lock().unwrap().recv();
            })
        };
        let busy = (0..=WORKERS + WAITING_MAX)
            .map(|_| blocked())
            .find(|verdict| *verdict == Verdict::Deny(Reason::ServerBusy));
        assert!(busy.is_some());
        drop(hold);
        while verdict_or_busy(&gate) != Verdict::Later {
            thread::yield_now();
        }
    }

    fn verdict_or_busy(gate: &PasswordGate) -> Verdict {
        gate.check("joe", b"secret", |_| {})
    }
}
