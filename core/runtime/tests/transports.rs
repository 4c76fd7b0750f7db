//! The same scenario over every transport.

mod common;

use common::pki::{Authority, For};
use common::{SOON, options};
use libmqtt_runtime::codec::Version;
use libmqtt_runtime::tls::{Roots, TlsClient, TlsClientOptions, TlsServer, TlsServerOptions};
use libmqtt_runtime::web::WebSocketServer;
use libmqtt_runtime::{
    Broker, BrokerOptions, Client, ClientConfig, ClientOptions, Event, Listener, Message, QoS,
    Runtime, Subscription, SubscriptionOptions,
};

fn tcp() -> Listener {
    Listener::new(([127, 0, 0, 1], 0).into())
}

/// A broker at this listener alone.
fn start(listener: Listener, shards: u16) -> Broker {
    Broker::start(BrokerOptions { listeners: vec![listener], ..options(shards) }).unwrap()
}

fn client(runtime: &Runtime, url: &str, tls: Option<&TlsClient>, id: &str, v: Version) -> Client {
    let config = ClientConfig { version: v, ..ClientConfig::new(url, id) };
    let options = ClientOptions { tls: tls.cloned(), ..ClientOptions::from(config) };
    Client::new(runtime, options).unwrap()
}

fn next_message(client: &Client) -> Message {
    loop {
        match client.next_event(SOON).unwrap() {
            Some(Event::Message(received)) => return received.message,
            Some(_) => {}
            None => panic!("no message"),
        }
    }
}

/// Messages of many sizes there and back at each QoS, and many small ones.
fn scenario(url: &str, tls: Option<&TlsClient>, version: Version) {
    let runtime = Runtime::new().unwrap();
    let there = client(&runtime, url, tls, "there", version);
    let back = client(&runtime, url, tls, "back", version);
    for client in [&there, &back] {
        client.connect(SOON).unwrap_or_else(|error| panic!("{url}: {error:?}"));
    }
    let options = SubscriptionOptions { qos: QoS::ExactlyOnce, ..Default::default() };
    back.subscribe(&[Subscription { filter: "t/#", options }], SOON).unwrap();
    let sizes = [0, 1, 125, 126, 16_000, 16_384, 65_536, 3_000_000];
    for (number, size) in sizes.into_iter().enumerate() {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let payload: Vec<u8> = (0..size).map(|i: usize| (i * 7 + number) as u8).collect();
            let message = Message::new(&format!("t/{size}"), &payload).unwrap().with_qos(qos);
            there.publish_wait(&message.view(), SOON).unwrap();
            let got = next_message(&back);
            assert!(got.payload() == payload && got.topic() == message.topic(), "{url} {size}");
        }
    }
    for number in 0..5_000u32 {
        let message = Message::new("t/many", &number.to_be_bytes()).unwrap();
        there.publish(&message.with_qos(QoS::AtLeastOnce).view()).unwrap();
    }
    for number in 0..5_000u32 {
        assert_eq!(next_message(&back).payload(), number.to_be_bytes(), "{url}");
    }
    there.close(SOON);
    back.close(SOON);
}

fn each_version(broker: &Broker, path: &str, tls: Option<&TlsClient>) {
    let url = format!("{}{path}", broker.urls()[0]);
    for version in [Version::V311, Version::V5] {
        scenario(&url, tls, version);
    }
}

/// TLS of a listener at 127.0.0.1, and of a client that trusts it.
fn tls() -> (TlsServer, TlsClient) {
    let authority = Authority::new("Authority");
    let server = authority.issue("127.0.0.1", For::Server);
    let server = TlsServer::new(TlsServerOptions::new(server.pair())).unwrap();
    let client = TlsClientOptions::new(Roots::only(authority.root()));
    (server, TlsClient::new(client).unwrap())
}

#[test]
fn messages_pass_over_tcp() {
    each_version(&start(tcp(), 2), "", None);
}

#[test]
fn messages_pass_over_tls() {
    let (server, client) = tls();
    each_version(&start(tcp().with_tls(server), 2), "", Some(&client));
}

#[test]
fn messages_pass_over_mutual_tls() {
    let authority = Authority::new("Authority");
    let roots = Roots::only(authority.root());
    let server = authority.issue("127.0.0.1", For::Server);
    let server = TlsServerOptions::new(server.pair()).with_clients_of(roots.clone());
    let client = TlsClientOptions {
        key_pair: Some(authority.issue("ada", For::Client).pair()),
        ..TlsClientOptions::new(roots)
    };
    let client = TlsClient::new(client).unwrap();
    let broker = start(tcp().with_tls(TlsServer::new(server).unwrap()), 2);
    each_version(&broker, "", Some(&client));
}

#[test]
fn messages_pass_over_web_socket() {
    let web_socket = WebSocketServer { path: Some("/x".into()), ..WebSocketServer::default() };
    each_version(&start(tcp().with_web_socket(web_socket), 2), "/x", None);
}

#[test]
fn messages_pass_over_web_socket_and_tls() {
    let (server, client) = tls();
    let listener = tcp().with_tls(server).with_web_socket(WebSocketServer::default());
    each_version(&start(listener, 2), "/mqtt", Some(&client));
}

#[test]
#[cfg(unix)]
fn messages_pass_over_unix_sockets() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mqtt.sock");
    let listener = Listener::unix(path.to_str().unwrap());
    let broker = start(listener.clone(), 2);
    each_version(&broker, "", None);
    broker.stop(SOON);
    drop(broker);
    assert!(!path.exists(), "its file is gone with the broker");
    // A file that is left behind is no hindrance.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    each_version(&start(listener, 1), "", None);
}

#[test]
#[cfg(target_os = "linux")]
fn messages_pass_over_abstract_unix_sockets() {
    let name = format!("@libmqtt-test-{}", std::process::id());
    let broker = start(Listener::unix(&name), 2);
    assert_eq!(broker.urls(), [format!("unix:{name}")]);
    each_version(&broker, "", None);
}
