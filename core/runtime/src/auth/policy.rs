//! Who gets in, and what is allowed.

use core::sync::atomic::{AtomicU64, Ordering};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libmqtt_engine::codec::{Publish, Reason, Subscription, TopicFilter};
use libmqtt_engine::{Authenticate, ClientInfo, Hooks, Rights, Ticket, Verdict};
use libmqtt_locks::{Mutex, PoisonError};

use super::{AclFile, AclFileError, PasswordFile, PasswordFileError, PasswordGate};
use crate::{Answers, Level, Log, Status};

/// Who gets in, and what is allowed, before any hook is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether clients without User Name get in, and where there is no password file, everyone.
    /// None: only without password file, and if all listeners are at loopback addresses. Where
    /// hooks authenticate, say true.
    pub anonymous: Option<bool>,
    /// Users and passwords in mosquitto's format. With it, hooks are not asked to authenticate.
    pub password_file: Option<PathBuf>,
    /// Access rights in mosquitto's format; none: everything is allowed.
    pub acl_file: Option<PathBuf>,
    /// Largest payload that is passed on; none: any.
    pub payload_max: Option<usize>,
}

/// Why a file that the policy names cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The password file.
    #[error("password_file {}: {error}", .path.display())]
    Passwords {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        error: PasswordFileError,
    },
    /// The file of access rights.
    #[error("acl_file {}: {error}", .path.display())]
    Acl {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        error: AclFileError,
    },
    /// The system gives no thread to check passwords.
    #[error("no thread to check passwords")]
    Threads(#[from] io::Error),
}

impl PolicyError {
    /// Its stable number.
    pub fn status(&self) -> Status {
        match self {
            PolicyError::Passwords { error: PasswordFileError::Read(_), .. }
            | PolicyError::Acl { error: AclFileError::Read(_), .. } => Status::FileUnreadable,
            PolicyError::Passwords { .. } | PolicyError::Acl { .. } => Status::FileInvalid,
            PolicyError::Threads(_) => Status::SystemRefused,
        }
    }
}

/// A policy in force: its files have been read.
#[derive(Debug)]
pub(crate) struct Guard {
    anonymous: bool,
    payload_max: usize,
    passwords: Option<(PathBuf, PasswordGate)>,
    acl: Option<(PathBuf, Mutex<Arc<AclFile>>)>,
    /// Rises with every change of `acl`.
    acl_generation: AtomicU64,
}

impl Guard {
    /// Reads the files. `local`: whether only this machine can reach the broker.
    pub(crate) fn open(policy: &Policy, local: bool) -> Result<Guard, PolicyError> {
        let anonymous = policy.anonymous.unwrap_or(local && policy.password_file.is_none());
        let passwords = match &policy.password_file {
            Some(path) => {
                Some((path.clone(), PasswordGate::new(read_passwords(path)?, anonymous)?))
            }
            None => None,
        };
        let acl = match &policy.acl_file {
            Some(path) => Some((path.clone(), Mutex::new(Arc::new(read_acl(path)?)))),
            None => None,
        };
        let payload_max = policy.payload_max.unwrap_or(usize::MAX);
        let acl_generation = AtomicU64::new(1);
        Ok(Guard { anonymous, payload_max, passwords, acl, acl_generation })
    }

    /// Whether it would let everyone do everything.
    pub(crate) fn is_open(&self) -> bool {
        self.anonymous
            && self.payload_max == usize::MAX
            && self.passwords.is_none()
            && self.acl.is_none()
    }

    /// Reads the files again. One that is of no use stays as it was, which `log` is told and the
    /// first such error says.
    pub(crate) fn reload(&self, log: &Log) -> Result<(), PolicyError> {
        let mut result = Ok(());
        let mut note = |what: &str, path: &Path, read: Result<(), PolicyError>| match read {
            Ok(()) => log.write(Level::Info, format_args!("{what} {} read again", path.display())),
            Err(error) => {
                log.write(
                    Level::Error,
                    format_args!("{error}; what was read before stays in force"),
                );
                if result.is_ok() {
                    result = Err(error);
                }
            }
        };
        if let Some((path, gate)) = &self.passwords {
            note("password_file", path, read_passwords(path).map(|file| gate.replace(file)));
        }
        if let Some((path, acl)) = &self.acl {
            let replace = |file| {
                *acl.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(file);
                self.acl_generation.fetch_add(1, Ordering::Release);
            };
            note("acl_file", path, read_acl(path).map(replace));
        }
        result
    }

