//! `libmqtt pub` and `libmqtt sub` through `libmqtt broker`.

use std::io::Write;
use std::net::TcpListener;

use crate::support::{Broker, file, run, start, word};
use rustix::process::Signal;

#[test]
fn messages_pass_in_every_version_and_qos() {
    let broker = Broker::plain();
    for version in ["31", "311", "5"] {
        for qos in ["0", "1", "2"] {
            let options = format!("-V {version} -q {qos}");
            let subscriber = broker.sub(&format!("{options} -C 1 -t a/+ -F"), &["%t %q %p"]);
            broker.publish(&format!("{options} -t a/b -m"), &["häl lo"]).fine();
            assert_eq!(subscriber.line(), format!("a/b {qos} häl lo"));
            assert_eq!(subscriber.end().code, Some(0));
        }
    }
}

#[test]
fn payloads_come_from_everywhere() {
    let broker = Broker::plain();
    let subscriber = broker.sub("-t a -C 6 -F %p|%l", &[]);
    let publish = format!("pub -h 127.0.0.1 -p {} -t a", broker.port);
    let (_directory, path) = file("a file");
    run(&format!("{publish} -f"), &[word(&path)]).fine();
    start(&format!("{publish} -f -"), &[]).input(b"dash").end().fine();
    start(&format!("{publish} -s"), &[]).input(b"input").end().fine();
    run(&format!("{publish} -n"), &[]).fine();
    run(&format!("{publish} -m -x --repeat 2"), &[]).fine();
    assert_eq!(subscriber.end().stdout, "a file|6\ndash|4\ninput|5\n|0\n-x|2\n-x|2\n");
}

#[test]
fn lines_arrive_all_and_in_order() {
    const LINES: usize = 5000;
    let broker = Broker::plain();
    for qos in ["0", "1", "2"] {
        let subscriber = broker.sub(&format!("-t a -q {qos} -C {LINES}"), &[]);
        let text: String = (0..LINES).map(|number| format!("line {number}\n")).collect();
        let publish = format!("pub -h 127.0.0.1 -p {} -t a -q {qos} -l", broker.port);
        start(&publish, &[]).input(text.as_bytes()).end().fine();
        let ended = subscriber.end();
        assert!(ended.stdout == text, "QoS {qos}: {} bytes", ended.stdout.len());
    }
}

#[test]
fn the_last_line_needs_no_end() {
    let broker = Broker::plain();
    let subscriber = broker.sub("-t a -C 3", &[]);
    let publish = format!("pub -h 127.0.0.1 -p {} -t a -l", broker.port);
    start(&publish, &[]).input(b"one\n\nthree").end().fine();
    assert_eq!(subscriber.end().stdout, "one\n\nthree\n");
}

#[test]
fn retained_messages_stay_until_they_are_removed() {
    let broker = Broker::plain();
    for topic in ["a/1", "a/2", "b"] {
        broker.publish(&format!("-r -q 1 -t {topic} -m x"), &[]).fine();
    }
    let seen = broker.run_sub("-v -t a/# -C 2", &[]).fine();
    assert_eq!(seen.lines().count(), 2, "{seen}");
    // The last one ends it, as it comes without the retain flag.
    let subscriber =
        broker.sub("--retained-only --remove-retained -F %r%t -t # -T $SYS/# -T b", &[]);
    let removed = [subscriber.line(), subscriber.line()];
    assert!(removed.contains(&"1a/1".to_owned()) && removed.contains(&"1a/2".to_owned()));
    broker.publish("-t end -m x", &[]).fine();
    assert_eq!(subscriber.end().code, Some(0));
    broker.run_sub("-t a/# -W 1", &[]).failed(27, "timed out");
    assert_eq!(broker.run_sub("-t b -C 1", &[]).fine(), "x\n");
}

#[test]
fn stale_and_hidden_messages_are_not_printed() {
    let broker = Broker::plain();
    broker.publish("-r -q 1 -t a/old -m old", &[]).fine();
    let subscriber = broker.sub("-R -t a/# -T a/hidden -C 1", &[]);
    broker.publish("-t a/hidden -m hidden", &[]).fine();
    broker.publish("-t a/new -m new", &[]).fine();
    assert_eq!(subscriber.end().stdout, "new\n");
}

