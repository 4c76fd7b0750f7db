//! Certificates: which are accepted, what is said of the others, and how they are replaced.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use common::pki::{Authority, For, Issued, self_signed};
use common::{SOON, options};
use libmqtt_runtime::auth::Policy;
use libmqtt_runtime::tls::{
    ClientCertificates, Roots, Source, TlsClient, TlsClientOptions, TlsError, TlsServer,
    TlsServerOptions, TlsVersions, Verification,
};
use libmqtt_runtime::{
    Broker, BrokerOptions, CertificateUser, Client, ClientConfig, ClientError, ClientInfo,
    ClientOptions, Event, Hooks, LayerError, Level, Listener, Log, Message, NetworkError, QoS,
    Runtime, Status, Subscription, SubscriptionOptions,
};
use rcgen::{ExtendedKeyUsagePurpose, date_time_ymd};

/// A broker with TLS, and what its log says.
struct Served {
    broker: Broker,
    log: Arc<Mutex<Vec<String>>>,
}

impl Served {
    fn new(options: TlsServerOptions) -> Served {
        Served::with(TlsServer::new(options).unwrap(), |_| {})
    }

    fn with(tls: TlsServer, differ: impl FnOnce(&mut BrokerOptions)) -> Served {
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = log.clone();
        let mut options = BrokerOptions {
            listeners: vec![Listener::new(([127, 0, 0, 1], 0).into()).with_tls(tls)],
            log: Log::to(move |_, line| lines.lock().unwrap().push(line.to_string())),
            ..options(2)
        };
        differ(&mut options);
        Served { broker: Broker::start(options).unwrap(), log }
    }

    /// Waits until the log has a line with these words.
    fn says(&self, words: &str) {
        let deadline = Instant::now() + SOON;
        while !self.log.lock().unwrap().iter().any(|line| line.contains(words)) {
            assert!(Instant::now() < deadline, "no '{words}' in {:?}", self.log.lock().unwrap());
            thread::yield_now();
        }
    }

    fn client(&self, client_id: &str, options: TlsClientOptions) -> Client {
        let config = ClientConfig::new(&self.broker.urls()[0], client_id);
        let tls = Some(TlsClient::new(options).unwrap());
        let options = ClientOptions { tls, ..ClientOptions::from(config) };
        Client::new(&Runtime::new().unwrap(), options).unwrap()
    }

    fn connect(&self, options: TlsClientOptions) -> Result<(), ClientError> {
        self.client("me", options).connect(SOON).map(drop)
    }

    fn accepts(&self, options: TlsClientOptions) {
        self.connect(options).unwrap();
    }

    /// The client refuses the server for this reason.
    fn refused(&self, options: TlsClientOptions, why: TlsError, status: Status) {
        let error = self.connect(options).unwrap_err();
        assert_eq!(error.status(), status, "{error:?}");
        match error {
            ClientError::Unreachable(_, NetworkError::Layer(LayerError::Tls(found))) => {
                assert_eq!(found, why);
            }
            other => panic!("{other:?}, not {why:?}"),
        }
    }
}

fn serve(issued: &Issued) -> Served {
    Served::new(TlsServerOptions::new(issued.pair()))
}

fn trusting(authority: &Authority) -> TlsClientOptions {
    TlsClientOptions::new(Roots::only(authority.root()))
}

