//! `libmqtt broker` and `libmqtt passwd` as people run them.

use crate::support::{Broker, file, run, start, word};
use rustix::process::Signal;

#[test]
fn a_broker_ends_at_a_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        let broker = Broker::plain();
        let subscriber = broker.sub("-V 5 -t a", &[]);
        broker.running.signal(signal);
        subscriber.wait_for("Server shutting down");
        let ended = broker.running.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stderr.contains("only this machine can connect"), "{ended:?}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let broker = Broker::plain();
    let ended = run(&format!("broker -p {}", broker.port), &[]);
    ended.failed(1, &format!("cannot listen on 127.0.0.1:{}", broker.port));
}

#[test]
fn wrong_words_are_named_and_help_helps() {
    run("broker --frobnicate", &[]).failed(1, "unknown option '--frobnicate'");
    run("broker -c /nowhere/broker.conf", &[]).failed(1, "/nowhere/broker.conf: No such file");
    run("broker -d", &[]).failed(1, "-d: running in the background is not supported");
    run("frobnicate", &[]).failed(1, "unknown command 'frobnicate'");
    let (_directory, conf) = file("listener 0 127.0.0.1\nlistner 1\n");
    run("broker -c", &[word(&conf)]).failed(1, "line 2: unknown directive 'listner'");
    for command in ["", "broker", "pub", "sub", "passwd"] {
        let help = run(&format!("{command} --help"), &[]).fine();
        assert!(
            help.starts_with("Usage: libmqtt ") && help.contains("xample") || command.is_empty()
        );
    }
    let version = run("--version", &[]).fine();
    assert_eq!(version, format!("libmqtt {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(run("sub --version", &[]).fine(), version);
}

#[test]
fn a_configuration_is_obeyed() {
    let (_directory, conf) = file(
        "# as people have them\nlistener 0 127.0.0.1\nallow_anonymous true\n\
         message_size_limit 5\nmax_qos 1\nretain_available false\nlog_dest stderr\nlog_type none\n",
    );
    let broker = Broker::start("-c", &[word(&conf)]);
    let subscriber = broker.sub("-t a -C 1", &[]);
    broker.publish("-V 5 -t a -q 1 -m longer", &[]).failed(131, "Implementation specific error");
    broker.publish("-V 5 -t a -q 2 -m x", &[]).failed(155, "QoS not supported");
    broker.publish("-V 5 -t a -r -m x", &[]).failed(154, "Retain not supported");
    broker.publish("-t a -q 1 -m short", &[]).fine();
    assert_eq!(subscriber.line(), "short");
}

#[test]
fn a_broker_with_a_listener_refuses_strangers() {
    let (_directory, conf) = file("listener 0 127.0.0.1\n");
    let broker = Broker::start("-c", &[word(&conf)]);
    broker.publish("-t a -m x", &[]).failed(5, "Not authorized");
    broker.publish("-t a -m x -V 5", &[]).failed(135, "Not authorized");
    broker.publish("-t a -m x -u joe -P pw", &[]).failed(5, "Not authorized");
    let seen = broker.running.wait_for("nobody can connect");
    assert!(seen.contains("allow_anonymous is false"), "{seen}");
}

#[test]
fn users_get_in_by_their_passwords() {
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users");
    run("passwd -I 10 -c -b", &[word(&users), "joe", "pä ss"]).fine();
    // A password from a pipe.
    start("passwd -I 10", &[word(&users), "jim"]).input(b"secret\nmore\n").end().fine();

    let broker = Broker::start("-p 0 --allow-anonymous false --password-file", &[word(&users)]);
    broker.publish("-t a -m x -u joe -P", &["pä ss"]).fine();
    broker.publish("-t a -m x -u jim -P secret -V 5", &[]).fine();
    broker.publish("-t a -m x -u jim -P secret -V 31", &[]).fine();
    broker.publish("-t a -m x -u joe -P pass", &[]).failed(4, "Bad User Name or Password");
    broker.publish("-t a -m x -u joe -P pass -V 5", &[]).failed(134, "Bad User Name or Password");
    broker.publish("-t a -m x -u nobody -P x", &[]).failed(4, "Bad User Name or Password");
    broker.publish("-t a -m x -u joe", &[]).failed(4, "Bad User Name or Password");
    broker.publish("-t a -m x", &[]).failed(5, "Not authorized");

    run("passwd -D", &[word(&users), "joe"]).fine();
    broker.running.signal(Signal::HUP);
    broker.running.wait_for("reading password");
    // It says so before it reads; the removed user is let in until then.
    let refused = (0..1000)
        .map(|_| broker.publish("-t a -m x -u joe -P", &["pä ss"]).code)
        .find(|code| *code != Some(0));
    assert_eq!(refused, Some(Some(4)));
    broker.publish("-t a -m x -u jim -P secret", &[]).fine();
}

#[test]
fn a_password_file_that_is_wrong_is_not_used() {
    let (_directory, users) = file("joe:secret\n");
    let ended = run("broker -p 0 --password-file", &[word(&users)]);
    ended.failed(1, "line 1, user 'joe': password is not hashed");
}

#[test]
fn the_process_id_is_written_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pid");
    let broker = Broker::start("-p 0 --pid-file", &[word(&path)]);
    let id: u32 = std::fs::read_to_string(&path).unwrap().trim().parse().unwrap();
    assert!(id > 1);
    broker.running.signal(Signal::TERM);
    assert_eq!(broker.running.end().code, Some(0));
    assert!(!path.exists());
}
