//! Clients within the broker's process.

mod common;

use std::sync::mpsc::channel;
use std::thread;

use common::{Bare, SOON, broker};
use libmqtt_runtime::{
    Broker, BrokerError, Client, ClientConfig, ClientError, Event, Message, Properties, QoS,
    Reason, Subscription, SubscriptionOptions, Version,
};

fn client(broker: &Broker, client_id: &str) -> Client {
    let config = ClientConfig { client_id: client_id.into(), ..ClientConfig::default() };
    let client = broker.client(config.into()).unwrap();
    client.connect(SOON).unwrap();
    client
}

fn subscription(filter: &str) -> Subscription<'_> {
    let options = SubscriptionOptions { qos: QoS::ExactlyOnce, ..SubscriptionOptions::default() };
    Subscription { filter, options }
}

fn message(topic: &str, payload: &[u8], qos: QoS) -> Message {
    Message::new(topic, payload).unwrap().with_qos(qos)
}

fn received(client: &Client) -> Message {
    match client.next_event(SOON).unwrap().expect("a message in time") {
        Event::Message(received) => received.message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn they_exchange_messages_with_each_other_and_with_sockets_wherever_their_homes_are() {
    let broker = broker(4);
    let mut outside = Bare::connect(&broker, "outside", Version::V311);
    outside.subscribe("from/#", QoS::AtLeastOnce);
    for i in 0..8u8 {
        let inside = client(&broker, &format!("inside{i}"));
        inside.subscribe(&[subscription("to/+")], SOON).unwrap();
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let sent = message("from/inside", &[i], qos);
            assert_eq!(inside.publish_wait(&sent.view(), SOON).unwrap(), Reason::Success);
            assert_eq!(outside.message(), ("from/inside".into(), vec![i]));
            inside.publish_wait(&message("to/me", &[i], qos).view(), SOON).unwrap();
            assert_eq!(received(&inside).payload(), [i]);
        }
        outside.publish("to/you", &[i]);
        assert_eq!(received(&inside).payload(), [i]);
        inside.close(SOON);
        assert!(!inside.is_connected());
    }
    assert_eq!(broker.stats().connections, 1);
}

#[test]
fn a_flood_is_delivered_whole_and_in_order_to_one_who_is_slow() {
    let broker = broker(2);
    let config = ClientConfig {
        client_id: "slow".into(),
        inbox_messages_max: 100,
        ..ClientConfig::default()
    };
    let slow = broker.client(config.into()).unwrap();
    slow.connect(SOON).unwrap();
    slow.subscribe(&[subscription("x")], SOON).unwrap();
    let quick = client(&broker, "quick");
    thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..20_000u32 {
                let sent = message("x", &i.to_be_bytes(), QoS::AtLeastOnce);
                quick.send(&sent.view()).unwrap();
            }
        });
        for i in 0..20_000u32 {
            assert_eq!(received(&slow).payload(), i.to_be_bytes());
        }
    });
}

#[test]
fn a_callback_runs_on_the_shard_and_may_do_everything_that_does_not_wait() {
    let broker = broker(2);
    let inside = client(&broker, "inside");
    let (tell, told) = channel();
    let inner = inside.clone();
    inside.on_event(Box::new(move |event| match event {
        Event::Done(..) => {
            inner.send(&message("x", b"again", QoS::ExactlyOnce).view()).unwrap();
        }
        Event::Message(received) => {
            let wait = inner.publish_wait(&received.message.view(), SOON);
            assert!(matches!(wait, Err(ClientError::WouldDeadlock)));
            tell.send(received.message).unwrap();
            inner.close(SOON);
        }
        _ => {}
    }));
    inside.subscribe_start(&[subscription("x")], Properties::EMPTY).unwrap();
    assert_eq!(told.recv_timeout(SOON).unwrap().payload(), b"again");
    inside.close(SOON);
}

#[test]
fn the_end_of_the_broker_is_the_end_of_the_client() {
    let broker = broker(2);
    let inside = client(&broker, "inside");
    broker.stop(SOON);
    loop {
        match inside.next_event(SOON) {
            Ok(Some(Event::Disconnected(_))) => {}
            Err(ClientError::Closed) => break,
            other => panic!("{other:?}"),
        }
    }
    let sent = message("x", b"", QoS::AtMostOnce);
    assert!(matches!(inside.publish(&sent.view()), Err(ClientError::Closed)));
    inside.close(SOON);
    let late = broker.client(ClientConfig::default().into());
    assert!(matches!(late, Err(BrokerError::Stopped)));
}

#[test]
fn one_that_the_host_disconnects_hears_why_and_may_come_back() {
    let broker = broker(3);
    let inside = client(&broker, "inside");
    broker.disconnect("inside", Reason::AdministrativeAction);
    let Some(Event::Disconnected(ended)) = inside.next_event(SOON).unwrap() else { panic!() };
    assert!(format!("{ended:?}").contains("AdministrativeAction"), "{ended:?}");
    if ended.retry_in.is_none() {
        inside.connect(SOON).unwrap();
    }
}

#[test]
fn taking_over_a_session_ends_the_other_client() {
    let broker = broker(2);
    let first = client(&broker, "same");
    let _second = client(&broker, "same");
    let Some(Event::Disconnected(ended)) = first.next_event(SOON).unwrap() else { panic!() };
    assert!(format!("{ended:?}").contains("SessionTakenOver"), "{ended:?}");
}