#[test]
fn a_client_says_what_is_wrong_with_a_server() {
    let authority = Authority::new("Authority");
    let with = |name: &str, differ: fn(&mut rcgen::CertificateParams)| {
        serve(&authority.issue_with(name, For::Server, differ))
    };
    let trusts = || trusting(&authority);
    serve(&authority.issue("127.0.0.1", For::Server)).accepts(trusts());

    let expired = with("127.0.0.1", |params| params.not_after = date_time_ymd(2021, 1, 1));
    expired.refused(trusts(), TlsError::Expired, Status::CertificateExpired);
    let early = with("127.0.0.1", |params| params.not_before = date_time_ymd(2110, 1, 1));
    early.refused(trusts(), TlsError::NotYetValid, Status::CertificateExpired);
    let other = with("other.example", |_| {});
    other.refused(trusts(), TlsError::OtherHost, Status::CertificateForOther);
    let unfit = with("127.0.0.1", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    unfit.refused(trusts(), TlsError::WrongUsage, Status::CertificateUnfit);
    let stranger = serve(&Authority::new("Stranger").issue("127.0.0.1", For::Server));
    stranger.refused(trusts(), TlsError::UnknownIssuer, Status::CertificateUntrusted);
    let alone = self_signed("127.0.0.1");
    serve(&alone).refused(trusts(), TlsError::SelfSigned, Status::CertificateSelfSigned);

    let issued = authority.issue("127.0.0.1", For::Server);
    let revocations = vec![authority.revoke(&[&issued])];
    let revoking = TlsClientOptions { revocations, ..trusts() };
    serve(&issued).refused(revoking.clone(), TlsError::Revoked, Status::CertificateRevoked);
    serve(&authority.issue("127.0.0.1", For::Server)).accepts(revoking);

    // The other side is told, and says so.
    let unknown = serve(&alone);
    let _ = unknown.connect(trusts());
    unknown.says("failed: peer refuses our certificate: ");
}

#[test]
fn a_certificate_can_be_trusted_by_itself() {
    let alone = self_signed("127.0.0.1");
    let trusts = || TlsClientOptions::new(Roots::only(Source::memory(&alone.certificate)));
    serve(&alone).accepts(trusts());
    let elsewhere = self_signed("other.example");
    let trusts_it = TlsClientOptions::new(Roots::only(Source::memory(&elsewhere.certificate)));
    serve(&elsewhere).refused(trusts_it, TlsError::OtherHost, Status::CertificateForOther);
    // In DER, too.
    serve(&alone).accepts(TlsClientOptions::new(Roots::only(Source::memory(&alone.der))));
}

#[test]
fn checks_are_left_out_only_when_that_was_asked_for() {
    let authority = Authority::new("Authority");
    let other = serve(&authority.issue("other.example", For::Server));
    let any_name = Verification::AnyHostName;
    other.accepts(TlsClientOptions { verification: any_name, ..trusting(&authority) });
    let named = Some("other.example".to_owned());
    other.accepts(TlsClientOptions { server_name: named, ..trusting(&authority) });
    let stranger = serve(&self_signed("other.example"));
    let options = TlsClientOptions { verification: any_name, ..trusting(&authority) };
    stranger.refused(options, TlsError::SelfSigned, Status::CertificateSelfSigned);

    // It is said aloud.
    let said = Arc::new(AtomicBool::new(false));
    let heard = said.clone();
    let log = Log::to(move |level, line| {
        if level == Level::Warn && line.to_string().contains("WITHOUT checking the certificate") {
            heard.store(true, Ordering::Release);
        }
    });
    let nothing = Verification::Nothing;
    let tls = TlsClientOptions { verification: nothing, ..TlsClientOptions::default() };
    let tls = Some(TlsClient::new(tls).unwrap());
    let config = ClientConfig::new(&stranger.broker.urls()[0], "me");
    let options = ClientOptions { tls, ..ClientOptions::from(config) };
    let client = Client::new(&Runtime::with_log(log).unwrap(), options).unwrap();
    client.connect(SOON).unwrap();
    assert!(said.load(Ordering::Acquire));
}

#[test]
fn a_server_says_what_is_wrong_with_a_client() {
    let authority = Authority::new("Authority");
    let good = authority.issue("ada", For::Client);
    let revoked = authority.issue("ida", For::Client);
    let mut options = TlsServerOptions::new(authority.issue("127.0.0.1", For::Server).pair())
        .with_clients_of(Roots::only(authority.root()));
    options.revocations = vec![authority.revoke(&[&revoked])];
    let shows = |issued: &Issued| TlsClientOptions {
        key_pair: Some(issued.pair()),
        ..trusting(&authority)
    };
    let served = Served::new(options.clone());
    served.accepts(shows(&good));
    let check = |client: TlsClientOptions, words: &str, told: &[Status]| {
        for versions in [TlsVersions::V12, TlsVersions::V13] {
            let served = Served::new(options.clone());
            let client = TlsClientOptions { versions, ..client.clone() };
            let error = served.connect(client).unwrap_err();
            assert!(told.contains(&error.status()), "{words}: {error:?}");
            served.says(&format!("failed: {words}"));
        }
    };
    // Before TLS 1.3 there was no alert for it.
    let missing = [Status::CertificateMissing, Status::TlsFailed];
    check(trusting(&authority), "client has shown no certificate", &missing);
    let refused = [Status::CertificateRefused];
    check(shows(&revoked), "certificate was revoked", &refused);
    let expired = |params: &mut rcgen::CertificateParams| {
        params.not_after = date_time_ymd(2021, 1, 1);
    };
    let expired = authority.issue_with("ada", For::Client, expired);
    check(shows(&expired), "certificate has expired", &refused);
    let unfit = authority.issue("ada", For::Server);
    check(shows(&unfit), "certificate is not for this use", &refused);
    let stranger = Authority::new("Stranger").issue("ada", For::Client);
    check(shows(&stranger), "issuer of the certificate is not trusted", &refused);
    check(shows(&self_signed("ada")), "certificate is self-signed and not trusted", &refused);
}

#[derive(Default)]
struct Seen(Arc<Mutex<Vec<ClientInfo>>>);

impl Hooks for Seen {
    fn connected(&mut self, client: &ClientInfo) {
        self.0.lock().unwrap().push(client.clone());
    }
}

#[test]
fn a_certificate_says_who_the_client_is() {
    let authority = Authority::new("Authority");
    let server = authority.issue("127.0.0.1", For::Server);
    let seen = Seen::default();
    let serve = |user, demands| {
        let mut tls =
            TlsServerOptions::new(server.pair()).with_clients_of(Roots::only(authority.root()));
        tls.client_certificates = demands;
        let log = seen.0.clone();
        Served::with(TlsServer::new(tls).unwrap(), |options| {
            options.listeners[0].certificate_user = user;
            options.policy = Policy { anonymous: Some(false), ..Policy::default() };
            options.hooks = Some(Arc::new(move |_| Box::new(Seen(log.clone()))));
        })
    };
    let ada = authority.issue_with("ada", For::Client, |params| {
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "Example");
    });
    let shows = TlsClientOptions { key_pair: Some(ada.pair()), ..trusting(&authority) };
    let required = ClientCertificates::Required;
    serve(CertificateUser::CommonName, required).accepts(shows.clone());
    let client = seen.0.lock().unwrap().pop().unwrap();
    assert_eq!(client.user_name.as_deref(), Some("ada"));
    assert_eq!(*client.identity.unwrap().certificate, *ada.der);
    serve(CertificateUser::Subject, required).accepts(shows.clone());
    let client = seen.0.lock().unwrap().pop().unwrap();
    assert_eq!(client.user_name.as_deref(), Some("O=Example,CN=ada"));
    // Who shows none is nobody; and a certificate that names nobody lets nobody in.
    let status = |served: Served, options| served.connect(options).unwrap_err().status();
    let optional = ClientCertificates::Optional;
    let nobody = serve(CertificateUser::CommonName, optional);
    assert_eq!(status(nobody, trusting(&authority)), Status::Refused);
    assert_eq!(status(serve(CertificateUser::No, required), shows), Status::Refused);
}

