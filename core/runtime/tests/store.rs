//! What every store promises, and what a broker finds again in the one on disk.

mod common;

use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use libmqtt_runtime::engine::client::CleanStart;
use libmqtt_runtime::engine::store::{
    Batch, Completion, Loaded, MemoryDisk, Position, RowId, Store,
};
use libmqtt_runtime::{
    Broker, BrokerError, BrokerOptions, Client, ClientConfig, DiskStore, Durability, Event,
    Message, Persistence, QoS, Status, Subscription, SubscriptionOptions,
};

const SOON: Duration = Duration::from_secs(20);

/// A store under test: opened with so many handles; after a crash, opened again.
trait Medium {
    fn open(&mut self, handles: usize) -> Vec<Box<dyn Store>>;
    /// Waits until something can be polled, having made it happen.
    fn work(&mut self);
}

struct InMemory(MemoryDisk);

impl Medium for InMemory {
    fn open(&mut self, handles: usize) -> Vec<Box<dyn Store>> {
        self.0.open(handles).into_iter().map(|it| -> Box<dyn Store> { Box::new(it) }).collect()
    }

    fn work(&mut self) {
        self.0.sync();
    }
}

struct OnDisk {
    directory: tempfile::TempDir,
    woken: Option<mpsc::Receiver<()>>,
}

impl Medium for OnDisk {
    fn open(&mut self, handles: usize) -> Vec<Box<dyn Store>> {
        let path = self.directory.path().join("store.db");
        let (wake, woken) = mpsc::channel();
        self.woken = Some(woken);
        let wake = move || wake.send(()).unwrap_or_default();
        let stores = DiskStore::open(&path, Durability::Sync, handles, wake).unwrap();
        stores.into_iter().map(|it| -> Box<dyn Store> { Box::new(it) }).collect()
    }

    fn work(&mut self) {
        self.woken.as_ref().unwrap().recv_timeout(SOON).unwrap();
    }
}

fn mediums() -> Vec<Box<dyn Medium>> {
    let directory = tempfile::tempdir().unwrap();
    vec![Box::new(InMemory(MemoryDisk::new())), Box::new(OnDisk { directory, woken: None })]
}

/// Waits for completions of one handle until `enough` of them are there.
fn poll(
    medium: &mut dyn Medium,
    store: &mut dyn Store,
    enough: impl Fn(&[Completion]) -> bool,
) -> Vec<Completion> {
    let mut done = Vec::new();
    let until = Instant::now() + SOON;
    loop {
        store.poll(&mut done);
        if enough(&done) {
            return done;
        }
        assert!(Instant::now() < until, "{done:?}");
        medium.work();
    }
}

fn durable(done: &[Completion], position: u64) -> bool {
    done.contains(&Completion::Durable(Position(position)))
}

/// Everything in a store, in the order in which it is loaded.
fn loaded(store: &mut dyn Store) -> Vec<String> {
    let mut all = Vec::new();
    store
        .load(&mut |loaded| match loaded {
            Loaded::Cell(key, _) if key.starts_with(b"m") => {}
            Loaded::Cell(key, value) => all.push(format!(
                "{}={}",
                String::from_utf8_lossy(key),
                String::from_utf8_lossy(value)
            )),
            Loaded::Row(row, value) => {
                all.push(format!("{}={}", row.0, String::from_utf8_lossy(value)));
            }
        })
        .unwrap();
    all
}

fn batch(position: u64, fill: impl FnOnce(&mut Batch)) -> Batch {
    let mut batch = Batch::default();
    fill(&mut batch);
    batch.at(Position(position))
}

#[test]
fn what_is_durable_is_loaded_cells_first_each_in_order() {
    for mut medium in mediums() {
        let mut stores = medium.open(1);
        assert!(loaded(&mut *stores[0]).is_empty());
        stores[0].submit(batch(1, |batch| {
            batch.put_row(RowId(300), b"late");
            batch.put_row(RowId(2), b"early");
            batch.put_cell(b"sb", b"1");
            batch.put_cell(b"sa", b"2");
        }));
        stores[0].submit(batch(2, |batch| {
            batch.put_row(RowId(4), b"gone");
            batch.delete_row(RowId(300));
            batch.put_row(RowId(301), b"last");
            batch.put_cell(b"sb", b"3");
            batch.delete_cell(b"sa");
            batch.put_cell(b"sc", b"");
        }));
        stores[0].submit(batch(3, |batch| {
            batch.delete_row(RowId(4));
            batch.delete_row(RowId(5)); // was never there
            batch.delete_cell(b"never");
        }));
        poll(&mut *medium, &mut *stores[0], |done| durable(done, 3));
        drop(stores);
        assert_eq!(loaded(&mut *medium.open(1)[0]), ["sb=3", "sc=", "2=early", "301=last"]);
    }
}

