//! Sockets on loopback.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use libmqtt_net::{
    Accepted, Acceptor, Address, Dial, Dialled, KeepAlive, Link, Listener, Poll, ResolveError,
    Resolver, Route, TcpOptions,
};

const SOON: Duration = Duration::from_secs(10);
const ACCEPTOR: usize = 1;
const NEAR: usize = 2;
const FAR: usize = 3;

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// Waits until `key` is told, for reading or for writing.
fn wait_for(poll: &mut Poll, key: usize, writing: bool) {
    let deadline = Instant::now() + SOON;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "key {key} is not ready");
        poll.wait(Some(left)).unwrap();
        if poll.ready().any(|r| r.key == key && if writing { r.writable } else { r.readable }) {
            return;
        }
    }
}

fn dial(poll: &mut Poll, addresses: &[SocketAddr], key: usize, time: Duration) -> io::Result<Link> {
    let addresses: Vec<Address> = addresses.iter().map(|&address| address.into()).collect();
    let (options, route) = (TcpOptions::default(), Route::default());
    let mut dial = Dial::new(&addresses, options, route, key, Instant::now() + time);
    loop {
        match dial.advance(poll, Instant::now(), &mut []) {
            Dialled::Open(link) => return Ok(link),
            Dialled::Failed(error) => return Err(error),
            Dialled::Pending => {
                let left = dial.until().saturating_duration_since(Instant::now());
                poll.wait(Some(left)).unwrap();
            }
        }
    }
}

/// The two ends of a connection, registered as NEAR (dialled) and FAR (accepted).
fn connection(poll: &mut Poll, options: &Listener) -> (Link, Link) {
    let mut acceptor = Acceptor::open(options).unwrap();
    acceptor.register(poll, ACCEPTOR).unwrap();
    let near = dial(poll, &[acceptor.address().ip().unwrap()], NEAR, SOON).unwrap();
    loop {
        match acceptor.accept() {
            Accepted::Link(mut far, peer) => {
                assert_eq!(peer, near.local());
                assert_eq!(far.peer(), near.local());
                far.register(poll, FAR).unwrap();
                return (near, far);
            }
            Accepted::Nobody => wait_for(poll, ACCEPTOR, false),
            other => panic!("{other:?}"),
        }
    }
}

/// Reads until `count` bytes have come.
fn read(poll: &mut Poll, link: &mut Link, key: usize, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while bytes.len() < count {
        match link.read(&mut buffer) {
            Ok(0) => panic!("closed after {} bytes", bytes.len()),
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_for(poll, key, false),
            Err(error) => panic!("{error}"),
        }
    }
    bytes
}

#[test]
fn pieces_arrive_as_one_stream_on_ipv4_and_ipv6() {
    for address in [loopback(), (Ipv6Addr::LOCALHOST, 0).into()] {
        let mut poll = Poll::new(64).unwrap();
        let (mut near, mut far) = connection(&mut poll, &Listener::new(address));
        assert_eq!(near.write(&[b"ab", b"", b"cde", b"f"], &mut []).unwrap(), 6);
        assert_eq!(read(&mut poll, &mut far, FAR, 6), b"abcdef");
        assert_eq!(far.write(&[b"back"], &mut []).unwrap(), 4);
        assert_eq!(read(&mut poll, &mut near, NEAR, 4), b"back");
    }
}

