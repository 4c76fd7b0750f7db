//! Subscribing, and printing what comes.

use core::time::Duration;
use std::io::{self, StdoutLock, Write};
use std::time::Instant;

use jiff::Zoned;
use libmqtt_runtime::engine::client::{
    AckId, Answers, Disconnect, Event, Outcome, Received, Token,
};
use libmqtt_runtime::{
    ClientOptions, Publish, QoS, Reason, RetainHandling, Subscription, SubscriptionOptions,
    TopicFilter,
};

use super::{Request, Retained};
use crate::exit::{Failure, OTHER, TIMED_OUT};
use crate::format::NotJson;
use crate::session::{Session, outcome};

/// Events taken at once, before what they printed is written out.
const BATCH: usize = 256;
/// A wait without an end.
const LONG: Duration = Duration::from_secs(3600);

struct Flow<'a> {
    request: &'a Request,
    session: &'a Session,
    out: io::BufWriter<StdoutLock<'static>>,
    /// The bytes of one message.
    line: Vec<u8>,
    /// Messages that are still to be printed.
    left: Option<u64>,
    subscribing: Option<Token>,
    unsubscribing: Option<Token>,
    /// Removals of retained messages without an outcome.
    removals: usize,
    /// Nothing more is to be printed.
    over: bool,
    failure: Option<Failure>,
}

/// Subscribes, and prints what comes until it is told to end.
pub(super) fn run(request: &Request, mut options: ClientOptions) -> Result<(), Failure> {
    // What was not printed stays with the server.
    options.config.manual_ack = request.count.is_some() || options.persistence.is_some();
    let session = Session::new("sub", &request.connection, options, |client| {
        if client.is_connected() {
            // Its end wakes the loop. An error means that it has ended already.
            drop(client.disconnect(Disconnect::default()));
        } else {
            client.close(Duration::ZERO);
        }
    })?;
    if session.connect().map_err(|failure| session.report(failure))?.is_none() {
        return Ok(());
    }
    let mut flow = Flow {
        request,
        session: &session,
        out: io::BufWriter::with_capacity(64 * 1024, io::stdout().lock()),
        line: Vec::new(),
        left: request.count,
        subscribing: None,
        unsubscribing: None,
        removals: 0,
        over: false,
        failure: None,
    };
    let done = flow.run();
    let flushed = flow.out.flush().map_err(Failure::from);
    // If the user ends it, goodbye was said already.
    let left = if session.is_ending() { Ok(()) } else { session.leave() };
    done.and(flushed)
        .and_then(|()| flow.failure.take().map_or(left, Err))
        .map_err(|failure| session.report(failure))
}

