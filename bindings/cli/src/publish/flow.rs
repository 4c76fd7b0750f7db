//! Publishing, from connecting to the last acknowledgement.

use core::time::Duration;
use std::io::{self, BufRead};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Instant;

use libmqtt_runtime::engine::client::{Event, Outcome};
use libmqtt_runtime::{ClientOptions, Publish, QoS, Reason};

use super::Request;
use crate::exit::{Failure, LOST};
use crate::session::{Session, outcome};

/// Lines that may be on their way at a time.
const WINDOW: usize = 1024;
/// The same with a data directory, which takes them while there is no connection.
const WINDOW_KEPT: usize = 100_000;
/// How often to look whether what an earlier command has left has arrived, which no event tells.
const LOOK: Duration = Duration::from_millis(50);
/// A wait without an end.
const LONG: Duration = Duration::from_secs(3600);
/// How long it may take until the disk has all of them.
const KEEP_WITHIN: Duration = Duration::from_secs(30);
/// Attempts to connect again before a message is given up. With `-l` there is no end.
const ATTEMPTS: u32 = 5;

/// What the loop waits for.
enum Input {
    Client(Event),
    /// A line of standard input, without its end.
    Line(Vec<u8>),
    /// Standard input has ended; or how it has failed.
    Eof(io::Result<()>),
    /// The user wants the command to end.
    Stop,
}

struct Flow<'a> {
    request: &'a Request,
    session: &'a Session,
    inputs: Receiver<Input>,
    /// Messages without an outcome.
    waiting: usize,
    /// Why there is no connection, from when one has failed until there is one.
    down: Option<Failure>,
    /// The first that went wrong.
    failure: Option<Failure>,
}

/// Publishes `payload`, or the lines of standard input.
pub(super) fn run(
    request: &Request,
    mut options: ClientOptions,
    payload: Option<Vec<u8>>,
) -> Result<(), Failure> {
    let kept = options.persistence.is_some();
    options.config.reconnect.attempts_max = if payload.is_some() { ATTEMPTS } else { 0 };
    // Lines are kept until there is a server.
    options.config.reconnect.first = kept && payload.is_none();
    // What waits is bounded here.
    options.config.queue_messages_max = usize::MAX;
    options.config.queue_bytes_max = usize::MAX;
    let (tell, inputs) = mpsc::channel();
    let stop = tell.clone();
    let session = Session::new("pub", &request.connection, options, move |client| {
        if !client.is_connected() && !kept {
            client.close(Duration::ZERO);
        }
        // Nobody listens any more once the command has ended.
        let _: Result<(), mpsc::SendError<Input>> = stop.send(Input::Stop);
    })?;
    let events = tell.clone();
    session.client.on_event(Box::new(move |event| {
        let _: Result<(), mpsc::SendError<Input>> = events.send(Input::Client(event));
    }));
    if kept {
        // What is published meanwhile is kept, whether it can be sent or not.
        session.client.start().map_err(|error| session.report(session.failure(&error)))?;
    } else if session.connect().map_err(|failure| session.report(failure))?.is_none() {
        return Ok(());
    }
    let mut flow =
        Flow { request, session: &session, inputs, waiting: 0, down: None, failure: None };
    let done = match payload {
        Some(payload) => flow.repeat(&payload),
        None => flow.lines(tell),
    };
    let done = done.map_err(|failure| flow.keep(failure));
    let left = session.leave();
    // The first failure is the one that is told.
    done.and_then(|()| flow.failure.take().map_or(left, Err)).map_err(|why| session.report(why))
}

