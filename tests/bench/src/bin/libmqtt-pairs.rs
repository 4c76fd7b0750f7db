//! Pairs of a publisher and a subscriber whose session lasts, at QoS 1 in MQTT 3.1.1: how many
//! messages a second a broker acknowledges, and how long its acknowledgements take.
//!
//! `libmqtt-pairs --port P [--pairs 100] [--window 64] [--batch 16] [--seconds 3] [--away]`
//!
//! Each pair has at most `window` messages of 64 bytes that are not acknowledged or not received,
//! and sends a batch when there is room for one: nothing piles up. With `--away` the subscribers
//! leave before the first message, and all piles up. The result is a line of JSON: how many were
//! `sent` and `received`, `acknowledged_per_s`, `ack_p50_us` and `ack_p99_us` (from sending to
//! PUBACK), and `correct`: each acknowledgement and, unless they are away, each message came once
//! and in order.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use lexopt::prelude::*;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

const PUBLISH: u8 = 0x32;
const PUBACK: u8 = 0x40;
const PAYLOAD: usize = 64;
/// What is not counted at first.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long what was sent may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

struct Plan {
    port: u16,
    pairs: usize,
    window: usize,
    batch: usize,
    span: Duration,
    away: bool,
}

impl Plan {
    fn from_arguments() -> Result<Plan, lexopt::Error> {
        let span = Duration::from_secs(3);
        let mut plan = Plan { port: 0, pairs: 100, window: 64, batch: 16, span, away: false };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("port") => plan.port = parser.value()?.parse()?,
                Long("pairs") => plan.pairs = parser.value()?.parse()?,
                Long("window") => plan.window = parser.value()?.parse()?,
                Long("batch") => plan.batch = parser.value()?.parse()?,
                Long("seconds") => plan.span = Duration::from_secs_f64(parser.value()?.parse()?),
                Long("away") => plan.away = true,
                other => return Err(other.unexpected()),
            }
        }
        let fits = (1..=plan.window).contains(&plan.batch) && plan.window < usize::from(u16::MAX);
        if plan.port == 0 || !fits {
            return Err("a port is needed, and a batch of at least 1 that fits the window".into());
        }
        Ok(plan)
    }
}

/// A packet of fewer than 128 bytes after its fixed header.
fn packet(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    assert!(body.len() < 128);
    [&[first, body.len() as u8], body.as_slice()].concat()
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
}

/// A connection that was let in.
struct Line {
    socket: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Line {
    /// Connects with Clean Session 0 and, if there is a filter, subscribes to it.
    fn open(port: u16, client_id: &str, filter: Option<&str>) -> io::Result<Line> {
        let mut socket =
            std::net::TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        socket.set_nodelay(true)?;
        let connect = packet(0x10, &[&string("MQTT"), &[4, 0, 0, 0], &string(client_id)]);
        socket.write_all(&connect)?;
        let mut answer = [0; 5];
        socket.read_exact(&mut answer[..4])?;
        if answer[0] != 0x20 || answer[3] != 0 {
            return Err(io::Error::other(format!("{client_id} was not let in: {answer:?}")));
        }
        if let Some(filter) = filter {
            socket.write_all(&packet(0x82, &[&[0, 1], &string(filter), &[1]]))?;
            socket.read_exact(&mut answer)?;
            if answer != [0x90, 3, 0, 1, 1] {
                return Err(io::Error::other(format!("{filter} was not granted: {answer:?}")));
            }
        }
        socket.set_nonblocking(true)?;
        let socket = TcpStream::from_std(socket);
        Ok(Line { socket, input: Vec::new(), output: Vec::new() })
    }

    /// Reads what is there, and calls `heard` with the first byte and the rest of each packet.
    fn read(&mut self, mut heard: impl FnMut(u8, &[u8])) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let mut rest = self.input.as_slice();
        // All packets here are shorter than 128 bytes.
        while let [first, length, body @ ..] = rest
            && let Some((body, next)) = body.split_at_checked(usize::from(*length))
        {
            heard(*first, body);
            rest = next;
        }
        let taken = self.input.len() - rest.len();
        self.input.drain(..taken);
        Ok(())
    }