impl Flow<'_> {
    fn run(&mut self) -> Result<(), Failure> {
        self.subscribe()?;
        let until = self.request.timeout.map(|timeout| Instant::now() + timeout);
        let mut events = Vec::new();
        while !self.is_done() {
            let wait = until.map_or(LONG, |until| until.saturating_duration_since(Instant::now()));
            match self.session.client.next_event(wait) {
                Ok(Some(event)) => events.push(event),
                Ok(None) if until.is_some_and(|until| until <= Instant::now()) => {
                    return Err(Failure::new(TIMED_OUT, "timed out"));
                }
                Ok(None) => continue,
                Err(_) if self.session.is_ending() => return Ok(()),
                Err(error) => return Err(self.session.failure(&error)),
            }
            self.session.client.drain_events(&mut events, BATCH);
            for event in events.drain(..) {
                if !self.take(event)? {
                    return Ok(());
                }
            }
            self.out.flush()?;
        }
        Ok(())
    }

    /// Whether everything that was asked for has happened.
    fn is_done(&self) -> bool {
        let asked = self.subscribing.is_none() && self.unsubscribing.is_none();
        self.removals == 0 && (self.over || (self.request.only_subscribe && asked))
    }

    fn subscribe(&mut self) -> Result<(), Failure> {
        let Request { filters, ended, connection, .. } = self.request;
        let failed = |error| self.session.failure(&error);
        let options = SubscriptionOptions {
            qos: self.request.qos,
            no_local: false,
            retain_as_published: self.request.retain_as_published,
            retain_handling: RetainHandling::Send,
        };
        if !filters.is_empty() {
            let wanted: Vec<Subscription<'_>> =
                filters.iter().map(|filter| Subscription { filter, options }).collect();
            let properties = connection.properties.subscribe.view();
            let token = self.session.client.subscribe_start(&wanted, properties).map_err(failed)?;
            self.subscribing = Some(token);
        }
        if !ended.is_empty() {
            let unwanted: Vec<&str> = ended.iter().map(String::as_str).collect();
            let properties = connection.properties.unsubscribe.view();
            let token =
                self.session.client.unsubscribe_start(&unwanted, properties).map_err(failed)?;
            self.unsubscribing = Some(token);
        }
        Ok(())
    }

    /// Takes one event; false when the command is to end at once.
    fn take(&mut self, event: Event) -> Result<bool, Failure> {
        match event {
            Event::Message(received) => self.message(&received)?,
            Event::Done(token, outcome) => self.settle(token, &outcome)?,
            Event::SubscriptionLost(filter, reason) => {
                self.session.warn(format_args!("subscription to '{filter}' was lost: {reason}"));
            }
            Event::Connected(_) => self.session.debug(format_args!("connected again")),
            Event::Disconnected(_) if self.session.is_ending() => return Ok(false),
            Event::Disconnected(ended) => match ended.retry_in {
                Some(after) => self.session.retrying(&ended.cause, after),
                None => return Err(self.session.lost(&ended.cause)),
            },
            Event::Challenge(_) => {
                return Err(Failure::new(OTHER, "server asks for more authentication data"));
            }
            // The driver's, and of clients that are watched.
            Event::Dial(_) | Event::Close | Event::PacketSent(_) | Event::PacketReceived(_) => {}
        }
        Ok(true)
    }

    fn settle(&mut self, token: Token, what: &Outcome) -> Result<(), Failure> {
        if let Outcome::Subscribed(answers) = what {
            self.subscribing = None;
            return self.granted(answers);
        }
        if let Outcome::Unsubscribed(answers) = what {
            self.unsubscribing = None;
            for (filter, reason) in self.request.ended.iter().zip(&answers.reasons) {
                if reason.is_error() || *reason == Reason::NoSubscriptionExisted {
                    self.session.warn(format_args!("unsubscribing from '{filter}': {reason}"));
                }
            }
            return Ok(());
        }
        if Some(token) == self.subscribing || Some(token) == self.unsubscribing {
            return outcome(what);
        }
        self.removals -= 1;
        if let Err(failure) = outcome(what) {
            self.failure.get_or_insert(failure);
        }
        Ok(())
    }

    /// What the server has granted. If it is nothing, there is nothing to wait for.
    fn granted(&mut self, answers: &Answers) -> Result<(), Failure> {
        let mut refused = None;
        for (filter, &reason) in self.request.filters.iter().zip(&answers.reasons) {
            self.session.debug(format_args!("subscribed to '{filter}': {reason}"));
            if reason.is_error() {
                refused = Some(reason);
                self.session.warn(format_args!("subscription to '{filter}' was refused: {reason}"));
            }
        }
        match refused {
            Some(reason) if answers.reasons.iter().all(|reason| reason.is_error()) => {
                Err(Failure::new(reason as u8, "all subscriptions were refused"))
            }
            Some(reason) if self.request.only_subscribe => {
                Err(Failure::new(reason as u8, "not all subscriptions were granted"))
            }
            _ => Ok(()),
        }
    }

    fn message(&mut self, received: &Received) -> Result<(), Failure> {
        if self.over {
            // It is not acknowledged, so the server keeps it for a session that goes on.
            return Ok(());
        }
        let message = received.message.view();
        let hidden = self.request.hidden.iter().any(|filter| {
            TopicFilter::new(filter).is_ok_and(|filter| filter.matches(message.topic))
        });
        if !hidden {
            if self.request.retained == Retained::Only && !message.retain {
                self.over = true;
                return Ok(());
            }
            if self.request.remove_retained && message.retain {
                self.remove(message.topic)?;
            }
            if !(self.request.retained == Retained::Not && message.retain) {
                self.print(&message)?;
            }
        }
        if let Some(ack) = received.ack {
            self.acknowledge(ack)?;
        }
        Ok(())
    }

    fn print(&mut self, message: &Publish<'_>) -> Result<(), Failure> {
        self.line.clear();
        let Request { format, pretty, newline, .. } = self.request;
        match format.render(message, &Zoned::now(), *pretty, &mut self.line) {
            Ok(()) => {
                if *newline {
                    self.line.push(b'\n');
                }
                self.out.write_all(&self.line)?;
            }
            Err(NotJson) => self.session.warn(format_args!(
                "the payload of a message to '{}' is not valid JSON",
                message.topic
            )),
        }
        if let Some(left) = &mut self.left {
            *left -= 1;
            self.over = *left == 0;
        }
        Ok(())
    }

    /// Says that the message was printed, once it really was.
    fn acknowledge(&mut self, ack: AckId) -> Result<(), Failure> {
        self.out.flush()?;
        let done = self.session.client.acknowledge(ack, Reason::Success);
        done.map_err(|error| self.session.failure(&error))
    }

    fn remove(&mut self, topic: &str) -> Result<(), Failure> {
        let empty = Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: true,
            topic,
            packet_id: None,
            properties: libmqtt_runtime::Properties::EMPTY,
            payload: &[],
        };
        self.session.client.publish(&empty).map_err(|error| self.session.failure(&error))?;
        self.removals += 1;
        Ok(())
    }
}