#[test]
fn a_full_socket_takes_part_and_tells_when_there_is_room() {
    let mut poll = Poll::new(64).unwrap();
    let (mut near, mut far) = connection(&mut poll, &Listener::new(loopback()));
    let block: Vec<u8> = (0..1_000_000u32).map(|i| (i % 251) as u8).collect();
    let total = 20 * block.len();
    let (mut sent, mut got, mut stops) = (0, 0, 0);
    let mut buffer = vec![0; 300_000];
    while got < total {
        while sent < total {
            let at = sent % block.len();
            let count = match near.write(&[&block[at..]], &mut []) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => panic!("{error}"),
            };
            sent += count;
            if count < block.len() - at {
                stops += 1;
                break;
            }
        }
        // Emptied as far as one read can; then only readiness, told once per change, goes on.
        loop {
            match far.read(&mut buffer) {
                Ok(n) => {
                    for (i, &byte) in buffer[..n].iter().enumerate() {
                        assert_eq!(byte, block[(got + i) % block.len()]);
                    }
                    got += n;
                    if !far.has_more(n == buffer.len()) {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        if got < total {
            poll.wait(Some(SOON)).unwrap();
            assert!(poll.ready().next().is_some(), "stuck after {got} of {total} bytes");
        }
    }
    assert!(stops > 0, "the socket was never full");
}

#[test]
fn the_end_shows_even_if_it_came_with_the_last_bytes() {
    let mut poll = Poll::new(64).unwrap();
    let (mut near, mut far) = connection(&mut poll, &Listener::new(loopback()));
    near.write(&[b"last words"], &mut []).unwrap();
    near.finish().unwrap();
    let deadline = Instant::now() + SOON;
    while !poll.ready().any(|ready| ready.key == FAR && ready.closing) {
        assert!(Instant::now() < deadline);
        poll.wait(Some(SOON)).unwrap();
    }
    assert_eq!(read(&mut poll, &mut far, FAR, 10), b"last words");
    assert_eq!(far.read(&mut [0; 10]).unwrap(), 0);
}

#[test]
fn a_link_moves_to_another_poll_with_what_was_not_read() {
    let mut poll = Poll::new(64).unwrap();
    let (mut near, mut far) = connection(&mut poll, &Listener::new(loopback()));
    near.write(&[b"first"], &mut []).unwrap();
    assert_eq!(read(&mut poll, &mut far, FAR, 5), b"first");
    near.write(&[b"second"], &mut []).unwrap();
    wait_for(&mut poll, FAR, false);
    far.deregister(&poll).unwrap();
    let mut other = Poll::new(64).unwrap();
    far.register(&other, 77).unwrap();
    wait_for(&mut other, 77, false);
    assert_eq!(read(&mut other, &mut far, 77, 6), b"second");
}

#[test]
fn a_dial_goes_on_to_the_next_address() {
    let mut poll = Poll::new(64).unwrap();
    // Bound, not listening: refused.
    let closed = TcpListener::bind(loopback()).unwrap().local_addr().unwrap();
    let acceptor = Acceptor::open(&Listener::new(loopback())).unwrap();
    let link = dial(&mut poll, &[closed, acceptor.address().ip().unwrap()], NEAR, SOON).unwrap();
    assert_eq!(link.peer(), Some(acceptor.address().ip().unwrap()));
    let error = dial(&mut poll, &[closed], NEAR, SOON).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert!(dial(&mut poll, &[], NEAR, SOON).is_err());
}

#[test]
fn a_dial_ends_at_its_deadline() {
    let mut poll = Poll::new(64).unwrap();
    // A backlog that is full: the system drops further attempts, which then say nothing.
    let full = Acceptor::open(&Listener { backlog: 0, ..Listener::new(loopback()) }).unwrap();
    let mut kept = Vec::new();
    let mut late = None;
    for _ in 0..20 {
        let started = Instant::now();
        match dial(&mut poll, &[full.address().ip().unwrap()], NEAR, Duration::from_millis(200)) {
            Ok(link) => kept.push(link),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                late = Some(started.elapsed());
                break;
            }
        }
    }
    let late = late.expect("the backlog never filled");
    assert!(late >= Duration::from_millis(200) && late < SOON, "{late:?}");
}

#[test]
fn options_reach_accepted_and_dialled_sockets() {
    let keep_alive =
        KeepAlive { idle: Duration::from_secs(60), interval: Duration::from_secs(10), probes: 3 };
    let tcp = TcpOptions { keep_alive: Some(keep_alive), ..TcpOptions::default() };
    let mut poll = Poll::new(64).unwrap();
    let (near, far) = connection(&mut poll, &Listener { tcp, ..Listener::new(loopback()) });
    assert_eq!(far.options().unwrap(), (true, true));
    assert_eq!(near.options().unwrap(), (true, false));
}

#[test]
fn names_are_resolved_and_failures_told() {
    let resolver = Resolver::new();
    let (tell, told) = mpsc::channel();
    let ask = |host: &str| {
        let tell = tell.clone();
        resolver.resolve(host, 7, move |found| tell.send(found).unwrap());
        told.recv_timeout(SOON).unwrap()
    };
    assert_eq!(ask("127.0.0.1").unwrap(), ["127.0.0.1:7".parse().unwrap()]);
    assert_eq!(ask("[::1]").unwrap(), ["[::1]:7".parse().unwrap()]);
    assert!(ask("localhost").unwrap().iter().all(|found| found.ip().is_loopback()));
    // No resolver is asked about a name that cannot be one.
    assert!(matches!(ask("two words.invalid\0"), Err(ResolveError::Failed(_))));
    resolver.close();
    let (tell, told) = mpsc::channel::<()>();
    resolver.resolve("localhost", 7, move |_| drop(tell));
    assert_eq!(told.recv_timeout(SOON), Err(mpsc::RecvTimeoutError::Disconnected));
}

#[test]
fn a_waker_wakes_from_another_thread() {
    let mut poll = Poll::new(64).unwrap();
    let waker = poll.waker(0).unwrap();
    let other = std::thread::spawn(move || {
        waker.wake().unwrap();
        waker
    });
    poll.wait(Some(SOON)).unwrap();
    assert!(poll.ready().any(|ready| ready.key == 0));
    drop(other.join().unwrap());
}