    fn acl(&self) -> Option<Arc<AclFile>> {
        let (_, acl) = self.acl.as_ref()?;
        Some(acl.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn read_passwords(path: &Path) -> Result<PasswordFile, PolicyError> {
    PasswordFile::read(path).map_err(|error| PolicyError::Passwords { path: path.into(), error })
}

fn read_acl(path: &Path) -> Result<AclFile, PolicyError> {
    AclFile::read(path).map_err(|error| PolicyError::Acl { path: path.into(), error })
}

/// Hooks behind a guard: they are asked what it has let pass.
pub(crate) struct Guarded {
    guard: Arc<Guard>,
    hooks: Box<dyn Hooks>,
    answers: Answers,
    /// The access rights in force as of this generation, so that a message takes no lock.
    acl: Option<Arc<AclFile>>,
    acl_generation: u64,
}

impl Guarded {
    pub(crate) fn new(guard: Arc<Guard>, hooks: Box<dyn Hooks>, answers: Answers) -> Guarded {
        Guarded { guard, hooks, answers, acl: None, acl_generation: 0 }
    }

    fn acl(&mut self) -> Option<&Arc<AclFile>> {
        let generation = self.guard.acl_generation.load(Ordering::Acquire);
        if generation != self.acl_generation {
            self.acl = self.guard.acl();
            self.acl_generation = generation;
        }
        self.acl.as_ref()
    }
}

/// What one client may do.
#[derive(Debug)]
struct ClientRights {
    acl: Arc<AclFile>,
    client: ClientInfo,
}

impl Rights for ClientRights {
    fn may_read(&self, topic: &str) -> bool {
        self.acl.may_read(&self.client, topic)
    }

    fn may_write(&self, topic: &str) -> bool {
        self.acl.may_write(&self.client, topic)
    }
}

/// The hooks' rights within those of a file.
#[derive(Debug)]
struct Both(ClientRights, Arc<dyn Rights>);

impl Rights for Both {
    fn may_read(&self, topic: &str) -> bool {
        self.0.may_read(topic) && self.1.may_read(topic)
    }

    fn may_write(&self, topic: &str) -> bool {
        self.0.may_write(topic) && self.1.may_write(topic)
    }
}

impl Hooks for Guarded {
    fn authenticate(&mut self, ticket: Ticket, attempt: &Authenticate<'_>) -> Verdict {
        if attempt.client.identity.as_ref().is_some_and(|identity| identity.names_user()) {
            // The certificate has proven who it is.
            return self.hooks.authenticate(ticket, attempt);
        }
        match &self.guard.passwords {
            Some((_, gate)) => gate.authenticate(&self.answers, ticket, attempt),
            None if self.guard.anonymous => self.hooks.authenticate(ticket, attempt),
            None => Verdict::Deny(Reason::NotAuthorized),
        }
    }

    fn authorise_publish(
        &mut self,
        ticket: Ticket,
        client: &ClientInfo,
        publish: &Publish<'_>,
    ) -> Verdict {
        if publish.payload.len() > self.guard.payload_max {
            return Verdict::Deny(Reason::ImplementationSpecificError);
        }
        if self.acl().is_some_and(|acl| !acl.may_write(client, publish.topic)) {
            return Verdict::Deny(Reason::NotAuthorized);
        }
        self.hooks.authorise_publish(ticket, client, publish)
    }

    fn authorise_subscribe(
        &mut self,
        ticket: Ticket,
        client: &ClientInfo,
        subscription: &Subscription<'_>,
    ) -> Verdict {
        if let Some(acl) = self.acl() {
            // The engine asks about Topic Filters only.
            let filter = TopicFilter::new(subscription.filter);
            if !filter.is_ok_and(|filter| acl.may_subscribe(client, filter.filter())) {
                return Verdict::Deny(Reason::NotAuthorized);
            }
        }
        self.hooks.authorise_subscribe(ticket, client, subscription)
    }

    fn rights(&mut self, client: &ClientInfo) -> Option<Arc<dyn Rights>> {
        let hooks = self.hooks.rights(client);
        let Some(acl) = self.acl().cloned() else { return hooks };
        let rights = ClientRights { acl, client: client.clone() };
        Some(match hooks {
            None => Arc::new(rights),
            Some(hooks) => Arc::new(Both(rights, hooks)),
        })
    }

    fn connected(&mut self, client: &ClientInfo) {
        self.hooks.connected(client);
    }

    fn disconnected(&mut self, client: &ClientInfo, reason: Reason) {
        self.hooks.disconnected(client, reason);
    }

    fn published(&mut self, client: Option<&ClientInfo>, publish: &Publish<'_>) {
        self.hooks.published(client, publish);
    }

    fn subscribed(&mut self, client: &ClientInfo, subscription: &Subscription<'_>) {
        self.hooks.subscribed(client, subscription);
    }

    fn unsubscribed(&mut self, client: &ClientInfo, filter: &str) {
        self.hooks.unsubscribed(client, filter);
    }
}
