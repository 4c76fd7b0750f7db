//! Who gets into a broker, what clients may do there, and what changes while it runs.

mod common;

use std::fs;
use std::sync::Arc;
use std::sync::mpsc::channel;

use common::{Bare, SOON, connect_packet, options, publish_packet};
use libmqtt_locks::Mutex;
use libmqtt_runtime::auth::{PasswordFile, Policy, PolicyError};
use libmqtt_runtime::codec::{Connect, Packet, Publish, Version, Will};
use libmqtt_runtime::{
    Authenticate, Broker, BrokerError, BrokerOptions, ClientInfo, Hooks, Log, Message, QoS, Status,
    Ticket, Verdict, page,
};

fn user<'a>(client_id: &'a str, name: &'a str, password: &'a str) -> Connect<'a> {
    Connect {
        user_name: Some(name),
        password: Some(password.as_bytes()),
        ..connect_packet(client_id, Version::V5)
    }
}

/// What a broker says to a CONNECT before it closes.
fn refusal(broker: &Broker, connect: Connect<'_>) -> String {
    let mut bare = Bare::open(broker, connect.version);
    bare.send(&Packet::Connect(connect));
    bare.rest().join(" ")
}

#[test]
fn an_address_that_others_reach_lets_nobody_in_unless_told() {
    let open = |policy, hooks| {
        Broker::start(BrokerOptions {
            policy,
            hooks,
            shards: Some(1),
            ..BrokerOptions::listening_on(&[([0, 0, 0, 0], 0).into()])
        })
        .unwrap()
    };
    let connect = |broker: &Broker, connect: Connect<'_>| {
        let address = ([127, 0, 0, 1], broker.port().unwrap()).into();
        let mut bare = Bare::open_to(address, connect.version);
        bare.send(&Packet::Connect(connect));
        bare.next(|packet| format!("{packet:?}"))
    };
    let closed = open(Policy::default(), None);
    assert!(connect(&closed, connect_packet("c", Version::V5)).contains("NotAuthorized"));
    assert!(connect(&closed, user("c", "joe", "x")).contains("NotAuthorized"));
    let policy = Policy { anonymous: Some(true), ..Policy::default() };
    let told = open(policy.clone(), None);
    assert!(connect(&told, connect_packet("c", Version::V5)).contains("Success"));
    // Hooks that watch let nobody in either; those that decide are asked when the policy says so.
    let asked = open(Policy::default(), Some(Arc::new(|_| Box::new(OnlyJoe))));
    assert!(connect(&asked, user("c", "joe", "x")).contains("NotAuthorized"));
    let asked = open(policy, Some(Arc::new(|_| Box::new(OnlyJoe))));
    assert!(connect(&asked, user("c", "joe", "x")).contains("Success"));
    assert!(connect(&asked, user("c", "jim", "x")).contains("Banned"));
}

struct OnlyJoe;

impl Hooks for OnlyJoe {
    fn authenticate(&mut self, _: Ticket, attempt: &Authenticate<'_>) -> Verdict {
        match attempt.client.user_name.as_deref() {
            Some("joe") => Verdict::Allow,
            _ => Verdict::Deny(libmqtt_runtime::Reason::Banned),
        }
    }

    fn authorise_publish(&mut self, _: Ticket, _: &ClientInfo, publish: &Publish<'_>) -> Verdict {
        match publish.topic {
            "a/hook" => Verdict::Deny(libmqtt_runtime::Reason::QuotaExceeded),
            _ => Verdict::Allow,
        }
    }
}