#[test]
fn a_will_is_published_for_a_client_that_is_killed() {
    let broker = Broker::plain();
    let watcher = broker.sub("-t will -q 1 -C 1", &[]);
    let will = "--will-topic will --will-payload gone --will-qos 1 -t x";
    let victim = broker.sub(will, &[]);
    victim.signal(Signal::KILL);
    assert_eq!(watcher.line(), "gone");
    let watcher = broker.sub("-t will -q 1 -C 1", &[]);
    let polite = broker.sub(will, &[]);
    polite.signal(Signal::TERM);
    assert_eq!(polite.end().code, Some(0));
    broker.publish("-t will -q 1 -m nothing", &[]).fine();
    assert_eq!(watcher.line(), "nothing");
}

#[test]
fn a_session_keeps_what_comes_meanwhile() {
    let broker = Broker::plain();
    for version in ["311", "5"] {
        let session = format!("-V {version} -c -i worker{version} -q 1 -t jobs");
        broker.run_sub(&format!("{session} -E"), &[]).fine();
        let publish = format!("pub -h 127.0.0.1 -p {} -t jobs -q 1 -l", broker.port);
        start(&publish, &[]).input(b"one\ntwo\nthree\n").end().fine();
        // What was not printed stays with the server.
        for job in ["one\n", "two\n", "three\n"] {
            assert_eq!(broker.run_sub(&format!("{session} -C 1"), &[]).fine(), job, "{version}");
        }
        broker.run_sub(&format!("-V {version} -c -i worker{version} -U jobs -E"), &[]).fine();
    }
}

#[test]
fn messages_are_kept_until_there_is_a_server() {
    let spool = tempfile::tempdir().unwrap();
    let options = format!("-t a -q 2 -c -i me --data-directory {}", word(spool.path()));
    let offline = format!("-h 127.0.0.1 -p {} {options}", nobody());
    let kept = |count: usize| format!("messages: {count} kept in {}", word(spool.path()));
    run(&format!("pub {offline} -m 0"), &[]).failed(14, &kept(1));
    // Lines, up to their end, or until a signal comes.
    let lines = |from: usize| (from..from + 500).map(|n| format!("{n}\n")).collect::<String>();
    let ended = start(&format!("pub {offline} -l"), &[]).input(lines(1).as_bytes()).end();
    assert!(ended.code == Some(14) && ended.stderr.contains(&kept(501)), "{ended:?}");
    let patient = start(&format!("pub {offline} -d -l"), &[]).write(lines(501).as_bytes());
    (0..500).for_each(|_| drop(patient.wait_for("publishing ")));
    patient.wait_for("connecting again");
    // Meanwhile that is its own.
    run(&format!("pub {offline} -m x"), &[]).failed(1, "client-me.db: ");
    patient.signal(Signal::TERM);
    let ended = patient.end_with_open_input();
    assert!(ended.code == Some(7) && ended.stderr.contains(&kept(1001)), "{ended:?}");

    let broker = Broker::plain();
    let subscriber = broker.sub("-t a -q 2 -C 1002", &[]);
    // With nothing of its own; and with something behind.
    start(&format!("pub -h 127.0.0.1 -p {} {options} -l", broker.port), &[]).end().fine();
    broker.publish(&format!("{options} -m end"), &[]).fine();
    let all: String = (0..1001).map(|n| format!("{n}\n")).collect();
    assert_eq!(subscriber.end().stdout, all + "end\n");
}

#[test]
fn nothing_that_came_is_lost_with_a_subscriber_that_is_killed() {
    let (broker, spool) = (Broker::plain(), tempfile::tempdir().unwrap());
    let options = format!("-t a -q 2 -c -i me --data-directory {}", word(spool.path()));
    let mut before: Vec<String> = Vec::new();
    for round in 0..4 {
        let subscriber = broker.sub(&options, &[]);
        let sent: Vec<_> = (0..10).map(|number| format!("{round}.{number}")).collect();
        for text in &sent {
            broker.publish("-t a -q 2 -m", &[text]).fine();
        }
        let mut printed = Vec::new();
        while printed.last() != sent.last() {
            printed.push(subscriber.line());
        }
        // What it was printing when it was killed, at its end, may come again.
        let again = printed.len() - sent.len();
        assert_eq!(printed[again..], sent);
        assert!(before.ends_with(&printed[..again]), "{printed:?}");
        before = sent;
    }
}

