//! A client that keeps its messages, to be killed by `client.py`. It says on its standard output
//! what holds from then on.
//!
//!     crash-client WHAT SERVER DIRECTORY CLIENT_ID VERSION [FIRST COUNT DURABILITY]
//!
//! It says `ready` when it has opened its file. Then it does one of these:
//!
//! - `offline`, `online`: publishes COUNT messages from number FIRST on, at QoS 1 and 2 by turns,
//!   without and with a connection, and asks for a flush now and then. It says `durable N` when
//!   what comes before N is on disk, and `acknowledged N` of each that the server has taken.
//! - `drain`: sends what there is, says `drained` and ends.
//! - `receive`: has subscribed to `load/#` and acknowledges what comes. It says `got TEXT`, and
//!   `taken TEXT` when the acknowledgement is on disk.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

use libmqtt_runtime::engine::client::CleanStart;
use libmqtt_runtime::engine::codec::Version;
use libmqtt_runtime::{
    Client, ClientConfig, ClientOptions, ClientPersistence, Durability, Event, Message, Outcome,
    QoS, Reason, Runtime, Subscription, SubscriptionOptions,
};

const SOON: Duration = Duration::from_secs(60);
/// Messages between two flushes.
const FLUSH: u64 = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [what, server, directory, client_id, version, rest @ ..] = &words[..] else {
        return Err("see the beginning of client.rs".into());
    };
    let config = ClientConfig {
        version: if version == "5" { Version::V5 } else { Version::V311 },
        receive_maximum: u16::MAX,
        session_expiry_s: 3600,
        clean_start: CleanStart::Never,
        queue_messages_max: 1_000_000,
        manual_ack: what == "receive",
        ..ClientConfig::new(server, client_id)
    };
    let mut persistence = ClientPersistence::new(Path::new(directory));
    persistence.durability = match rest.get(2).map(String::as_str) {
        Some("off") => Durability::Off,
        Some("interval") => Durability::Interval(SOON),
        _ => Durability::Sync,
    };
    let options = ClientOptions { persistence: Some(persistence), ..ClientOptions::from(config) };
    let client = Client::new(&Runtime::new()?, options)?;
    println!("ready");
    if what != "offline" {
        client.connect(SOON)?;
    }
    match (&what[..], rest) {
        ("offline" | "online", [first, count, ..]) => {
            publish(&client, client_id, first.parse()?, count.parse()?)
        }
        ("drain", []) => drain(&client),
        ("receive", []) => receive(&client),
        _ => Err("see the beginning of client.rs".into()),
    }
}

fn publish(client: &Client, name: &str, first: u64, count: u64) -> Result<(), Box<dyn Error>> {
    let mut messages = HashMap::new();
    let mut flushes = HashMap::new();
    let tell = |event, flushes: &mut HashMap<_, u64>, messages: &mut HashMap<_, u64>| {
        let Event::Done(token, outcome) = event else { return Ok(()) };
        match (outcome, flushes.remove(&token), messages.remove(&token)) {
            (Outcome::Written, Some(next), None) => println!("durable {next}"),
            (Outcome::Acknowledged(answer), None, Some(number)) if !answer.reason.is_error() => {
                println!("acknowledged {number}");
            }
            (outcome, ..) => return Err(format!("it became {outcome:?}")),
        }
        Ok(())
    };
    for number in first..first + count {
        let qos = if number % 2 == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
        let who = format!("{name}-{}", qos as u8);
        let text = format!("{who} {number}");
        let message = Message::new(&format!("load/{who}"), text.as_bytes())?.with_qos(qos);
        messages.insert(client.publish(&message.view())?, number);
        let next = number + 1;
        if next % FLUSH == 0 || next == first + count {
            flushes.insert(client.flush_start()?, next);
        }
        while let Some(event) = client.next_event(Duration::ZERO)? {
            tell(event, &mut flushes, &mut messages)?;
        }
    }
    loop {
        if let Some(event) = client.next_event(SOON)? {
            tell(event, &mut flushes, &mut messages)?;
        }
    }
}

fn drain(client: &Client) -> Result<(), Box<dyn Error>> {
    // What has been restored has no token that would tell when it is over: one more has.
    let last = Message::new("drained", b"")?.with_qos(QoS::ExactlyOnce);
    client.publish_wait(&last.view(), SOON)?;
    while client.queued() + client.in_flight() > 0 {
        client.next_event(Duration::from_millis(1))?;
    }
    client.flush(SOON)?;
    println!("drained");
    client.close(SOON);
    Ok(())
}

fn receive(client: &Client) -> Result<(), Box<dyn Error>> {
    let options = SubscriptionOptions { qos: QoS::ExactlyOnce, ..SubscriptionOptions::default() };
    client.subscribe(&[Subscription { filter: "load/#", options }], SOON)?;
    println!("subscribed");
    let mut events = Vec::new();
    let mut taken = Vec::new();
    loop {
        events.extend(client.next_event(SOON)?);
        client.drain_events(&mut events, FLUSH as usize);
        for event in events.drain(..) {
            let Event::Message(received) = event else { continue };
            let text = String::from_utf8(received.message.payload().to_vec())?;
            println!("got {text}");
            client.acknowledge(received.ack.ok_or("nothing to acknowledge")?, Reason::Success)?;
            taken.push(text);
        }
        client.flush(SOON)?;
        taken.drain(..).for_each(|text| println!("taken {text}"));
    }
}