impl Flow<'_> {
    /// One message, as often as it was asked for, each after the one before has arrived.
    fn repeat(&mut self, payload: &[u8]) -> Result<(), Failure> {
        for round in 0..self.request.repeat {
            if round > 0 && !self.pause()? {
                return Ok(());
            }
            self.publish(payload)?;
            while self.waiting > 0 {
                match self.inputs.recv() {
                    Ok(Input::Client(event)) => self.take(event)?,
                    _ => return Err(Failure::new(LOST, "ended before the message had arrived")),
                }
            }
            if self.failure.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Waits as long as there is to be between two messages; false when the user wants to end.
    fn pause(&mut self) -> Result<bool, Failure> {
        let until = Instant::now() + self.request.repeat_delay;
        loop {
            match self.inputs.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Input::Client(event)) => self.take(event)?,
                Err(RecvTimeoutError::Timeout) => return Ok(true),
                _ => return Ok(false),
            }
        }
    }

    /// Each line of standard input as a message.
    fn lines(&mut self, tell: Sender<Input>) -> Result<(), Failure> {
        let (permit, permits) = mpsc::channel();
        let kept = self.is_kept();
        (0..if kept { WINDOW_KEPT } else { WINDOW }).for_each(|_| grant(&permit));
        // It may be in the middle of reading when the command ends, so nobody waits for it.
        thread::Builder::new().name("input".into()).spawn(move || read_lines(&permits, &tell))?;
        let mut ended = false;
        while !ended || self.waiting > 0 || (kept && self.left() > 0) {
            let before = self.waiting;
            let input = match self.inputs.recv_timeout(if kept && ended { LOOK } else { LONG }) {
                Err(RecvTimeoutError::Timeout) => continue,
                // This end of the channel was handed on, so it lasts.
                input => input.unwrap_or(Input::Stop),
            };
            match input {
                Input::Client(event) => self.take(event)?,
                Input::Line(line) => self.publish(&line)?,
                Input::Eof(result) => {
                    result?;
                    ended = true;
                }
                Input::Stop if kept && self.left() > 0 && !self.session.client.is_connected() => {
                    return Err(Failure::new(LOST, "ended before all messages had arrived"));
                }
                Input::Stop => return Ok(()),
            }
            if kept
                && ended
                && let Some(why) = self.down.take()
            {
                return Err(why);
            }
            (self.waiting..before).for_each(|_| grant(&permit));
        }
        Ok(())
    }

    fn publish(&mut self, payload: &[u8]) -> Result<(), Failure> {
        let Request { topic, qos, retain, connection, .. } = self.request;
        let message = Publish {
            dup: false,
            qos: *qos,
            retain: *retain,
            topic,
            packet_id: None,
            properties: connection.properties.publish.view(),
            payload,
        };
        self.session.debug(format_args!(
            "publishing {} bytes to '{topic}' at QoS {}",
            payload.len(),
            *qos as u8
        ));
        self.session.client.publish(&message).map_err(|error| self.session.failure(&error))?;
        self.waiting += 1;
        Ok(())
    }

    fn take(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            // It is kept, and the end of the connection says why it was not sent.
            Event::Done(_, Outcome::Abandoned) if self.is_kept() => {}
            Event::Done(_, what) => {
                self.waiting -= 1;
                self.settle(&what);
            }
            Event::Connected(connected) => {
                self.down = None;
                self.session.connected(&connected);
            }
            Event::Disconnected(ended) => match ended.retry_in {
                Some(after) => {
                    self.down = Some(self.session.lost(&ended.cause));
                    self.session.retrying(&ended.cause, after);
                }
                None => return Err(self.session.lost(&ended.cause)),
            },
            _ => {}
        }
        Ok(())
    }

    /// Whether messages are kept until they have arrived.
    fn is_kept(&self) -> bool {
        self.request.connection.data_directory.is_some()
    }

    /// Messages at QoS 1 and 2 that have not arrived, also of earlier commands that had a data
    /// directory.
    fn left(&self) -> usize {
        self.session.client.queued() + self.session.client.in_flight()
    }

    /// A failure, with what becomes of the messages that have not arrived.
    fn keep(&self, mut failure: Failure) -> Failure {
        let left = self.left();
        if left > 0
            && let Some(directory) = &self.request.connection.data_directory
        {
            let note = match self.session.client.flush(KEEP_WITHIN) {
                Ok(()) => format!("{left} kept in {} for the next time", directory.display()),
                Err(error) => format!("{left} may be lost: {error}"),
            };
            failure.message = format!("{}; messages: {note}", failure.message);
        }
        failure
    }

    /// What became of a message: the first failure is kept, later ones are only told.
    fn settle(&mut self, what: &Outcome) {
        if let Outcome::Acknowledged(answer) = what {
            self.session.debug(format_args!("acknowledged: {}", answer.reason));
            if answer.reason == Reason::NoMatchingSubscribers && self.request.qos > QoS::AtMostOnce
            {
                self.session.warn(format_args!("the message has no subscribers"));
            }
        }
        if let Err(failure) = outcome(what) {
            match &self.failure {
                None => self.failure = Some(failure),
                Some(_) => self.session.warn(format_args!("{}", failure.message)),
            }
        }
    }
}

fn grant(permit: &Sender<()>) {
    // The reader has gone when its input has ended.
    let _: Result<(), mpsc::SendError<()>> = permit.send(());
}

/// Reads a line for each permit.
fn read_lines(permits: &Receiver<()>, tell: &Sender<Input>) {
    let mut input = io::stdin().lock();
    while permits.recv().is_ok() {
        let mut line = Vec::new();
        let next = match input.read_until(b'\n', &mut line) {
            Ok(0) => Input::Eof(Ok(())),
            Ok(_) => {
                line.pop_if(|last| *last == b'\n');
                Input::Line(line)
            }
            Err(error) => Input::Eof(Err(error)),
        };
        let last = matches!(next, Input::Eof(_));
        if tell.send(next).is_err() || last {
            return;
        }
    }
}
