//! Subscribes, and prints what comes, connecting again whenever the connection is lost.
//!
//! `cargo run --example subscribe -- [SERVER] [FILTER] [COUNT]`, for instance
//! `cargo run --example subscribe -- mqtt://127.0.0.1:1883 'hello/#'`; with a COUNT it ends after
//! so many messages.

use std::time::Duration;

use libmqtt_runtime::{
    Client, ClientConfig, ClientOptions, Event, QoS, Runtime, Subscription, SubscriptionOptions,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let server = words.next().unwrap_or_else(|| "mqtt://127.0.0.1:1883".into());
    let filter = words.next().unwrap_or_else(|| "hello/#".into());
    let mut left = words.next().map_or(Ok(u64::MAX), |count| count.parse())?;
    let soon = Duration::from_secs(10);

    let runtime = Runtime::new()?;
    let client = Client::new(&runtime, ClientOptions::from(ClientConfig::new(&server, "")))?;
    client.connect(soon)?;

    let options = SubscriptionOptions { qos: QoS::ExactlyOnce, ..SubscriptionOptions::default() };
    let answers = client.subscribe(&[Subscription { filter: &filter, options }], soon)?;
    println!("{server} sends {filter}: {}", answers.reasons[0]);

    while left > 0 {
        match client.next_event(Duration::from_secs(3600))? {
            Some(Event::Message(received)) => {
                let message = received.message;
                println!("{} {}", message.topic(), String::from_utf8_lossy(message.payload()));
                left -= 1;
            }
            Some(Event::Disconnected(ended)) => match ended.retry_in {
                Some(delay) => println!("{:?}; connecting again in {delay:?}", ended.cause),
                None => return Err(format!("{:?}", ended.cause).into()),
            },
            // Connected again: the subscription is made again where the broker has lost it.
            Some(Event::Connected(_)) => println!("connected again"),
            _ => {}
        }
    }
    client.close(soon);
    Ok(())
}