#[test]
fn versions_and_protocols_must_fit() {
    let authority = Authority::new("Authority");
    let server = TlsServerOptions::new(authority.issue("127.0.0.1", For::Server).pair());
    let alpn = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect();
    let check = |server: &TlsServerOptions, client: TlsClientOptions, fits: bool| match Served::new(
        server.clone(),
    )
    .connect(client)
    {
        Ok(()) => assert!(fits),
        Err(error) => assert!(!fits && error.status() == Status::TlsFailed, "{error:?}"),
    };
    let trusts = || trusting(&authority);
    for (ours, theirs, fits) in [
        (TlsVersions::V12, TlsVersions::Both, true),
        (TlsVersions::Both, TlsVersions::V13, true),
        (TlsVersions::V12, TlsVersions::V13, false),
    ] {
        let server = TlsServerOptions { versions: ours, ..server.clone() };
        check(&server, TlsClientOptions { versions: theirs, ..trusts() }, fits);
    }
    let server = TlsServerOptions { alpn: alpn(&["mqtt"]), ..server };
    check(&server, TlsClientOptions { alpn: alpn(&["x", "mqtt"]), ..trusts() }, true);
    check(&server, trusts(), true);
    check(&server, TlsClientOptions { alpn: alpn(&["x"]), ..trusts() }, false);
}

