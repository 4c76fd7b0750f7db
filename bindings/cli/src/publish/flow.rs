//! Publishing, from connecting to the last acknowledgement.

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
    /// The first that went wrong.
    failure: Option<Failure>,
}

/// Publishes `payload`, or the lines of standard input.
pub(super) fn run(
    request: &Request,
    mut options: ClientOptions,
    payload: Option<Vec<u8>>,
) -> Result<(), Failure> {
    options.config.reconnect.attempts_max = if payload.is_some() { ATTEMPTS } else { 0 };
    // What waits is bounded here.
    options.config.queue_messages_max = usize::MAX;
    options.config.queue_bytes_max = usize::MAX;
    let (tell, inputs) = mpsc::channel();
    let stop = tell.clone();
    let session = Session::new("pub", &request.connection, options, move |client| {
        if !client.is_connected() {
            client.close(core::time::Duration::ZERO);
        }
        // Nobody listens any more once the command has ended.
        let _: Result<(), mpsc::SendError<Input>> = stop.send(Input::Stop);
    })?;
    let events = tell.clone();
    session.client.on_event(Box::new(move |event| {
        let _: Result<(), mpsc::SendError<Input>> = events.send(Input::Client(event));
    }));
    if session.connect().map_err(|failure| session.report(failure))?.is_none() {
        return Ok(());
    }
    let mut flow = Flow { request, session: &session, inputs, waiting: 0, failure: None };
    let done = match payload {
        Some(payload) => flow.repeat(&payload),
        None => flow.lines(tell),
    };
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
        (0..WINDOW).for_each(|_| grant(&permit));
        // It may be in the middle of reading when the command ends, so nobody waits for it.
        thread::Builder::new().name("input".into()).spawn(move || read_lines(&permits, &tell))?;
        let mut ended = false;
        while !ended || self.waiting > 0 {
            let before = self.waiting;
            // This end of the channel was handed on, so it lasts.
            match self.inputs.recv().unwrap_or(Input::Stop) {
                Input::Client(event) => self.take(event)?,
                Input::Line(line) => self.publish(&line)?,
                Input::Eof(result) => {
                    result?;
                    ended = true;
                }
                Input::Stop => return Ok(()),
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
            Event::Done(_, what) => {
                self.waiting -= 1;
                self.settle(&what);
            }
            Event::Disconnected(ended) => match ended.retry_in {
                Some(after) => self.session.retrying(&ended.cause, after),
                None => return Err(self.session.lost(&ended.cause)),
            },
            _ => {}
        }
        Ok(())
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
