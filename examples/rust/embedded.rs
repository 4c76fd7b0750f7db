//! A broker inside a program: started, used from within, and by any MQTT client from outside.
//!
//! `cargo run --release --example embedded` (or `make run`) listens on 127.0.0.1, port 1883 or a
//! free one, until the program is ended.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use libmqtt_runtime::{Broker, BrokerError, BrokerOptions, Message};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let broker = match Broker::start(BrokerOptions::listening_on(&[loopback(1883)])) {
        Err(BrokerError::Listen { address, source }) => {
            println!("{address} cannot be had ({source}), so this broker takes a free port.");
            Broker::start(BrokerOptions::listening_on(&[loopback(0)]))?
        }
        started => started?,
    };
    let port = broker.port().ok_or("the broker has no listener")?;

    println!("An MQTT broker listens on 127.0.0.1, port {port}. Ctrl-C ends it.");
    println!();
    println!("To see a message arrive, type in a second terminal one of");
    println!("    cargo run --release -p libmqtt-cli -- sub -p {port} -v -t 'hello/#'");
    println!("    mosquitto_sub -h 127.0.0.1 -p {port} -v -t 'hello/#'");
    println!("and in a third one of");
    println!(
        "    cargo run --release -p libmqtt-cli -- pub -p {port} -t hello/world -m 'it works'"
    );
    println!("    mosquitto_pub -h 127.0.0.1 -p {port} -t hello/world -m 'it works'");

    // The program itself publishes too: what it says is retained for who subscribes later.
    broker.publish(&Message::new("hello/broker", b"is here")?.with_retain(true))?;

    while broker.is_running() {
        std::thread::sleep(Duration::from_secs(1));
    }
    Err("the broker has stopped".into())
}