#[test]
fn properties_pass() {
    let broker = Broker::plain();
    let format = "%p|%C|%R|%D|%F|%P|%S";
    let subscriber =
        broker.sub("-V 5 -t a -C 1 -D subscribe subscription-identifier 7 -F", &[format]);
    broker
        .publish(
            "-t a -m x -D publish content-type text -D publish response-topic r \
             -D publish correlation-data c -D publish payload-format-indicator 1 \
             -D publish user-property n v -D publish user-property n w",
            &[],
        )
        .fine();
    assert_eq!(subscriber.line(), "x|text|r|c|1|n:v n:w|7");
}

#[test]
fn a_closed_pipe_is_a_quiet_end() {
    let broker = Broker::plain();
    let mut subscriber = start(&format!("sub -h 127.0.0.1 -p {} -t a -t b", broker.port), &[]);
    // It has subscribed when it prints; then its reader goes.
    while broker.publish("-V 5 -q 1 -t a -m x -d", &[]).stderr.contains("No matching") {}
    assert_eq!(subscriber.line(), "x");
    subscriber.close_output();
    // The reader's thread ends at its next line, the subscriber at the one after.
    for _ in 0..100 {
        broker.publish("-q 1 -t b -m y", &[]).fine();
    }
    let ended = subscriber.end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn signals_end_a_subscriber_in_peace() {
    let broker = Broker::plain();
    for signal in [Signal::INT, Signal::TERM] {
        let subscriber = broker.sub("-t a", &[]);
        subscriber.signal(signal);
        assert_eq!(subscriber.end().code, Some(0));
    }
}

#[test]
fn signals_end_a_publisher_in_peace() {
    let broker = Broker::plain();
    let subscriber = broker.sub("-t a", &[]);
    let lines = start(&format!("pub -h 127.0.0.1 -p {} -t a -l", broker.port), &[]);
    let lines = lines.write(b"one\n");
    assert_eq!(subscriber.line(), "one");
    lines.signal(Signal::INT);
    assert_eq!(lines.end_with_open_input().code, Some(0));
}

#[test]
fn a_signal_ends_the_wait_for_a_server_that_says_nothing() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = mute.local_addr().unwrap().port();
    let subscriber = start(&format!("sub -h 127.0.0.1 -p {port} -t a"), &[]);
    let _accepted = mute.accept().unwrap();
    subscriber.signal(Signal::TERM);
    assert_eq!(subscriber.end().code, Some(0));
}

#[test]
fn a_server_that_breaks_the_protocol_is_reported() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let publisher = start(&format!("pub -h 127.0.0.1 -p {port} -t a -m x"), &[]);
    let (mut link, _) = server.accept().unwrap();
    // PINGRESP, where CONNACK is due.
    link.write_all(&[0xD0, 0x00]).unwrap();
    publisher.end().failed(21, "server broke the protocol");
}

#[test]
fn output_is_as_it_was_asked_for() {
    let broker = Broker::plain();
    let subscriber = broker.sub("-t a -N -C 2", &[]);
    broker.publish("-t a -m x --repeat 2", &[]).fine();
    assert_eq!(subscriber.end().stdout, "xx");
    let subscriber = broker.sub("-t a -v -C 1", &[]);
    broker.publish("-t a -m x", &[]).fine();
    assert_eq!(subscriber.end().stdout, "a x\n");
}

/// A port at which nobody listens.
fn nobody() -> u16 {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    taken.local_addr().unwrap().port()
}

#[test]
fn a_server_that_is_not_there_is_reported() {
    let server = format!("-h 127.0.0.1 -p {} -t a", nobody());
    run(&format!("pub {server} -m x"), &[]).failed(14, "");
    run(&format!("sub {server}"), &[]).failed(14, "");
    let quiet = run(&format!("sub {server} --quiet"), &[]);
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(14), ""));
}

#[test]
fn wrong_words_are_named() {
    run("pub -t a", &[]).failed(1, "a message is needed");
    run("pub -t a/# -m x", &[]).failed(1, "topic name");
    run("sub -t a --cafile /nowhere/x", &[]).failed(1, "cannot read /nowhere/x: No such file");
    run("sub -L http://h/t", &[]).failed(1, "a URL starts with mqtt://");
    run("pub -t a -m x -A 127.0.0.1", &[]).failed(1, "-A: binding");
    let kept = "-q 2 --data-directory /dev/null/x";
    run(&format!("pub -t a -m x -c {kept}"), &[]).failed(1, "needs a client id (-i)");
    run(&format!("sub -t a -c -i me {kept}"), &[]).failed(1, "in /dev/null/x/client-me.db: ");
    run("pub -t a -f /nowhere/x", &[]).failed(1, "-f /nowhere/x: No such file");
}