#[test]
fn rights_count_for_publications_subscriptions_deliveries_and_wills() {
    let folder = tempfile::tempdir().unwrap();
    let acl = folder.path().join("acl");
    fs::write(&acl, "topic a/#\ntopic deny a/secret\ntopic read r/#\ntopic write w/#\n").unwrap();
    let policy = Policy { acl_file: Some(acl), ..Policy::default() };
    let hooks: libmqtt_runtime::HooksFactory = Arc::new(|_| Box::new(OnlyJoeMayHook));
    let broker = Broker::start(BrokerOptions { policy, hooks: Some(hooks), ..options(2) }).unwrap();
    let mut reader = Bare::connect(&broker, "reader", Version::V5);
    let mut writer = Bare::connect(&broker, "writer", Version::V5);
    reader.subscribe("#", QoS::AtMostOnce);
    for (topic, wanted) in [
        ("a/1", "Success"),
        ("a/secret", "NotAuthorized"),
        ("a/hook", "QuotaExceeded"),
        ("r/1", "NotAuthorized"),
        ("w/1", "NoMatchingSubscribers"),
        ("x", "NotAuthorized"),
    ] {
        writer.send(&Packet::Publish(publish_packet(topic, b"", QoS::AtLeastOnce)));
        let said = writer.next(|packet| format!("{packet:?}"));
        assert!(said.contains(wanted), "{topic}: {said}");
    }
    for topic in ["r/1", "x", "a/secret", "a/end"] {
        broker.publish(&Message::new(topic, b"").unwrap()).unwrap();
    }
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != "a/end") {
        seen.push(reader.message().0);
    }
    assert_eq!(seen, ["a/1", "r/1", "a/end"]);
    let will = |topic| {
        let payload = b"";
        let properties = libmqtt_runtime::Properties::EMPTY;
        let will = Will { qos: QoS::AtMostOnce, retain: false, properties, topic, payload };
        Connect { will: Some(will), ..connect_packet("will", Version::V5) }
    };
    assert!(refusal(&broker, will("x")).contains("NotAuthorized"));
    Bare::connect_as(&broker, will("a/will")).kill();
    assert_eq!(reader.message().0, "a/will");
    // A subscription that could never bring anything.
    let mut wanted = libmqtt_runtime::SubscriptionsBuf::new();
    for filter in ["w/#", "a/+", "$share/g/a/secret", "x/#"] {
        let options = libmqtt_runtime::SubscriptionOptions::default();
        wanted.push(libmqtt_runtime::Subscription { filter, options }).unwrap();
    }
    writer.send(&Packet::Subscribe(libmqtt_runtime::codec::Subscribe {
        packet_id: libmqtt_runtime::codec::PacketId::MIN,
        properties: libmqtt_runtime::Properties::EMPTY,
        subscriptions: wanted.view(),
    }));
    writer.expect(
        |packet| matches!(packet, Packet::SubAck(ack) if ack.codes == [0x87, 0, 0x87, 0x87]),
    );
}

/// As [`OnlyJoe`] about messages; lets everyone in.
struct OnlyJoeMayHook;

impl Hooks for OnlyJoeMayHook {
    fn authorise_publish(
        &mut self,
        ticket: Ticket,
        client: &ClientInfo,
        publish: &Publish<'_>,
    ) -> Verdict {
        OnlyJoe.authorise_publish(ticket, client, publish)
    }
}

