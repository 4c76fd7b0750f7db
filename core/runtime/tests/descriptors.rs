//! A broker that runs out of file descriptors. The limit is set by the shell that starts this very
//! program again, so that no other test is harmed.
#![cfg(target_os = "linux")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Bare, SOON, options};
use libmqtt_runtime::{Broker, BrokerOptions, Log, QoS, Version};

/// Set in the broker's process.
const SERVE: &str = "LIBMQTT_TEST_SERVE";

/// What the broker's process does: serves until its standard input ends, and then tells how often
/// it has logged that it accepts nobody, and how much processor time it took.
fn serve_until_told() {
    let rests = Arc::new(Mutex::new(0));
    let counted = rests.clone();
    let log = Log::to(move |_, line| {
        if line.to_string().contains("accepts nobody") {
            *counted.lock().unwrap() += 1;
            println!("resting");
        }
    });
    let broker = Broker::start(BrokerOptions { log, ..options(1) }).unwrap();
    println!("serving {}", broker.addresses()[0]);
    std::io::stdin().lock().lines().for_each(drop);
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    println!("ended {} {ticks}", rests.lock().unwrap());
}

#[test]
fn a_broker_without_descriptors_serves_whom_it_has_and_accepts_again_later() {
    if std::env::var_os(SERVE).is_some() {
        return serve_until_told();
    }
    let test = "a_broker_without_descriptors_serves_whom_it_has_and_accepts_again_later";
    let program = std::env::current_exe().unwrap();
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -n 40; exec \"$@\"", "sh"])
        .arg(program)
        .args(["--exact", test, "--nocapture"])
        .env(SERVE, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.stdout.take().unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            if tell.send(line.unwrap()).is_err() {
                break;
            }
        }
    });
    let wait_for = |wanted: &str| loop {
        let line = told.recv_timeout(SOON).unwrap();
        if let Some(rest) = line.split(wanted).nth(1) {
            return rest.trim().to_owned();
        }
    };
    let address: SocketAddr = wait_for("serving").parse().unwrap();

    let mut first = Bare::connect_to(address, "first", Version::V311);
    first.subscribe("x", QoS::AtMostOnce);
    // More than there are descriptors: the system accepts them into the backlog.
    let crowd: Vec<TcpStream> =
        (0..60).map(|_| TcpStream::connect_timeout(&address, SOON).unwrap()).collect();
    wait_for("resting");
    for i in 0..100u8 {
        first.publish("x", &[i]);
        assert_eq!(first.message(), ("x".into(), vec![i]));
    }
    wait_for("resting");
    drop(crowd);
    let mut second = Bare::connect_to(address, "second", Version::V311);
    second.publish("x", b"back");
    assert_eq!(first.message(), ("x".into(), b"back".to_vec()));

    let mut input = child.stdin.take().unwrap();
    input.flush().unwrap();
    drop(input);
    let ended = wait_for("ended");
    let (rests, ticks) = ended.split_once(' ').unwrap();
    // It rested between attempts instead of trying all the time (ticks are 10 ms).
    assert!(rests.parse::<u32>().unwrap() < 50, "{ended}");
    assert!(Duration::from_millis(10 * ticks.parse::<u64>().unwrap()) < Duration::from_secs(2));
    assert!(child.wait().unwrap().success());
}
