//! Pings: keeping the connection, and noticing that it is dead.
//!
//! PINGREQ goes out when for most of the Keep Alive nothing was written, or when nothing was
//! heard for that long, so that a client which only sends notices a dead server too. If then
//! nothing at all is heard for `ping_timeout`, the connection is given up.

use core::time::Duration;
use std::collections::VecDeque;

use libmqtt_codec::{Packet, Properties, Reason};

use super::{Answer, Cause, Client, Outcome, State, Token};
use crate::Instant;

/// Why no ping is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PingError {
    /// There is no connection.
    #[error("not connected")]
    NotConnected,
    /// Too many requests wait for their answers.
    #[error("too many requests are waiting")]
    TooMany,
}

/// When something was last heard and said.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// Something was written.
    pub(super) sent: Instant,
    /// Something was read.
    pub(super) received: Instant,
    /// The oldest PINGREQ without answer was sent, or the wait for it began anew.
    pinged: Instant,
    /// Who waits for a PINGRESP, in order.
    waiting: VecDeque<Token>,
}

impl Client {
    /// Command: sends PINGREQ. The token's outcome is Acknowledged when PINGRESP has come.
    pub fn ping(&mut self, now: Instant) -> Result<Token, PingError> {
        if !matches!(self.state, State::Online { .. }) {
            return Err(PingError::NotConnected);
        }
        if self.pulse.waiting.len() >= self.config.requests_max {
            return Err(PingError::TooMany);
        }
        let token = self.token();
        self.send_ping(now, token);
        Ok(token)
    }

    fn send_ping(&mut self, now: Instant, token: Token) {
        if self.pulse.waiting.is_empty() {
            self.pulse.pinged = now;
        }
        self.pulse.waiting.push_back(token);
        self.send(&Packet::PingReq);
    }

    pub(super) fn on_pingresp(&mut self, now: Instant) {
        self.pulse.pinged = now;
        if let Some(token) = self.pulse.waiting.pop_front() {
            let answer = Answer::new(Reason::Success, Properties::EMPTY);
            self.finish(token, Outcome::Acknowledged(answer));
        }
        self.say_goodbye_if_done(now);
    }

    /// Whether a program waits for a PINGRESP.
    pub(super) fn has_pings(&self) -> bool {
        self.pulse.waiting.iter().any(|&token| token != Token::NONE)
    }

    /// The connection has ended.
    pub(super) fn lose_pings(&mut self) {
        for token in core::mem::take(&mut self.pulse.waiting) {
            self.finish(token, Outcome::ConnectionLost);
        }
    }

    /// The next moment at which `keep_alive` has something to do, if the client is online.
    pub(super) fn keep_alive_due(&self) -> Option<Instant> {
        let pulse = &self.pulse;
        if !pulse.waiting.is_empty() {
            return Some(pulse.pinged.max(pulse.received) + self.config.ping_timeout);
        }
        // v5 [MQTT-3.1.2-20] [MQTT-3.1.2-21] [MQTT-3.2.2-21] v311 [MQTT-3.1.2-23]
        let keep_alive = Duration::from_secs(self.wire.limits.keep_alive_s.into());
        // A little early, as the timer may be late.
        let interval = keep_alive - (keep_alive / 8).min(Duration::from_secs(5));
        (!keep_alive.is_zero()).then(|| pulse.sent.min(pulse.received) + interval)
    }

    /// Pings, or gives the connection up, if it is time.
    pub(super) fn keep_alive(&mut self, now: Instant) {
        if self.keep_alive_due().is_none_or(|due| due > now) {
            return;
        }
        if self.pulse.waiting.is_empty() {
            self.send_ping(now, Token::NONE);
        } else if self.wants_data() {
            self.end(now, Cause::ServerSilent, true); // V5-U13 V311-U11
        } else {
            // The answer may lie in the transport, which is not read.
            self.pulse.pinged = now;
        }
    }
}
