//! Which server to try, and when.
//!
//! Servers are tried in turn. When all were tried, the next round begins after a delay that
//! grows. A connection that is lost is made again with the server it was with.

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use libmqtt_codec::{Reason, Version};

use super::{Answer, Cause, Client, ClientConfig, Disconnected, Event, Growth, Outcome, State};
use crate::Instant;

/// Server References followed without a delay or a stable connection in between.
const REDIRECTS_MAX: u8 = 5;

/// What is known of servers and attempts.
#[derive(Debug)]
pub(super) struct Dialler {
    /// The version to speak.
    pub(super) version: Version,
    /// 3.1.1 is being tried, as the server closed the connection on CONNECT with 5.0.
    trial: bool,
    servers: Vec<Arc<str>>,
    /// The one to try next, and the one with which the round began.
    at: usize,
    first: usize,
    /// Where a Server Reference points, to be tried first.
    redirects: VecDeque<Arc<str>>,
    /// The attempt under way follows a Server Reference.
    redirected: bool,
    /// References followed since the last delay or stable connection.
    followed: u8,
    /// Attempts that have failed since the last connection.
    attempts: u32,
    /// Delays since the last connection that was stable.
    delays: u32,
    /// Whether a connection has succeeded since `connect`.
    succeeded: bool,
}

impl Dialler {
    pub(super) fn new(config: &ClientConfig) -> Dialler {
        Dialler {
            version: config.version,
            trial: false,
            servers: config.servers.iter().map(|server| server.as_ref().into()).collect(),
            at: 0,
            first: 0,
            redirects: VecDeque::new(),
            redirected: false,
            followed: 0,
            attempts: 0,
            delays: 0,
            succeeded: false,
        }
    }

    /// The program asked to connect.
    pub(super) fn start(&mut self) {
        (self.attempts, self.delays, self.followed, self.succeeded) = (0, 0, 0, false);
        self.redirects.clear();
        self.first = self.at;
    }

    /// CONNACK has accepted the connection.
    pub(super) fn succeed(&mut self) {
        (self.trial, self.succeeded) = (false, true);
        self.attempts = 0;
        self.redirects.clear();
    }

    /// The server to try.
    fn next(&mut self) -> Option<Arc<str>> {
        let redirect = self.redirects.pop_front();
        self.redirected = redirect.is_some();
        redirect.or_else(|| self.servers.get(self.at).cloned())
    }

    /// Goes where a Server Reference points next, if it is one; whether to go at once.
    fn follow(&mut self, answer: &Answer) -> bool {
        let moved = answer.reason == Reason::ServerMoved;
        if !moved && answer.reason != Reason::UseAnotherServer {
            return false;
        }
        let text = answer.properties.view().server_reference().unwrap_or_default();
        let targets: Vec<Arc<str>> = text.split_whitespace().map(Arc::from).collect();
        if targets.is_empty() {
            return false;
        }
        self.followed = self.followed.saturating_add(1);
        if moved {
            (self.servers, self.at, self.first) = (targets, 0, 0);
            self.redirects.clear();
        } else {
            self.redirects = targets.into();
        }
        self.redirected = false;
        self.followed <= REDIRECTS_MAX
    }
}

impl Client {
    /// Begins an attempt.
    pub(super) fn dial(&mut self, now: Instant) {
        let Some(server) = self.dialler.next() else { return };
        self.state = State::Dialling { deadline: now + self.config.connect_timeout };
        self.events.push(Event::Dial(server));
    }

    /// The one place where a connection or an attempt ends. `close`: the transport must be closed.
    pub(super) fn end(&mut self, now: Instant, cause: Cause, close: bool) {
        self.epoch += 1;
        if self.watched {
            self.tell_sent();
        }
        if close {
            self.events.push(Event::Close);
        }
        let state = core::mem::replace(&mut self.state, State::Idle);
        let was_connected = matches!(state, State::Online { .. } | State::Leaving { .. });
        self.connection_lost(&cause);
        let retry_in = self.retry(now, &state, &cause);
        if retry_in.is_none() {
            self.abandon(now);
        }
        let lost = Disconnected { cause, was_connected, retry_in };
        self.events.push(Event::Disconnected(Box::new(lost)));
        match retry_in {
            None => {}
            Some(Duration::ZERO) => self.dial(now),
            Some(delay) => self.state = State::Waiting { until: now + delay },
        }
    }

