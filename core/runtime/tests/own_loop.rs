//! A loop of clients that the program runs itself.

use std::time::{Duration, Instant};

use libmqtt_runtime::{
    Broker, BrokerOptions, Client, ClientConfig, ClientError, ClientOptions, Event, Message,
    OwnLoop, Properties, QoS, Subscription, SubscriptionOptions,
};

const SOON: Duration = Duration::from_secs(10);

/// Runs the loop until the client has an event that `wanted` likes.
fn until<R>(
    served: &mut OwnLoop,
    client: &Client,
    mut wanted: impl FnMut(Event) -> Option<R>,
) -> R {
    let end = Instant::now() + SOON;
    loop {
        while let Some(event) = client.next_event(Duration::ZERO).unwrap() {
            if let Some(found) = wanted(event) {
                return found;
            }
        }
        assert!(Instant::now() < end, "nothing came");
        served.process(Some(SOON)).unwrap();
    }
}

fn options(broker: &Broker) -> ClientOptions {
    let server = format!("127.0.0.1:{}", broker.port().unwrap());
    ClientOptions::from(ClientConfig::new(&server, "own"))
}

fn broker() -> Broker {
    Broker::start(BrokerOptions::listening_on(&[([127, 0, 0, 1], 0).into()])).unwrap()
}

#[test]
fn a_client_connects_subscribes_and_hears_itself_on_the_programs_thread() {
    let broker = broker();
    let mut served = OwnLoop::new().unwrap();
    let client = served.client(options(&broker)).unwrap();
    client.start().unwrap();
    until(&mut served, &client, |event| matches!(event, Event::Connected(_)).then_some(()));
    let options = SubscriptionOptions { qos: QoS::AtLeastOnce, ..Default::default() };
    let wanted = [Subscription { filter: "a/+", options }];
    let token = client.subscribe_start(&wanted, Properties::EMPTY).unwrap();
    until(&mut served, &client, |event| {
        matches!(event, Event::Done(done, _) if done == token).then_some(())
    });
    let message = Message::new("a/b", b"hello").unwrap().with_qos(QoS::AtLeastOnce);
    client.publish(&message.view()).unwrap();
    let payload = until(&mut served, &client, |event| match event {
        Event::Message(received) => Some(received.message.payload().to_vec()),
        _ => None,
    });
    assert_eq!(payload, b"hello");
}

#[test]
fn calls_that_wait_fail_on_the_thread_of_the_loop() {
    let broker = broker();
    let mut served = OwnLoop::new().unwrap();
    let client = served.client(options(&broker)).unwrap();
    assert!(matches!(client.connect(SOON), Err(ClientError::WouldDeadlock)));
}

#[cfg(unix)]
#[test]
fn another_thread_wakes_a_loop_that_sleeps() {
    let broker = broker();
    let mut served = OwnLoop::new().unwrap();
    let client = served.client(options(&broker)).unwrap();
    served.process(Some(Duration::ZERO)).unwrap();
    assert_eq!(served.timeout(), None);
    let starter = client.clone();
    let thread = std::thread::spawn(move || starter.start().unwrap());
    // Only the descriptor can end this wait.
    while !client.is_connected() {
        served.process(None).unwrap();
    }
    thread.join().unwrap();
}

#[test]
fn a_loop_that_goes_ends_its_clients() {
    let broker = broker();
    let mut served = OwnLoop::new().unwrap();
    let client = Client::new(served.runtime(), options(&broker)).unwrap();
    served.process(Some(Duration::ZERO)).unwrap();
    client.start().unwrap();
    drop(served);
    while client.next_event(Duration::ZERO).is_ok_and(|event| event.is_some()) {}
    assert!(matches!(client.start(), Err(ClientError::Closed)));
}
