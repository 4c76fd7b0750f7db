//! What a client keeps beyond its process.

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use common::{SOON, address, broker};
use libmqtt_runtime::engine::client::CleanStart;
use libmqtt_runtime::{
    Broker, Client, ClientConfig, ClientError, ClientOptions, ClientPersistence, DiskStore,
    Durability, Event, Message, QoS, Runtime, Status, Subscription, SubscriptionOptions,
};

/// Tells a process of this program that it is the one to be killed: the directory and how.
const DOOMED: &str = "LIBMQTT_TEST_DOOMED";
const COUNT: usize = 10_000;

fn options(server: &str, client_id: &str, directory: &Path) -> ClientOptions {
    let config = ClientConfig {
        session_expiry_s: 3600,
        clean_start: CleanStart::Never,
        queue_messages_max: 2 * COUNT,
        ..ClientConfig::new(server, client_id)
    };
    let persistence = Some(ClientPersistence::new(directory));
    ClientOptions { persistence, ..ClientOptions::from(config) }
}

/// Message `i` of those that a test publishes, at QoS 1 or 2 by turns.
fn message(i: usize) -> Message {
    let qos = if i.is_multiple_of(2) { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
    Message::new("t", i.to_string().as_bytes()).unwrap().with_qos(qos)
}

/// A client of a broker that hands on what it receives at `t`.
fn receiver(broker: &Broker) -> (Client, mpsc::Receiver<usize>) {
    let (send, received) = mpsc::channel();
    let client = broker
        .client(ClientConfig { client_id: "receiver".into(), ..ClientConfig::default() }.into())
        .unwrap();
    client.on_event(Box::new(move |event| {
        if let Event::Message(it) = event {
            let number = std::str::from_utf8(it.message.payload()).unwrap().parse().unwrap();
            send.send(number).unwrap_or_default();
        }
    }));
    client.connect(SOON).unwrap();
    let options = SubscriptionOptions { qos: QoS::ExactlyOnce, ..Default::default() };
    client.subscribe(&[Subscription { filter: "t", options }], SOON).unwrap();
    (client, received)
}

fn url(broker: &Broker) -> String {
    format!("mqtt://{}", address(broker))
}

/// The numbers that were received, until the last of them.
fn all(received: &mpsc::Receiver<usize>, last: usize) -> Vec<usize> {
    let mut numbers = Vec::new();
    while numbers.last() != Some(&last) {
        numbers.push(received.recv_timeout(SOON).unwrap());
    }
    numbers
}

#[test]
fn what_was_published_offline_is_sent_by_the_next_client() {
    let directory = tempfile::tempdir().unwrap();
    let (broker, runtime) = (broker(2), Runtime::new().unwrap());
    let (_receiver, received) = receiver(&broker);
    let client = Client::new(&runtime, options(&url(&broker), "me", directory.path())).unwrap();
    for i in 0..100 {
        client.publish(&message(i).view()).unwrap();
    }
    client.flush(SOON).unwrap();
    drop(client);
    let client = Client::new(&runtime, options(&url(&broker), "me", directory.path())).unwrap();
    client.connect(SOON).unwrap();
    assert_eq!(all(&received, 99), (0..100).collect::<Vec<_>>());
    client.close(SOON);
    drop(client);
    // Nothing of that is left.
    let client = Client::new(&runtime, options(&url(&broker), "me", directory.path())).unwrap();
    client.publish(&message(100).view()).unwrap();
    client.connect(SOON).unwrap();
    assert_eq!(all(&received, 100), [100]);
}

#[test]
fn a_client_within_the_process_keeps_its_messages_too() {
    let directory = tempfile::tempdir().unwrap();
    let broker = broker(1);
    let (_receiver, received) = receiver(&broker);
    let client = broker.client(options("", "me", directory.path())).unwrap();
    client.publish(&message(1).view()).unwrap();
    client.flush(SOON).unwrap();
    drop(client);
    let client = broker.client(options("", "me", directory.path())).unwrap();
    client.connect(SOON).unwrap();
    assert_eq!(all(&received, 1), [1]);
}

#[test]
fn flush_writes_at_once_whatever_the_durability() {
    for durability in [Durability::Off, Durability::Interval(10 * SOON)] {
        let directory = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let mut options = options("mqtt://127.0.0.1:1", "me", directory.path());
        options.persistence.as_mut().unwrap().durability = durability;
        let client = Client::new(&runtime, options).unwrap();
        client.publish(&message(1).view()).unwrap();
        client.flush(SOON).unwrap();
        let token = client.flush_start().unwrap();
        let told = client.next_event(SOON).unwrap();
        assert_eq!(told, Some(Event::Done(token, libmqtt_runtime::Outcome::Written)));
    }
}

/// The process that is killed: offline, with all of its messages on disk; or online, in the midst
/// of them.
#[test]
fn a_doomed_process() {
    let Ok(doom) = std::env::var(DOOMED) else { return };
    let (directory, server) = doom.split_once('|').unwrap();
    let runtime = Runtime::new().unwrap();
    let server_or_none = if server.is_empty() { "mqtt://127.0.0.1:1" } else { server };
    let client =
        Client::new(&runtime, options(server_or_none, "doomed", Path::new(directory))).unwrap();
    if !server.is_empty() {
        client.connect(SOON).unwrap();
    }
    for i in 0..COUNT {
        client.publish(&message(i).view()).unwrap();
        if i == COUNT / 2 && !server.is_empty() {
            client.flush(SOON).unwrap();
            println!("\nkill me: {i}");
        }
    }
    client.flush(SOON).unwrap();
    println!("\nkill me: {}", COUNT - 1);
    loop {
        std::thread::park();
    }
}

/// Runs the doomed process until it says so, and kills it; the last message that it has flushed.
fn kill(directory: &Path, server: &str) -> usize {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["a_doomed_process", "--exact", "--nocapture"])
        .env(DOOMED, format!("{}|{server}", directory.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut flushed = lines
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("kill me: ").and_then(|number| number.parse().ok()));
    let flushed = flushed.next();
    child.kill().unwrap();
    child.wait().unwrap();
    flushed.expect("it has said so")
}

#[test]
fn a_process_killed_offline_loses_and_repeats_nothing() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(kill(directory.path(), ""), COUNT - 1);
    let (broker, runtime) = (broker(2), Runtime::new().unwrap());
    let (_receiver, received) = receiver(&broker);
    let next = options(&url(&broker), "doomed", directory.path());
    let client = Client::new(&runtime, next).unwrap();
    assert_eq!(client.queued(), COUNT);
    client.connect(SOON).unwrap();
    assert_eq!(all(&received, COUNT - 1), (0..COUNT).collect::<Vec<_>>());
}

