//! Publishes one message and waits until the broker has acknowledged it.
//!
//! `cargo run --example publish -- [SERVER] [TOPIC] [TEXT]`, for instance
//! `cargo run --example publish -- mqtt://127.0.0.1:1883 hello/world "it works"`.

use std::time::Duration;

use libmqtt_runtime::{Client, ClientConfig, ClientOptions, Message, QoS, Runtime};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let server = words.next().unwrap_or_else(|| "mqtt://127.0.0.1:1883".into());
    let topic = words.next().unwrap_or_else(|| "hello/world".into());
    let text = words.next().unwrap_or_else(|| "it works".into());
    let soon = Duration::from_secs(10);

    // One loop serves any number of clients, on a thread of its own. An empty Client Identifier
    // lets the broker choose one.
    let runtime = Runtime::new()?;
    let client = Client::new(&runtime, ClientOptions::from(ClientConfig::new(&server, "")))?;
    client.connect(soon)?;

    let message = Message::new(&topic, text.as_bytes())?.with_qos(QoS::AtLeastOnce);
    let reason = client.publish_wait(&message.view(), soon)?;
    println!("{server} has taken '{text}' for {topic}: {reason}");

    client.close(soon);
    Ok(())
}