#[test]
fn files_are_read_again_and_a_bad_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (acl, passwords) = (folder.path().join("acl"), folder.path().join("passwords"));
    let set_password = |password: &str| {
        let mut file = PasswordFile::new();
        file.set("joe", password.as_bytes(), 2).unwrap();
        fs::write(&passwords, file.to_string()).unwrap();
    };
    set_password("old");
    fs::write(&acl, "user joe\ntopic read a/#\n").unwrap();
    let policy = Policy {
        password_file: Some(passwords.clone()),
        acl_file: Some(acl.clone()),
        ..Policy::default()
    };
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let log = Log::to(move |_, line| {
        let _ = tell.lock().unwrap().send(line.to_string());
    });
    let broker = Broker::start(BrokerOptions { policy, log, ..options(2) }).unwrap();
    let mut joe = Bare::connect_as(&broker, user("c", "joe", "old"));
    joe.subscribe("#", QoS::AtMostOnce);
    // Messages and rights go the same way to each shard, one after the other.
    let mut check = |wanted: &[&str]| {
        for topic in ["a/1", "b/1", "end"] {
            broker.publish(&Message::new(topic, b"").unwrap()).unwrap();
        }
        for topic in wanted {
            assert_eq!(joe.message().0, *topic);
        }
    };
    check(&["a/1"]);
    fs::write(&acl, "user joe\ntopic read b/#\ntopic read end\n").unwrap();
    broker.reload().unwrap();
    check(&["b/1", "end"]);
    while told.try_recv().is_ok() {}
    // Neither a damaged file nor one that has gone takes a right or gives one.
    fs::write(&acl, "user joe\ntopic red a/#\n").unwrap();
    set_password("new");
    let error = broker.reload().unwrap_err();
    assert_eq!(error.status(), Status::FileInvalid);
    let wanted = format!(
        "acl_file {}: line 2: 'red' is neither read, write, readwrite nor deny",
        acl.display()
    );
    assert_eq!(error.to_string(), wanted);
    let lines: Vec<String> = (0..2).map(|_| told.recv_timeout(SOON).unwrap()).collect();
    assert!(lines[0].ends_with("read again") && lines[1].starts_with(&wanted), "{lines:?}");
    assert!(lines[1].ends_with("what was read before stays in force"), "{lines:?}");
    check(&["b/1", "end"]);
    // The other file counts, for the next CONNECT.
    assert!(refusal(&broker, user("d", "joe", "old")).contains("BadUserNameOrPassword"));
    Bare::connect_as(&broker, user("d", "joe", "new"));
    fs::remove_file(&passwords).unwrap();
    fs::remove_file(&acl).unwrap();
    assert!(matches!(broker.reload(), Err(BrokerError::Policy(PolicyError::Passwords { .. }))));
    check(&["b/1", "end"]);
    Bare::connect_as(&broker, user("d", "joe", "new"));
    assert!(refusal(&broker, connect_packet("e", Version::V5)).contains("NotAuthorized"));
}

#[test]
fn a_broker_does_not_start_with_files_of_no_use() {
    let nowhere = Some("/nowhere/file".into());
    let start = |policy| Broker::start(BrokerOptions { policy, ..options(1) }).unwrap_err();
    let error = start(Policy { acl_file: nowhere.clone(), ..Policy::default() });
    assert!(matches!(error, BrokerError::Policy(PolicyError::Acl { .. })));
    assert_eq!(error.status(), Status::FileUnreadable);
    assert!(error.to_string().starts_with("acl_file /nowhere/file: cannot read it"), "{error}");
    let error = start(Policy { password_file: nowhere, ..Policy::default() });
    assert!(matches!(error, BrokerError::Policy(PolicyError::Passwords { .. })));
}

/// What a plain request of HTTP gets.
fn get(broker: &Broker, listener: usize, request: &str) -> String {
    let mut stream =
        std::net::TcpStream::connect(broker.addresses()[listener].ip().unwrap()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

#[test]
fn the_page_is_served_whole_and_to_this_machine_alone() {
    let mut options = options(1);
    options.listeners.push(page::listener(([127, 0, 0, 1], 0).into()));
    let broker = Broker::start(options).unwrap();
    let page = get(&broker, 1, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html"), "{page}");
    assert!(page.ends_with("</html>\n"));
    // Whatever it names is there, and nothing of it comes from elsewhere.
    let mut seen = vec!["index.html".to_owned()];
    let mut texts = vec![page];
    while let Some(text) = texts.pop() {
        assert!(!text.contains("https://") && !text.contains("http://"), "{text}");
        let names = text.split('"').filter(|word| word.ends_with(".js") || word.ends_with(".css"));
        for name in names.map(|name| name.trim_start_matches("./").to_owned()) {
            if !seen.contains(&name) {
                let part = get(&broker, 1, &format!("GET /{name} HTTP/1.1\r\nHost: h\r\n\r\n"));
                assert!(part.starts_with("HTTP/1.1 200 OK"), "{name}: {part}");
                seen.push(name);
                texts.push(part);
            }
        }
    }
    assert_eq!(seen.len(), page::resources().len());
    let open = |origin: &str| {
        get(
            &broker,
            1,
            &format!(
                "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Origin: {origin}\r\n\r\n"
            ),
        )
    };
    assert!(open("https://evil.example").starts_with("HTTP/1.1 403"));
    assert!(open("http://localhost:8083").starts_with("HTTP/1.1 400"), "no key, but let through");
}
