//! Peers that do not get through the handshakes of TLS, WebSocket and PROXY, or do not want to,
//! beside a good client of each listener.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use libmqtt_hostile::connect_bytes;
use libmqtt_runtime::codec::Version;
use libmqtt_runtime::tls::{
    KeyPair, Roots, Source, TlsClient, TlsClientOptions, TlsServer, TlsServerOptions,
};
use libmqtt_runtime::web::WebSocketServer;
use libmqtt_runtime::{
    Broker, BrokerOptions, Client, ClientConfig, ClientOptions, Event, Listener, Message,
    ProxyVersions, QoS, Runtime, Subscription, SubscriptionOptions,
};

/// How long the broker may take for anything before it counts as hung.
const HUNG: Duration = Duration::from_secs(30);
/// How long it waits for a CONNECT.
const PATIENCE: Duration = Duration::from_secs(2);
/// Peers of each kind at each listener.
const PEERS: usize = 10;
/// What may be in use more after each further round of everything.
const GROWTH_MAX: usize = 4 * 1024 * 1024;

#[test]
fn who_does_not_get_through_a_handshake_harms_nobody() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let pair = KeyPair {
        certificates: Source::memory(made.cert.pem()),
        key: Source::memory(made.signing_key.serialize_pem()),
    };
    let trusts = TlsClientOptions::new(Roots::only(pair.certificates.clone()));
    let (broker, addresses) = start(TlsServer::new(TlsServerOptions::new(pair)).unwrap());
    let tls = TlsClient::new(trusts).unwrap();
    let urls = broker.urls();
    let (tls, over) = (&tls, &AtomicBool::new(false));
    let tried = AtomicUsize::new(0);
    let (round_trips, growth) = thread::scope(|scope| {
        // The last listener wants a PROXY header, which our client does not send.
        let good: Vec<_> = urls[..urls.len() - 1]
            .iter()
            .map(|url| scope.spawn(|| good_client(url, tls, over)))
            .collect();
        let attacks = scope.spawn(|| {
            attack(&addresses, &tried);
            // A thread that is busy for the first time takes its share once; a leak is in each round.
            let round = |_| {
                let before = resident();
                attack(&addresses, &tried);
                resident().saturating_sub(before)
            };
            (0..2).map(round).min().unwrap_or(0)
        });
        let growth = attacks.join();
        over.store(true, Ordering::Relaxed);
        let round_trips: Vec<usize> = good.into_iter().map(|good| good.join().unwrap()).collect();
        (round_trips, growth.unwrap())
    });
    println!(
        "{} hostile connections; {round_trips:?} good round trips meanwhile; {} KiB more in use",
        tried.into_inner(),
        growth / 1024
    );
    assert!(round_trips.iter().all(|&count| count > 20), "{round_trips:?}");
    assert!(growth < GROWTH_MAX, "{growth} bytes more");
    // The counters are as old as the last turn of the broker's loops.
    let since = Instant::now();
    while broker.stats().connections > 0 {
        assert!(since.elapsed() < PATIENCE, "{:?}", broker.stats());
        thread::yield_now();
    }
    assert!(broker.is_running());
}

fn start(tls: TlsServer) -> (Broker, Vec<SocketAddr>) {
    let listener = || Listener::new(([127, 0, 0, 1], 0).into());
    let web = WebSocketServer::default;
    let listeners = vec![
        listener(),
        listener().with_tls(tls.clone()),
        listener().with_web_socket(web()),
        listener().with_tls(tls.clone()).with_web_socket(web()),
        Listener { proxy: Some(ProxyVersions::Both), ..listener().with_tls(tls) },
    ];
    let mut options = BrokerOptions { listeners, shards: Some(2), ..BrokerOptions::default() };
    options.config.connect_timeout = PATIENCE;
    let broker = Broker::start(options).unwrap();
    let addresses = broker.addresses().iter().filter_map(|address| address.ip()).collect();
    (broker, addresses)
}