    /// Writes what there is room for.
    fn write(&mut self) -> io::Result<()> {
        let mut written = 0;
        let result = loop {
            if written == self.output.len() {
                break Ok(());
            }
            match self.socket.write(&self.output[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.output.drain(..written);
        result
    }
}

struct Pair {
    publisher: Line,
    /// None: it is away.
    subscriber: Option<Line>,
    /// PUBLISH with its topic, up to the packet identifier.
    head: Vec<u8>,
    sent: u64,
    /// When those were sent that are in flight.
    since: VecDeque<Instant>,
    received: u64,
    correct: bool,
}

fn identifier(number: u64) -> [u8; 2] {
    ((number % u64::from(u16::MAX)) as u16 + 1).to_be_bytes()
}

impl Pair {
    fn open(plan: &Plan, number: usize) -> io::Result<Pair> {
        let topic = format!("pair/{number:04}");
        let subscriber = Line::open(plan.port, &format!("sub-{number}"), Some(&topic))?;
        let publisher = Line::open(plan.port, &format!("pub-{number}"), None)?;
        let topic = string(&topic);
        let length = (topic.len() + 2 + PAYLOAD) as u8;
        Ok(Pair {
            publisher,
            subscriber: (!plan.away).then_some(subscriber),
            head: [&[PUBLISH, length], topic.as_slice()].concat(),
            sent: 0,
            since: VecDeque::new(),
            received: 0,
            correct: true,
        })
    }

    /// What is not acknowledged or not received.
    fn in_flight(&self) -> usize {
        match self.subscriber {
            Some(_) => self.since.len().max((self.sent.saturating_sub(self.received)) as usize),
            None => self.since.len(),
        }
    }

    /// Sends as many batches as the window has room for.
    fn publish(&mut self, plan: &Plan) -> io::Result<()> {
        while plan.window - self.in_flight() >= plan.batch {
            let now = Instant::now();
            for _ in 0..plan.batch {
                let mut payload = [0; PAYLOAD];
                payload[..8].copy_from_slice(&self.sent.to_be_bytes());
                let output = &mut self.publisher.output;
                output.extend_from_slice(&self.head);
                output.extend_from_slice(&identifier(self.sent));
                output.extend_from_slice(&payload);
                self.sent += 1;
                self.since.push_back(now);
            }
        }
        self.publisher.write()
    }

    /// Takes acknowledgements, and gives how long each took to `took`.
    fn take_acknowledgements(&mut self, mut took: impl FnMut(Duration)) -> io::Result<()> {
        let (now, sent) = (Instant::now(), self.sent);
        let (since, correct) = (&mut self.since, &mut self.correct);
        self.publisher.read(|first, body| {
            let expected = identifier(sent - since.len() as u64);
            *correct &= first == PUBACK && body == expected;
            match since.pop_front() {
                Some(since) => took(now - since),
                None => *correct = false,
            }
        })
    }

    /// Takes messages and acknowledges them.
    fn take_messages(&mut self) -> io::Result<()> {
        let Some(subscriber) = &mut self.subscriber else { return Ok(()) };
        let (topic_end, received, correct) =
            (self.head.len() - 2, &mut self.received, &mut self.correct);
        let mut answers = Vec::new();
        subscriber.read(|first, body| {
            let payload = body.get(topic_end + 2..topic_end + 10);
            *correct &= first == PUBLISH && payload == Some(&received.to_be_bytes());
            *received += 1;
            if let Some(identifier) = body.get(topic_end..topic_end + 2) {
                answers.extend_from_slice(&packet(PUBACK, &[identifier]));
            }
        })?;
        subscriber.output.append(&mut answers);
        subscriber.write()
    }

    fn is_over(&self) -> bool {
        self.in_flight() == 0
    }
}

fn run(plan: &Plan) -> io::Result<()> {
    let mut pairs =
        (0..plan.pairs).map(|number| Pair::open(plan, number)).collect::<io::Result<Vec<_>>>()?;
    let mut poll = Poll::new()?;
    let both = Interest::READABLE | Interest::WRITABLE;
    for (number, pair) in pairs.iter_mut().enumerate() {
        let subscriber = pair.subscriber.as_mut();
        for (side, line) in [Some(&mut pair.publisher), subscriber].into_iter().enumerate() {
            if let Some(line) = line {
                poll.registry().register(&mut line.socket, Token(2 * number + side), both)?;
            }
        }
    }
    let begun = Instant::now() + WARM_UP;
    let ended = begun + plan.span;
    let mut times = Vec::new();
    let mut events = Events::with_capacity(1024);
    loop {
        let now = Instant::now();
        if now >= ended && (pairs.iter().all(Pair::is_over) || now >= ended + PATIENCE) {
            break;
        }
        poll.poll(&mut events, Some(Duration::from_millis(10)))?;
        for event in &events {
            let pair = &mut pairs[event.token().0 / 2];
            if event.token().0 % 2 == 1 {
                pair.take_messages()?;
            } else {
                pair.take_acknowledgements(|took| {
                    if (begun..ended).contains(&now) {
                        times.push(took.as_micros() as u32);
                    }
                })?;
            }
            if now < ended {
                pair.publish(plan)?;
            } else {
                pair.publisher.write()?;
            }
        }
    }
    let correct = pairs.iter().all(|pair| pair.correct && pair.is_over());
    let rate = times.len() as f64 / plan.span.as_secs_f64();
    times.sort_unstable();
    let percentile = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or(0);
    let (sent, received) = pairs
        .iter()
        .fold((0, 0), |(sent, received), pair| (sent + pair.sent, received + pair.received));
    println!(
        "{{\"sent\": {sent}, \"received\": {received}, \"acknowledged_per_s\": {rate:.0}, \"ack_p50_us\": {}, \"ack_p99_us\": {}, \
         \"correct\": {correct}}}",
        percentile(50),
        percentile(99)
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn core::error::Error>> {
    Ok(run(&Plan::from_arguments()?)?)
}
