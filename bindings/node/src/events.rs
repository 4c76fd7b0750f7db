//! A client's events as one Buffer and an index of [`WORDS`] numbers for each; `lib/events.cjs`
//! reads them.
//!
//! The words: kind and flags, place in the Buffer, the lengths of up to three parts that stand
//! there one after the other, and three numbers.

use std::collections::VecDeque;
use std::ops::Range;

use libmqtt_runtime::engine::client::{AckId, Answer, Answers, Cause, Connected, Disconnected};
use libmqtt_runtime::engine::client::{Challenge, Received};
use libmqtt_runtime::{Event, Outcome, Status};

/// Numbers for each event.
pub(crate) const WORDS: usize = 8;

const MESSAGE: u32 = 1;
const DONE: u32 = 2;
const CONNECTED: u32 = 3;
const DISCONNECTED: u32 = 4;
const CHALLENGE: u32 = 5;
const LOST: u32 = 6;
const SENT: u32 = 7;
const RECEIVED: u32 = 8;

const RETAIN: u32 = 1 << 10;
const DUP: u32 = 1 << 11;
const WANTS_ACK: u32 = 1 << 12;
const ASCII: u32 = 1 << 13;
/// The topic is that of the message before it in the batch.
const SAME_TOPIC: u32 = 1 << 14;
const FLAG: u32 = 1 << 10;

/// Writes events.
pub(crate) struct Writer<'a> {
    pub(crate) data: Vec<u8>,
    pub(crate) index: &'a mut [u32],
    pub(crate) acks: &'a mut VecDeque<AckId>,
    count: usize,
    /// Where the topic of the last message is.
    topic: Option<Range<usize>>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(index: &'a mut [u32], acks: &'a mut VecDeque<AckId>) -> Writer<'a> {
        Writer { data: Vec::new(), index, acks, count: 0, topic: None }
    }

    fn put(&mut self, kind: u32, parts: [&[u8]; 3], numbers: [u32; 3]) {
        let Some(words) = self.index.get_mut(self.count * WORDS..(self.count + 1) * WORDS) else {
            return;
        };
        let [a, b, c] = parts;
        let [x, y, z] = numbers;
        words.copy_from_slice(&[
            kind,
            self.data.len() as u32,
            a.len() as u32,
            b.len() as u32,
            c.len() as u32,
            x,
            y,
            z,
        ]);
        for part in parts {
            self.data.extend_from_slice(part);
        }
        self.count += 1;
    }

    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::Message(received) => self.message(received),
            Event::Done(token, outcome) => self.done(token.as_u64() as u32, outcome),
            Event::Connected(connected) => self.connected(connected),
            Event::Disconnected(ended) => self.disconnected(ended),
            Event::Challenge(challenge) => self.challenge(challenge),
            Event::SubscriptionLost(filter, reason) => {
                self.put(LOST, [filter.as_bytes(), &[], &[]], [*reason as u32, 0, 0]);
            }
            Event::PacketSent(packet) => self.put(SENT, [packet, &[], &[]], [0; 3]),
            Event::PacketReceived(packet) => self.put(RECEIVED, [packet, &[], &[]], [0; 3]),
            // Those are the driver's and do not come here.
            Event::Dial(_) | Event::Close => self.put(0, [&[]; 3], [0; 3]),
        }
    }

    fn message(&mut self, received: &Received) {
        let message = &received.message;
        let mut kind = MESSAGE | (message.qos() as u32) << 8;
        kind |= if message.retain() { RETAIN } else { 0 };
        kind |= if received.dup { DUP } else { 0 };
        let topic = message.topic().as_bytes();
        if self.topic.clone().is_some_and(|last| self.data.get(last) == Some(topic)) {
            kind |= SAME_TOPIC;
        } else if topic.is_ascii() {
            kind |= ASCII;
        }
        self.topic = Some(self.data.len()..self.data.len() + topic.len());
        if let Some(ack) = received.ack {
            kind |= WANTS_ACK;
            self.acks.push_back(ack);
        }
        let parts = [topic, message.properties().as_bytes(), message.payload()];
        let id = received.packet_id.map_or(0, |id| u32::from(id.get()));
        self.put(kind, parts, [id, 0, 0]);
    }

    fn done(&mut self, token: u32, outcome: &Outcome) {
        let status = Status::from(outcome).code() as u32;
        match outcome {
            Outcome::Acknowledged(Answer { reason, properties })
            | Outcome::Refused(Answer { reason, properties }) => {
                let properties = properties.view().as_bytes();
                self.put(DONE, [properties, &[], &[]], [token, status, *reason as u32]);
            }
            Outcome::Unsendable(reason) => {
                self.put(DONE, [&[]; 3], [token, status, *reason as u32]);
            }
            Outcome::Subscribed(Answers { reasons, properties })
            | Outcome::Unsubscribed(Answers { reasons, properties }) => {
                let reasons: Vec<u8> = reasons.iter().map(|&reason| reason as u8).collect();
                let parts = [properties.view().as_bytes(), &reasons[..], &[]];
                self.put(DONE, parts, [token, status, 0]);
            }
            Outcome::Written
            | Outcome::Reply(_)
            | Outcome::Expired
            | Outcome::TimedOut
            | Outcome::Dropped
            | Outcome::ConnectionLost
            | Outcome::SessionLost
            | Outcome::Abandoned
            | Outcome::NotStored => self.put(DONE, [&[]; 3], [token, status, 0]),
        }
    }

    fn connected(&mut self, connected: &Connected) {
        let flag = if connected.session_present { FLAG } else { 0 };
        let parts = [connected.properties.view().as_bytes(), connected.client_id.as_bytes(), &[]];
        self.put(CONNECTED | flag, parts, [u32::from(connected.limits.keep_alive_s), 0, 0]);
    }

    fn disconnected(&mut self, ended: &Disconnected) {
        let text;
        let (cause, reason, properties, words): (u32, u32, &[u8], &[u8]) = match &ended.cause {
            Cause::Requested => (0, 0, &[], &[]),
            Cause::Unreachable => (1, 0, &[], &[]),
            Cause::ClosedByPeer => (2, 0, &[], &[]),
            Cause::Failed => (3, 0, &[], &[]),
            Cause::ConnectTimeout => (4, 0, &[], &[]),
            Cause::ServerSilent => (5, 0, &[], &[]),
            Cause::Refused(answer) => {
                (6, answer.reason as u32, answer.properties.view().as_bytes(), &[])
            }
            Cause::ServerDisconnect(answer) => {
                (7, answer.reason as u32, answer.properties.view().as_bytes(), &[])
            }
            Cause::Violation(reason, violation) => {
                text = violation.to_string();
                (8, *reason as u32, &[], text.as_bytes())
            }
        };
        let flag = if ended.was_connected { FLAG } else { 0 };
        let at_once = ended.retry_in.is_some_and(|delay| delay.is_zero());
        self.put(
            DISCONNECTED | flag,
            [properties, words, &[]],
            [cause, reason, u32::from(at_once)],
        );
    }

    fn challenge(&mut self, challenge: &Challenge) {
        let parts = [challenge.properties.view().as_bytes(), &[], &[]];
        self.put(CHALLENGE, parts, [0; 3]);
    }
}
