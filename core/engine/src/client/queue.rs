//! Messages that wait to be sent.

use std::collections::VecDeque;

use super::{Client, Outcome, Row, Token};
use crate::{Instant, Message};
use core::time::Duration;
use libmqtt_codec::QoS;

/// A message that waits.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) message: Message,
    pub(super) token: Token,
    /// When its Message Expiry Interval ends.
    pub(super) expires: Option<Instant>,
    pub(super) row: Row,
}

/// Messages in the order in which they were published.
#[derive(Debug, Default)]
pub(super) struct Queue {
    list: VecDeque<Pending>,
    bytes: usize,
    /// How many are at QoS 0.
    qos0: usize,
    /// No message expires before.
    next_expiry: Option<Instant>,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether one is waiting that a message at this QoS must not overtake.
    pub(super) fn holds(&self, qos: QoS) -> bool {
        if qos == QoS::AtMostOnce { self.qos0 > 0 } else { self.list.len() > self.qos0 }
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.next_expiry
    }

    pub(super) fn front(&self) -> Option<&Pending> {
        self.list.front()
    }

    pub(super) fn push(&mut self, pending: Pending) {
        self.count(&pending);
        self.list.push_back(pending);
    }

    /// Puts one before all others.
    pub(super) fn put_back(&mut self, pending: Pending) {
        self.count(&pending);
        self.list.push_front(pending);
    }

    fn count(&mut self, pending: &Pending) {
        self.bytes += pending.message.size();
        self.qos0 += usize::from(pending.message.qos() == QoS::AtMostOnce);
        self.next_expiry = super::earlier(self.next_expiry, pending.expires);
    }

    pub(super) fn pop(&mut self) -> Option<Pending> {
        let pending = self.list.pop_front()?;
        self.bytes -= pending.message.size();
        self.qos0 -= usize::from(pending.message.qos() == QoS::AtMostOnce);
        if self.list.is_empty() {
            *self = Queue::default();
        }
        Some(pending)
    }

    /// Takes out what has expired.
    fn expired(&mut self, now: Instant) -> Vec<(Token, Row)> {
        let mut gone = Vec::new();
        let list = core::mem::take(self).list;
        for pending in list {
            if pending.expires.is_some_and(|at| at <= now) {
                gone.push((pending.token, pending.row));
            } else {
                self.push(pending);
            }
        }
        // Intervals are whole seconds; looking once a second is often enough.
        self.next_expiry = self.next_expiry.map(|at| at.max(now + Duration::from_secs(1)));
        gone
    }

    /// Lets go of what is not stored; the tokens of all that waited.
    pub(super) fn abandon(&mut self) -> Vec<Token> {
        let list = core::mem::take(self).list;
        let mut tokens = Vec::with_capacity(list.len());
        for mut pending in list {
            tokens.push(core::mem::replace(&mut pending.token, Token::NONE));
            if !pending.row.is_none() {
                self.push(pending);
            }
        }
        tokens
    }
}

impl Client {
    /// Lets go of messages whose time has come.
    pub(super) fn expire(&mut self, now: Instant) {
        if self.queue.next_expiry().is_some_and(|at| at <= now) {
            for (token, row) in self.queue.expired(now) {
                self.settle_row(row, None);
                self.finish(token, Outcome::Expired);
            }
        }
    }
}
