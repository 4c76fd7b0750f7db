//! WebSocket, from a client. MQTT 5.0 and 3.1.1 §6.

use std::net::TcpListener;
use std::thread;

use libmqtt_conformance::{Version, Web, secs};
use libmqtt_runtime::{Client, ClientConfig, Runtime};

/// Our client connects by WebSocket, and what the server sees of it: `serve` answers its CONNECT.
fn meet(v: Version, serve: impl FnOnce(&mut Web)) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let config =
        ClientConfig { version: v, ..ClientConfig::new(&format!("ws://{address}/mqtt"), "c") };
    thread::scope(|scope| {
        let program = scope.spawn(move || {
            let client = Client::new(&Runtime::new().unwrap(), config.into()).unwrap();
            let _ = client.connect(secs(20));
            // Dropped, it says goodbye if it was accepted.
        });
        serve(&mut Web::from_client(&listener));
        program.join().unwrap();
    });
}

fn connack(v: Version) -> &'static [u8] {
    if v == Version::V5 { &[0x20, 3, 0, 0, 0] } else { &[0x20, 2, 0, 0] }
}

pub(crate) fn client_speaks_in_binary_frames_and_closes_on_text(v: Version) {
    meet(v, |web| {
        let connect = web.frame().expect("a client that speaks");
        assert_eq!((connect.0, connect.1[0]), (2, 0x10));
        web.send(1, connack(v));
        web.expect_closed();
    });
}

pub(crate) fn client_takes_packets_across_frames(v: Version) {
    meet(v, |web| {
        web.binary(1);
        connack(v).iter().for_each(|byte| web.send(2, &[*byte]));
        // Accepted, for it says goodbye.
        assert_eq!(web.binary(1)[0], 0xE0);
    });
}

pub(crate) fn client_offers_mqtt(v: Version) {
    meet(v, |web| {
        let offer = web.header("sec-websocket-protocol").expect("an offer");
        assert!(offer.split(',').any(|protocol| protocol.trim() == "mqtt"), "{offer}");
        web.binary(1);
        web.send(2, connack(v));
    });
}
