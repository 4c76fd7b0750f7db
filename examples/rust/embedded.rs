//! A broker inside a program: started, used from within, and by any MQTT client from outside, among
//! them a page in the browser.
//!
//! `cargo run --release --example embedded` listens on 127.0.0.1, port 1883 and for the browser port
//! 8083, or free ones, until the program is ended. With a directory behind it (`-- data`, as
//! `make run` has it), sessions and messages are kept there, and are there again when the broker is
//! started again. With `--no-page` (or `make run PAGE=no`) there is no page.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use libmqtt_runtime::{Broker, BrokerError, BrokerOptions, Listener, Message, Persistence, page};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words = || std::env::args().skip(1);
    let with_page = !words().any(|word| word == "--no-page");
    let persistence = words().find(|word| !word.starts_with('-')).map(Persistence::new);
    let broker = start(1883, with_page.then_some(8083), persistence.clone())?;
    let port = broker.port().ok_or("the broker has no listener")?;

    println!("An MQTT broker listens on 127.0.0.1, port {port}. Ctrl-C ends it.");
    match &persistence {
        Some(kept) => println!("Sessions and messages are kept in {}.", kept.path().display()),
        None => println!("Sessions and messages are kept in memory alone."),
    }
    println!();
    println!("To see a message arrive, type in a second terminal one of");
    println!("    cargo run --release -p libmqtt-cli -- sub -p {port} -v -t 'hello/#'");
    println!("    mosquitto_sub -h 127.0.0.1 -p {port} -v -t 'hello/#'");
    println!("and in a third one of");
    println!(
        "    cargo run --release -p libmqtt-cli -- pub -p {port} -t hello/world -m 'it works'"
    );
    println!("    mosquitto_pub -h 127.0.0.1 -p {port} -t hello/world -m 'it works'");
    if let Some(page) = broker.addresses().get(1) {
        println!("or look at http://{page} in a browser.");
    }

    // The program itself publishes too: what it says is retained for who subscribes later.
    broker.publish(&Message::new("hello/broker", b"is here")?.with_retain(true))?;

    while broker.is_running() {
        std::thread::sleep(Duration::from_secs(1));
    }
    Err("the broker has stopped".into())
}

/// Starts the broker on these ports of loopback, or on free ones in the place of those that are
/// taken.
fn start(
    port: u16,
    page_port: Option<u16>,
    persistence: Option<Persistence>,
) -> Result<Broker, BrokerError> {
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut options = BrokerOptions::listening_on(&[loopback(port)]);
    options.listeners.extend(page_port.map(|port| page::listener(loopback(port))));
    options.persistence = persistence;
    // What the page shows moves every second.
    options.config.sys_interval = Duration::from_secs(1);
    loop {
        match Broker::start(options.clone()) {
            Err(BrokerError::Listen { address, source }) => {
                let taken = |listener: &&mut Listener| listener.address == address;
                let Some(listener) = options.listeners.iter_mut().find(taken) else {
                    return Err(BrokerError::Listen { address, source });
                };
                println!("{address} cannot be had ({source}), so this broker takes a free port.");
                listener.address = loopback(0).into();
            }
            result => return result,
        }
    }
}