#[test]
fn the_certificate_is_that_of_the_host_that_is_asked_for() {
    let authority = Authority::new("Authority");
    let pair = |name: &str| authority.issue(name, For::Server).pair();
    let mut options = TlsServerOptions::new(pair("a.example"));
    options.key_pairs.push(pair("b.example"));
    let served = Served::new(options);
    for name in ["a.example", "b.example"] {
        let server_name = Some(name.to_owned());
        served.accepts(TlsClientOptions { server_name, ..trusting(&authority) });
    }
    let server_name = Some("c.example".to_owned());
    let other = TlsClientOptions { server_name, ..trusting(&authority) };
    served.refused(other, TlsError::OtherHost, Status::CertificateForOther);
}

#[test]
fn files_that_are_of_no_use_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let issued = Authority::new("A").issue("127.0.0.1", For::Server);
    let pair = issued.write(directory.path(), "server");
    let wrong = |certificate: &Source, key: &Source, words: &str| {
        let pair =
            libmqtt_runtime::tls::KeyPair { certificates: certificate.clone(), key: key.clone() };
        let error = TlsServer::new(TlsServerOptions::new(pair)).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    let (certificate, key) = (&pair.certificates, &pair.key);
    let nowhere = Source::from("/nowhere/x");
    wrong(&nowhere, key, "cannot read /nowhere/x: No such file");
    wrong(key, key, "there is no certificate in ");
    wrong(certificate, certificate, "there is no private key in ");
    let other = Authority::new("A").issue("127.0.0.1", For::Server);
    wrong(certificate, &other.pair().key, "it does not belong to the certificate in ");
    let text = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    wrong(certificate, &Source::memory(text), "is encrypted; decrypt it first: openssl pkey");
    let text = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMAA=\n\
         -----END RSA PRIVATE KEY-----\n";
    wrong(certificate, &Source::memory(text), "is encrypted; decrypt it first");
    let none = TlsClient::new(TlsClientOptions::new(Roots::default())).unwrap_err();
    assert_eq!(none.to_string(), "there are no certificates to trust");
    // A folder has what is in its files.
    let folder = Roots { folders: vec![directory.path().into()], ..Roots::default() };
    serve(&issued).accepts(TlsClientOptions::new(folder));
}

/// Certificates are replaced while clients exchange messages, and others come and go.
#[test]
fn certificates_are_replaced_without_losing_anything() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (Authority::new("First"), Authority::new("Second"));
    let pair = first.issue("127.0.0.1", For::Server).write(directory.path(), "server");
    let served = Served::with(TlsServer::new(TlsServerOptions::new(pair)).unwrap(), |_| {});
    let there = served.client("there", trusting(&first));
    there.connect(SOON).unwrap();
    let back = served.client("back", trusting(&first));
    back.connect(SOON).unwrap();
    let options = SubscriptionOptions { qos: QoS::AtLeastOnce, ..Default::default() };
    back.subscribe(&[Subscription { filter: "t", options }], SOON).unwrap();
    let over = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            let mut number = 0u32;
            while !over.load(Ordering::Acquire) {
                let message = Message::new("t", &number.to_be_bytes()).unwrap();
                let message = message.with_qos(QoS::AtLeastOnce);
                there.publish_wait(&message.view(), SOON).unwrap();
                number += 1;
            }
            number
        });
        // A file that is of no use changes nothing, and that is said.
        std::fs::write(directory.path().join("server.crt"), "nonsense").unwrap();
        assert!(served.broker.reload().is_err());
        served.says("there is no certificate in ");
        served.accepts(trusting(&first));
        // On request.
        second.issue("127.0.0.1", For::Server).write(directory.path(), "server");
        served.broker.reload().unwrap();
        served.accepts(trusting(&second));
        assert!(served.connect(trusting(&first)).is_err());
        // And by itself, once somebody connects.
        first.issue("127.0.0.1", For::Server).write(directory.path(), "server");
        let deadline = Instant::now() + SOON;
        while served.connect(trusting(&first)).is_err() {
            assert!(Instant::now() < deadline, "the files were not looked at");
        }
        over.store(true, Ordering::Release);
        publisher.join().unwrap()
    });
    for number in 0..sent {
        loop {
            match back.next_event(SOON).unwrap() {
                Some(Event::Message(received)) => {
                    assert_eq!(received.message.payload(), number.to_be_bytes());
                    break;
                }
                Some(Event::Disconnected(ended)) => panic!("{ended:?}"),
                Some(_) => {}
                None => panic!("message {number} of {sent} is lost"),
            }
        }
    }
}