#[test]
fn batches_with_a_number_in_common_are_durable_together() {
    for mut medium in mediums() {
        let mut stores = medium.open(2);
        let joined = |position, row| {
            batch(position, |batch| {
                batch.put_row(RowId(row), b"both");
                batch.join(7);
            })
        };
        let (one, other) = stores.split_at_mut(1);
        one[0].submit(batch(1, |batch| batch.put_row(RowId(1), b"before")));
        one[0].submit(joined(2, 2));
        one[0].submit(batch(3, |batch| batch.put_row(RowId(3), b"behind")));
        let done = poll(&mut *medium, &mut *one[0], |done| durable(done, 1));
        assert!(!durable(&done, 2) && !durable(&done, 3));
        other[0].submit(joined(1, 4));
        poll(&mut *medium, &mut *one[0], |done| durable(done, 3));
        poll(&mut *medium, &mut *other[0], |done| durable(done, 1));
        one[0].submit(batch(4, |batch| {
            batch.put_row(RowId(5), b"alone");
            batch.join(8);
        }));
        drop(stores);
        let rows = ["1=before", "2=both", "3=behind", "4=both"];
        assert_eq!(loaded(&mut *medium.open(2)[0]), rows);
    }
}

#[test]
fn rows_are_fetched_as_they_are_after_what_was_submitted_before() {
    for mut medium in mediums() {
        let mut stores = medium.open(1);
        stores[0].submit(batch(1, |batch| {
            batch.put_row(RowId(1), b"one");
            batch.put_row(RowId(2), b"two");
        }));
        stores[0].submit(batch(2, |batch| batch.delete_row(RowId(1))));
        stores[0].fetch(&[RowId(2), RowId(1), RowId(9)]);
        let is_rows = |it: &Completion| matches!(it, Completion::Rows(_));
        let done = poll(&mut *medium, &mut *stores[0], |done| done.iter().any(is_rows));
        let rows = vec![(RowId(2), b"two"[..].into())];
        assert!(done.contains(&Completion::Rows(rows)), "{done:?}");
    }
}

fn broker(directory: &Path) -> Result<Broker, BrokerError> {
    let persistence = Some(Persistence::new(directory));
    let mut options = BrokerOptions { persistence, ..common::options(2) };
    options.config.sys_interval = Duration::ZERO; // its messages are retained ones
    Broker::start(options)
}

fn client(broker: &Broker, client_id: &str) -> Client {
    let mut config = ClientConfig::new("unused", client_id);
    config.clean_start = CleanStart::Never;
    config.accept_unknown_session = true;
    config.session_expiry_s = u32::MAX;
    broker.client(config.into()).unwrap()
}

#[test]
fn a_broker_finds_sessions_and_messages_again() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("made/when/needed");
    {
        let broker = broker(&directory).unwrap();
        let (one, two) = (client(&broker, "one"), client(&broker, "two"));
        for subscriber in [&one, &two] {
            subscriber.connect(SOON).unwrap();
            let options = SubscriptionOptions { qos: QoS::ExactlyOnce, ..Default::default() };
            subscriber.subscribe(&[Subscription { filter: "t/#", options }], SOON).unwrap();
            subscriber.close(SOON);
        }
        let publisher = client(&broker, "publisher");
        publisher.connect(SOON).unwrap();
        for n in 0..100 {
            let message = Message::new("t/a", format!("{n}").as_bytes()).unwrap();
            let qos = if n % 2 == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
            publisher.publish_wait(&message.with_qos(qos).view(), SOON).unwrap();
        }
        let retained = Message::new("kept", b"value").unwrap().with_retain(true);
        publisher.publish_wait(&retained.with_qos(QoS::AtLeastOnce).view(), SOON).unwrap();
        publisher.close(SOON);
        // Nobody else may have the file meanwhile.
        let taken = self::broker(&directory).unwrap_err();
        assert_eq!(taken.status(), Status::StorageFailed);
        assert!(taken.to_string().contains("libmqtt.db"), "{taken}");
        broker.stop(SOON);
    }
    let broker = broker(&directory).unwrap();
    assert_eq!(broker.stats().retained, 1);
    for name in ["one", "two"] {
        let subscriber = client(&broker, name);
        subscriber.connect(SOON).unwrap();
        let mut got = [Vec::new(), Vec::new()];
        while got.iter().map(Vec::len).sum::<usize>() < 100 {
            if let Some(Event::Message(it)) = subscriber.next_event(SOON).unwrap() {
                let n: u32 = String::from_utf8_lossy(it.message.payload()).parse().unwrap();
                got[(n % 2) as usize].push(n);
            }
        }
        assert!(got[0].iter().copied().eq((0..100).step_by(2)), "{got:?}");
        assert!(got[1].iter().copied().eq((1..100).step_by(2)), "{got:?}");
        subscriber.close(SOON);
    }
    broker.stop(SOON);
}

#[test]
fn what_is_no_store_stays_as_it_is_and_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("libmqtt.db");
    for content in [&b"not a database"[..], &[0; 100_000]] {
        fs::write(&file, content).unwrap();
        let error = broker(directory.path()).unwrap_err();
        assert_eq!(error.status(), Status::StorageFailed);
        let text = error.to_string();
        assert!(text.contains("libmqtt.db") && text.contains("(status -300)"), "{text}");
        assert_eq!(fs::read(&file).unwrap(), content);
    }
    // A directory that cannot be.
    let error = broker(&file).unwrap_err();
    assert_eq!(error.status(), Status::StorageFailed);
}