/// Sends itself messages until it is over.
fn good_client(url: &str, tls: &TlsClient, over: &AtomicBool) -> usize {
    let config = ClientConfig::new(url, url);
    let secure = url.starts_with("mqtts:") || url.starts_with("wss:");
    let options = ClientOptions { tls: secure.then(|| tls.clone()), ..ClientOptions::from(config) };
    let client = Client::new(&Runtime::new().unwrap(), options).unwrap();
    client.connect(HUNG).unwrap();
    let options = SubscriptionOptions { qos: QoS::AtLeastOnce, ..Default::default() };
    client.subscribe(&[Subscription { filter: url, options }], HUNG).unwrap();
    let mut count = 0usize;
    while !over.load(Ordering::Relaxed) {
        let message = Message::new(url, &count.to_be_bytes()).unwrap();
        client.publish_wait(&message.with_qos(QoS::AtLeastOnce).view(), HUNG).unwrap();
        let got = loop {
            match client.next_event(HUNG).unwrap() {
                Some(Event::Message(received)) => break received.message,
                Some(Event::Disconnected(ended)) => panic!("{url}: {ended:?}"),
                Some(_) => {}
                None => panic!("{url}: message {count} is lost"),
            }
        };
        assert_eq!(got.payload(), count.to_be_bytes());
        count += 1;
    }
    client.close(HUNG);
    count
}

/// What is said at a listener, which is never what it waits for to the end.
fn openings() -> Vec<Vec<u8>> {
    let mut noise = 1u32;
    let mut noise = |count: usize| -> Vec<u8> {
        let mut next = || {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        };
        (0..count).map(|_| next()).collect()
    };
    // The beginning of a ClientHello, of a request and of PROXY headers.
    let hello = b"\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03".to_vec();
    let request = b"GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n".to_vec();
    let second = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x0f\xff".to_vec();
    vec![
        Vec::new(),
        noise(1),
        noise(300),
        noise(100_000),
        connect_bytes(Version::V311, "")[..5].to_vec(),
        [&hello[..], &noise(40)].concat(),
        [&b"\x16\x03\x01\xff\xff"[..], &noise(70_000)].concat(),
        // A record of each kind that has no place yet.
        [&b"\x17\x03\x03\x00\x20"[..], &noise(32)].concat(),
        b"\x15\x03\x03\x00\x02\x02\x28".to_vec(),
        request.clone(),
        [&request[..], &b"X: y\r\n".repeat(20_000)].concat(),
        [&b"GET /"[..], &vec![b'a'; 100_000]].concat(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 ".to_vec(),
        [&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat(),
        [&second[..], &noise(200)].concat(),
    ]
}

/// Opens all connections at once, says what there is to say, and waits until the broker has closed
/// each of them.
fn attack(addresses: &[SocketAddr], tried: &AtomicUsize) {
    let openings = openings();
    thread::scope(|scope| {
        for &address in addresses {
            let openings = &openings;
            scope.spawn(move || {
                let mut open = Vec::new();
                for (number, opening) in
                    openings.iter().cycle().take(PEERS * openings.len()).enumerate()
                {
                    let mut stream = TcpStream::connect(address).unwrap();
                    stream.set_nodelay(true).unwrap();
                    stream.set_read_timeout(Some(HUNG)).unwrap();
                    stream.set_write_timeout(Some(HUNG)).unwrap();
                    // Whole, or byte by byte.
                    let step = if number % 2 == 0 || opening.len() > 1000 { 65_536 } else { 1 };
                    let said = opening.chunks(step).try_for_each(|part| stream.write_all(part));
                    // A broker that has heard enough has closed it.
                    if said.is_ok() {
                        open.push(stream);
                    }
                    tried.fetch_add(1, Ordering::Relaxed);
                }
                open.into_iter().for_each(until_closed);
            });
        }
    });
}

fn until_closed(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error)
                if [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&error.kind()) =>
            {
                return;
            }
            Err(error) => panic!("the broker keeps it open: {error}"),
        }
    }
}

/// Bytes of memory that this process has.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