#[test]
fn a_process_killed_in_flight_loses_nothing_and_repeats_no_qos2() {
    let directory = tempfile::tempdir().unwrap();
    let (broker, runtime) = (broker(2), Runtime::new().unwrap());
    let (_receiver, received) = receiver(&broker);
    let flushed = kill(directory.path(), &url(&broker));
    let next = options(&url(&broker), "doomed", directory.path());
    let client = Client::new(&runtime, next).unwrap();
    client.connect(SOON).unwrap();
    client.publish_wait(&message(COUNT).view(), SOON).unwrap();
    client.publish_wait(&message(COUNT + 1).view(), SOON).unwrap();
    let mut times = vec![0; COUNT + 2];
    all(&received, COUNT + 1).into_iter().for_each(|i| times[i] += 1);
    assert!(times[..=flushed].iter().all(|&times| times > 0), "lost");
    assert!(times.iter().skip(1).step_by(2).all(|&times| times < 2), "QoS 2 twice");
}

#[test]
fn a_file_is_that_of_one_client_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let new = |client_id| {
        Client::new(&runtime, options("mqtt://127.0.0.1:1", client_id, directory.path()))
    };
    let first = new("me").unwrap();
    let error = new("me").unwrap_err();
    assert_eq!(error.status(), Status::StorageFailed);
    let name = directory.path().join("client-me.db");
    assert!(error.to_string().contains(&name.display().to_string()), "{error}");
    new("you").unwrap();
    drop(first);
    new("me").unwrap();
}

#[test]
fn what_is_no_file_of_a_client_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let path = directory.path().join("client-me.db");
    let new = || Client::new(&runtime, options("mqtt://127.0.0.1:1", "me", directory.path()));
    std::fs::write(&path, "precious").unwrap();
    assert_eq!(new().unwrap_err().status(), Status::StorageFailed);
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    std::fs::remove_file(&path).unwrap();
    drop(DiskStore::open(&path, Durability::Sync, 1, || {}).unwrap());
    let Err(ClientError::Store { source, .. }) = new() else { panic!("it is a broker's") };
    assert_eq!(source.to_string(), "it is the file of a broker");
}

#[test]
fn without_a_name_or_a_session_that_lasts_nothing_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let mut nameless = options("mqtt://127.0.0.1:1", "", directory.path());
    assert!(matches!(Client::new(&runtime, nameless.clone()), Err(ClientError::Connect(_))));
    nameless.config.client_id = "me".into();
    nameless.config.session_expiry_s = 0;
    assert!(matches!(Client::new(&runtime, nameless.clone()), Err(ClientError::Connect(_))));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    nameless.persistence = None;
    let client = Client::new(&runtime, nameless).unwrap();
    assert!(matches!(client.flush(SOON), Err(ClientError::Flush(_))));
    assert!(client.flush_start().is_err());
}