    /// Lets go of all that belongs to one Network Connection.
    fn connection_lost(&mut self, cause: &Cause) {
        self.input = Vec::new();
        while let Some(token) = self.wire.lost() {
            self.finish(token, Outcome::ConnectionLost);
        }
        self.lose_pings();
        self.acks.connection_lost();
        if let Some(persist) = &mut self.persist {
            persist.connection_lost();
        }
        self.requests.connection_lost();
        self.challenged = false;
        if let Some(token) = self.authenticating.take() {
            let outcome = match cause {
                Cause::ServerDisconnect(answer) => Outcome::Refused(answer.clone()),
                _ => Outcome::ConnectionLost,
            };
            self.finish(token, outcome);
        }
    }

    /// The delay before the next attempt; none if there must not be one.
    fn retry(&mut self, now: Instant, state: &State, cause: &Cause) -> Option<Duration> {
        let dialler = &mut self.dialler;
        let policy = &self.config.reconnect;
        let since = match state {
            State::Leaving { .. } | State::Online { goodbye: Some(_), .. } => return None,
            State::Online { since, .. } => Some(*since),
            _ => None,
        };
        if since.is_some_and(|since| now.since(since) >= policy.stable_after) {
            (dialler.delays, dialler.followed) = (0, 0);
        }
        match cause {
            Cause::Requested => return None,
            Cause::Refused(answer) | Cause::ServerDisconnect(answer)
                if self.config.follow_server_reference && dialler.follow(answer) =>
            {
                return Some(Duration::ZERO);
            }
            _ => {}
        }
        if dialler.trial {
            dialler.trial = false;
            if !matches!(cause, Cause::Refused(_)) {
                dialler.version = Version::V5; // 3.1.1 fared no better.
            }
        } else if self.config.step_down && dialler.version == Version::V5 {
            let (stepped, trial) = step_down(state, cause);
            if stepped {
                (dialler.trial, dialler.version) = (trial, Version::V311);
                return Some(Duration::ZERO);
            }
        }
        if is_final(cause) && !policy.even_if_refused {
            return None;
        }
        if since.is_none() {
            dialler.attempts = dialler.attempts.saturating_add(1);
            if policy.attempts_max > 0 && dialler.attempts >= policy.attempts_max {
                return None;
            }
            if dialler.redirected {
                return Some(Duration::ZERO);
            }
            // The round goes on with the next server.
            dialler.at = (dialler.at + 1) % dialler.servers.len().max(1);
            if dialler.at != dialler.first {
                return Some(Duration::ZERO);
            }
        }
        if !policy.enabled || !(dialler.succeeded || policy.first) {
            return None;
        }
        let rounds = dialler.delays;
        dialler.delays = dialler.delays.saturating_add(1);
        dialler.followed = 0;
        dialler.first = dialler.at;
        let whole = match policy.growth {
            Growth::Constant => policy.base,
            Growth::Exponential => {
                policy.base.saturating_mul(1 << rounds.min(30)).min(policy.cap.max(policy.base))
            }
        };
        if !policy.jitter {
            return Some(whole);
        }
        let nanos = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX - 1);
        // Never zero: a server that closes at once must not keep the client busy.
        Some(Duration::from_nanos(1 + self.random.next_u64() % (nanos + 1)))
    }
}

/// Whether to try 3.1.1 instead of 5.0, and whether that is a guess.
fn step_down(state: &State, cause: &Cause) -> (bool, bool) {
    match (state, cause) {
        (State::Connecting { .. }, Cause::Refused(answer)) => {
            (answer.reason == Reason::UnsupportedProtocolVersion, false)
        }
        (State::Connecting { heard: false, .. }, Cause::ClosedByPeer | Cause::Failed) => {
            (true, true)
        }
        _ => (false, false),
    }
}

/// Whether trying again would hardly change anything, or would do harm.
fn is_final(cause: &Cause) -> bool {
    use Reason::*;
    match cause {
        Cause::Refused(answer) => !matches!(
            answer.reason,
            UnspecifiedError
                | ImplementationSpecificError
                | ServerUnavailable
                | ServerBusy
                | QuotaExceeded
                | UseAnotherServer
                | ServerMoved
                | ConnectionRateExceeded
        ),
        Cause::ServerDisconnect(answer) => {
            matches!(
                answer.reason,
                SessionTakenOver | NotAuthorized | Banned | BadAuthenticationMethod
            )
        }
        _ => false,
    }
}
