//! Callbacks that decide and watch what a broker does.

use core::cell::Cell;
use core::ffi::{c_char, c_void};
use std::sync::Arc;

use libmqtt_runtime::auth::Policy;
use libmqtt_runtime::{
    Answers, Authenticate, ClientInfo, Hooks, HooksFactory, NoHooks, Publish, Reason, Status, Step,
    Subscription, Ticket, Verdict,
};

use crate::argument::{Out, borrow, bytes, give, write_text};
use crate::boundary::{Failure, get, run};
use crate::broker_config::mqtt_broker_config;
use crate::message::mqtt_message;
use crate::operation::{MQTT_SUBSCRIBE_NO_LOCAL, MQTT_SUBSCRIBE_RETAIN_AS_PUBLISHED};
use crate::status::mqtt_status;
use crate::userdata::Userdata;
use crate::view::{mqtt_bytes, mqtt_text};

/// The answer that lets something happen. The answer that denies it is a Reason Code of 0x80 and
/// above, which the client is told if its version can say it.
pub const MQTT_VERDICT_ALLOW: i32 = 0;
/// The answer comes later, through what `mqtt_question_keep` gave. Until then the client's further
/// packets wait.
pub const MQTT_VERDICT_LATER: i32 = -1;
/// In `authenticate`, for a client with an Authentication Method: send it the data that were set
/// and wait for its answer. Elsewhere it denies. MQTT 5.0 §4.12.
pub const MQTT_VERDICT_CHALLENGE: i32 = -2;

/// Which part of authentication is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum mqtt_auth_step {
    /// No authentication at all.
    None = 0,
    /// CONNECT.
    Connect = 1,
    /// The answer to a challenge.
    Continue = 2,
    /// A connected client authenticates again.
    Reauthenticate = 3,
}

/// A client of a broker, as a hook is told of it. It lives until the hook returns.
pub struct mqtt_client_info {
    _private: (),
}

/// What a hook is asked. It lives until the hook returns. A getter of what it is not about gives
/// nothing: 0 or NULL.
pub struct mqtt_question {
    client: *const mqtt_client_info,
    about: About,
    ticket: Ticket,
    answers: *const Answers,
    /// Somebody will answer later.
    kept: Cell<bool>,
    /// Authentication Data of the answer.
    data: Cell<Option<Vec<u8>>>,
}

enum About {
    Authenticate(Authenticate<'static>),
    Publish(*const mqtt_message),
    Subscribe(Subscription<'static>),
}

/// The right to answer a question later, once, from any thread.
pub struct mqtt_answer {
    answers: Answers,
    ticket: Ticket,
}

/// The callbacks of a broker, each of which may be NULL. They are called on the threads of the
/// broker, several at once, must not wait, and must not throw.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct mqtt_hooks {
    /// `sizeof(mqtt_hooks)`: callbacks that come in later versions stand behind, and are not
    /// looked for in a table that is too small for them.
    pub size: u32,
    /// May this client connect? Also asked in each step of enhanced authentication. Returns one of
    /// `MQTT_VERDICT_…` or a Reason Code. NULL: as the password file says; or everyone.
    pub authenticate:
        Option<unsafe extern "C" fn(userdata: *mut c_void, question: *mut mqtt_question) -> i32>,
    /// May it publish this? Also asked for its will, at CONNECT. Returns likewise. NULL: yes.
    pub authorise_publish:
        Option<unsafe extern "C" fn(userdata: *mut c_void, question: *mut mqtt_question) -> i32>,
    /// May it subscribe to this? Asked for each filter. Returns likewise. NULL: yes.
    pub authorise_subscribe:
        Option<unsafe extern "C" fn(userdata: *mut c_void, question: *mut mqtt_question) -> i32>,
    /// A client was accepted.
    pub connected:
        Option<unsafe extern "C" fn(userdata: *mut c_void, client: *const mqtt_client_info)>,
    /// A connection of an accepted client has ended. The Reason Code is 0 if it said goodbye.
    pub disconnected: Option<
        unsafe extern "C" fn(
            userdata: *mut c_void,
            client: *const mqtt_client_info,
            reason_code: u8,
        ),
    >,
    /// A message was accepted and is about to be routed. `client` is NULL for the host program's
    /// own.
    pub published: Option<
        unsafe extern "C" fn(
            userdata: *mut c_void,
            client: *const mqtt_client_info,
            message: *const mqtt_message,
        ),
    >,
    /// A subscription was made or renewed. `options` is as in `mqtt_subscription`.
    pub subscribed: Option<
        unsafe extern "C" fn(
            userdata: *mut c_void,
            client: *const mqtt_client_info,
            filter: mqtt_text,
            options: u32,
        ),
    >,
    /// A subscription was ended by its client.
    pub unsubscribed: Option<
        unsafe extern "C" fn(
            userdata: *mut c_void,
            client: *const mqtt_client_info,
            filter: mqtt_text,
        ),
    >,
}

/// What a program registered.
pub(crate) struct HookTable {
    pub(crate) table: mqtt_hooks,
    pub(crate) userdata: Userdata,
}

impl core::fmt::Debug for HookTable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("HookTable").field("size", &self.table.size).finish_non_exhaustive()
    }
}

impl HookTable {
    /// Copies as much of a table as its program knew of; NULL stands for none.
    ///
    /// # Safety
    /// `hooks` is NULL or points to as many bytes as its first field says.
    pub(crate) unsafe fn read(hooks: *const mqtt_hooks) -> Result<Option<mqtt_hooks>, Failure> {
        if hooks.is_null() {
            return Ok(None);
        }
        if !hooks.is_aligned() {
            return Err(Status::BadArgument.into());
        }
        // SAFETY: every table begins with its size.
        let size = unsafe { hooks.cast::<u32>().read() } as usize;
        let smallest = core::mem::offset_of!(mqtt_hooks, authorise_publish);
        // Far beyond anything that will ever be: not a size.
        if !(smallest..=1 << 16).contains(&size) || !size.is_multiple_of(align_of::<mqtt_hooks>()) {
            return Err(Failure::new(Status::BadArgument, "size of the hooks cannot be right"));
        }
        let mut table = mqtt_hooks {
            size: size as u32,
            authenticate: None,
            authorise_publish: None,
            authorise_subscribe: None,
            connected: None,
            disconnected: None,
            published: None,
            subscribed: None,
            unsubscribed: None,
        };
        // SAFETY: both are at least that large, and any prefix of the table, followed by nulls,
        // is one.
        unsafe {
            core::ptr::copy_nonoverlapping(
                hooks.cast::<u8>(),
                (&raw mut table).cast::<u8>(),
                size.min(size_of::<mqtt_hooks>()),
            );
        }
        Ok(Some(table))
    }
}

/// The hooks that a configuration asks for, and who gets in before they are asked.
pub(crate) fn factory(
    config: &mqtt_broker_config,
) -> Result<(Policy, Option<HooksFactory>), Failure> {
    let mut policy = config.policy.clone();
    let Some(hooks) = config.hooks.clone() else { return Ok((policy, None)) };
    if hooks.table.authenticate.is_some() {
        if policy.password_file.is_some() {
            let why = "a password file and an authenticate hook exclude each other";
            return Err(Failure::new(Status::BadArgument, why));
        }
        policy.anonymous = Some(true); // the hook decides
    }
    let factory: HooksFactory =
        Arc::new(move |answers| Box::new(ShardHooks { hooks: hooks.clone(), answers }));
    Ok((policy, Some(factory)))
}

struct ShardHooks {
    hooks: Arc<HookTable>,
    answers: Answers,
}

type AskFn = unsafe extern "C" fn(userdata: *mut c_void, question: *mut mqtt_question) -> i32;

fn info(client: &ClientInfo) -> *const mqtt_client_info {
    core::ptr::from_ref(client).cast()
}

fn options(subscription: &Subscription<'_>) -> u32 {
    let options = &subscription.options;
    let mut bits = options.qos as u32;
    bits |= u32::from(options.no_local) * MQTT_SUBSCRIBE_NO_LOCAL;
    bits |= u32::from(options.retain_as_published) * MQTT_SUBSCRIBE_RETAIN_AS_PUBLISHED;
    bits | (options.retain_handling as u32) << 4
}

fn verdict(answer: i32, data: Option<Vec<u8>>) -> Verdict {
    match (answer, data) {
        (MQTT_VERDICT_ALLOW, None) => Verdict::Allow,
        (MQTT_VERDICT_ALLOW, Some(data)) => Verdict::AllowWith(data.into()),
        (MQTT_VERDICT_CHALLENGE, data) => Verdict::Challenge(data.unwrap_or_default().into()),
        (MQTT_VERDICT_LATER, _) => Verdict::Later,
        (answer, _) => {
            let reason = u8::try_from(answer).ok().and_then(Reason::from_u8);
            let error = reason.filter(|reason| reason.is_error());
            Verdict::Deny(error.unwrap_or(Reason::UnspecifiedError))
        }
    }
}

impl ShardHooks {
    /// The program's data for its functions.
    fn userdata(&self) -> *mut c_void {
        self.hooks.userdata.data()
    }

    fn ask(&self, hook: AskFn, client: &ClientInfo, ticket: Ticket, about: About) -> Verdict {
        let mut question = mqtt_question {
            client: info(client),
            about,
            ticket,
            answers: &raw const self.answers,
            kept: Cell::new(false),
            data: Cell::new(None),
        };
        // SAFETY: the program gave the function for this; the question lives until it returns.
        let answer = unsafe { hook(self.userdata(), &raw mut question) };
        match verdict(answer, question.data.take()) {
            // Nobody could answer.
            Verdict::Later if !question.kept.get() => {
                Verdict::Deny(Reason::ImplementationSpecificError)
            }
            verdict => verdict,
        }
    }
}

impl Hooks for ShardHooks {
    fn authenticate(&mut self, ticket: Ticket, attempt: &Authenticate<'_>) -> Verdict {
        if let Some(hook) = self.hooks.table.authenticate {
            // SAFETY: only the lifetime changes, and the question goes before this returns.
            let about = unsafe {
                core::mem::transmute::<Authenticate<'_>, Authenticate<'static>>(*attempt)
            };
            return self.ask(hook, attempt.client, ticket, About::Authenticate(about));
        }
        NoHooks.authenticate(ticket, attempt)
    }

    fn authorise_publish(
        &mut self,
        ticket: Ticket,
        client: &ClientInfo,
        publish: &Publish<'_>,
    ) -> Verdict {
        let Some(hook) = self.hooks.table.authorise_publish else { return Verdict::Allow };
        mqtt_message::lend(publish, |message| {
            self.ask(hook, client, ticket, About::Publish(message))
        })
    }

    fn authorise_subscribe(
        &mut self,
        ticket: Ticket,
        client: &ClientInfo,
        subscription: &Subscription<'_>,
    ) -> Verdict {
        let Some(hook) = self.hooks.table.authorise_subscribe else { return Verdict::Allow };
        // SAFETY: only the lifetime changes, and the question goes before this returns.
        let about = unsafe {
            core::mem::transmute::<Subscription<'_>, Subscription<'static>>(*subscription)
        };
        self.ask(hook, client, ticket, About::Subscribe(about))
    }

    fn connected(&mut self, client: &ClientInfo) {
        if let Some(hook) = self.hooks.table.connected {
            let userdata = self.userdata();
            // SAFETY: the program gave the function for this.
            unsafe { hook(userdata, info(client)) };
        }
    }

    fn disconnected(&mut self, client: &ClientInfo, reason: Reason) {
        if let Some(hook) = self.hooks.table.disconnected {
            let userdata = self.userdata();
            // SAFETY: the program gave the function for this.
            unsafe { hook(userdata, info(client), reason as u8) };
        }
    }

    fn published(&mut self, client: Option<&ClientInfo>, publish: &Publish<'_>) {
        if let Some(hook) = self.hooks.table.published {
            let userdata = self.userdata();
            let client = client.map_or(core::ptr::null(), info);
            // SAFETY: the program gave the function for this.
            mqtt_message::lend(publish, |message| unsafe { hook(userdata, client, message) });
        }
    }

    fn subscribed(&mut self, client: &ClientInfo, subscription: &Subscription<'_>) {
        if let Some(hook) = self.hooks.table.subscribed {
            let userdata = self.userdata();
            let (filter, options) = (subscription.filter.into(), options(subscription));
            // SAFETY: the program gave the function for this.
            unsafe { hook(userdata, info(client), filter, options) };
        }
    }

    fn unsubscribed(&mut self, client: &ClientInfo, filter: &str) {
        if let Some(hook) = self.hooks.table.unsubscribed {
            let userdata = self.userdata();
            // SAFETY: the program gave the function for this.
            unsafe { hook(userdata, info(client), filter.into()) };
        }
    }
}

impl mqtt_answer {
    fn give(self, verdict: Verdict) {
        // An answer that answers nothing would leave the client waiting.
        let verdict = match verdict {
            Verdict::Later => Verdict::Deny(Reason::UnspecifiedError),
            verdict => verdict,
        };
        self.answers.answer(self.ticket, verdict);
    }
}

/// Calls a getter with a question, if it is one.
fn look<T>(
    nothing: T,
    question: *const mqtt_question,
    getter: impl FnOnce(&'static mqtt_question) -> Option<T>,
) -> T {
    get(nothing, || {
        // SAFETY: the caller of the getter promises; what it gets lives as long as the question.
        getter(unsafe { borrow(question) }.ok()?)
    })
}

/// Calls a getter with a client, if it is one.
fn look_at<T>(
    nothing: T,
    client: *const mqtt_client_info,
    getter: impl FnOnce(&'static ClientInfo) -> Option<T>,
) -> T {
    get(nothing, || {
        // SAFETY: it was made from a ClientInfo; the caller promises that it still lives.
        getter(unsafe { borrow(client.cast::<ClientInfo>()) }.ok()?)
    })
}

impl mqtt_question {
    fn attempt(&self) -> Option<&Authenticate<'static>> {
        match &self.about {
            About::Authenticate(attempt) => Some(attempt),
            About::Publish(_) | About::Subscribe(_) => None,
        }
    }

    fn subscription(&self) -> Option<&Subscription<'static>> {
        match &self.about {
            About::Subscribe(subscription) => Some(subscription),
            About::Publish(_) | About::Authenticate(_) => None,
        }
    }
}

/// Who is asking. Thread: in the hook. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_question_client(
    question: *const mqtt_question,
) -> *const mqtt_client_info {
    look(core::ptr::null(), question, |question| Some(question.client))
}

/// Which part of authentication is asked for. Thread: in the hook. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_question_step(question: *const mqtt_question) -> mqtt_auth_step {
    look(mqtt_auth_step::None, question, |question| {
        Some(match question.attempt()?.step {
            Step::Connect => mqtt_auth_step::Connect,
            Step::Continue => mqtt_auth_step::Continue,
            Step::ReAuthenticate => mqtt_auth_step::Reauthenticate,
        })
    })
}

/// The Password of CONNECT; `data` is NULL if there is none. Thread: in the hook. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_question_password(question: *const mqtt_question) -> mqtt_bytes {
    look(mqtt_bytes::NONE, question, |question| Some(question.attempt()?.password?.into()))
}

/// The Authentication Method; `data` is NULL if there is none. Thread: in the hook. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_question_method(question: *const mqtt_question) -> mqtt_text {
    look(mqtt_text::NONE, question, |question| Some(question.attempt()?.method?.into()))
}

/// The Authentication Data; `data` is NULL if there are none. Thread: in the hook. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_question_data(question: *const mqtt_question) -> mqtt_bytes {
    look(mqtt_bytes::NONE, question, |question| Some(question.attempt()?.data?.into()))
}

/// The message that is to be published. It lives until the hook returns; `mqtt_message_ref` keeps
/// it longer. Thread: in the hook. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_question_message(
    question: *const mqtt_question,
) -> *const mqtt_message {
    look(core::ptr::null(), question, |question| match question.about {
        About::Publish(message) => Some(message),
        About::Authenticate(_) | About::Subscribe(_) => None,
    })
}

/// The Topic Filter that is to be subscribed to. Thread: in the hook. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_question_filter(question: *const mqtt_question) -> mqtt_text {
    look(mqtt_text::NONE, question, |question| Some(question.subscription()?.filter.into()))
}

/// The options of the subscription, as in `mqtt_subscription`. Thread: in the hook. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_question_options(question: *const mqtt_question) -> u32 {
    look(0, question, |question| Some(options(question.subscription()?)))
}

/// Sets the Authentication Data that go with the verdict of an `authenticate` hook, and copies
/// them. Thread: in the hook. Since: 0.1. Spec: MQTT 5.0 §4.12.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_question_set_data(
    question: *mut mqtt_question,
    data: *const c_void,
    data_len: usize,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let (question, data) = unsafe { (borrow(question)?, bytes(data, data_len)?) };
        question.data.set(Some(data.to_vec()));
        Ok(())
    })
}

/// Takes the right to answer later: the hook then returns `MQTT_VERDICT_LATER`.
///
/// The caller gives the answer with `mqtt_answer_give`, or denies with `mqtt_answer_free`. NULL
/// for NULL. Thread: in the hook. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_question_keep(question: *mut mqtt_question) -> *mut mqtt_answer {
    look(core::ptr::null_mut(), question, |question| {
        question.kept.set(true);
        // SAFETY: the answers belong to the hooks that ask, which outlive the question.
        let answers = unsafe { &*question.answers }.clone();
        Some(give(mqtt_answer { answers, ticket: question.ticket }))
    })
}

/// Answers a question that was kept, and frees the right to do so. `verdict` is
/// `MQTT_VERDICT_ALLOW`, `MQTT_VERDICT_CHALLENGE` or a Reason Code; `data` (NULL: none) are
/// Authentication Data for the first two. An answer to a client that has gone does nothing.
///
/// Thread: any. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_answer_give(
    answer: *mut mqtt_answer,
    verdict_code: i32,
    data: *const c_void,
    data_len: usize,
) -> mqtt_status {
    run(|| {
        if answer.is_null() {
            return Err(Status::NullArgument.into());
        }
        if !answer.is_aligned() {
            return Err(Status::BadArgument.into());
        }
        // SAFETY: the caller promises.
        let given = unsafe { bytes(data, data_len) }?;
        let given = (!data.is_null()).then(|| given.to_vec());
        // SAFETY: `mqtt_question_keep` gave it, and the caller has not given it back.
        let answer = unsafe { Box::from_raw(answer) };
        answer.give(verdict(verdict_code, given));
        Ok(())
    })
}

/// Denies a question that was kept (Not authorized), and frees the right to answer it; NULL is
/// nothing. Thread: any. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_answer_free(answer: *mut mqtt_answer) {
    get((), || {
        if answer.is_null() || !answer.is_aligned() {
            return None;
        }
        // SAFETY: `mqtt_question_keep` gave it, and the caller has not given it back.
        let answer = unsafe { Box::from_raw(answer) };
        answer.give(Verdict::Deny(Reason::NotAuthorized));
        Some(())
    });
}

/// Its Client Identifier, given or assigned. Thread: in the hook. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_info_client_id(client: *const mqtt_client_info) -> mqtt_text {
    look_at(mqtt_text::NONE, client, |client| Some((*client.client_id).into()))
}

/// Its User Name; `data` is NULL if it has none. Thread: in the hook. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_info_user_name(client: *const mqtt_client_info) -> mqtt_text {
    look_at(mqtt_text::NONE, client, |client| Some(client.user_name.as_deref()?.into()))
}

/// The version it speaks: `MQTT_V31`, `MQTT_V311` or `MQTT_V5`. Thread: in the hook. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_info_version(client: *const mqtt_client_info) -> u8 {
    look_at(0, client, |client| Some(client.version.level()))
}

/// Writes its address, `127.0.0.1:40000`, or the one that a trusted proxy has named, to `buffer`, which has room for `capacity` bytes, and
/// its length to `len_out`; 64 bytes are always enough. No NUL is written.
///
/// Returns `MQTT_STATUS_NOT_FOUND` for a client of a Unix socket or within the process,
/// `MQTT_STATUS_LIMIT_REACHED`,
/// writing only the length, if there is too little room. Thread: in the hook. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_info_peer(
    client: *const mqtt_client_info,
    buffer: *mut c_char,
    capacity: usize,
    len_out: *mut usize,
) -> mqtt_status {
    run(|| {
        // SAFETY: it was made from a ClientInfo; the caller promises the rest.
        let (client, out) = unsafe { (borrow(client.cast::<ClientInfo>())?, Out::new(len_out)?) };
        let peer = client.peer.ok_or(Status::NotFound)?.to_string();
        // SAFETY: the caller promises.
        unsafe { write_text(&peer, buffer, capacity, out) }
    })
}

/// The Subject of its certificate, `CN=ada,O=Example`; `data` is NULL if it has shown none.
///
/// Thread: in the hook. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_info_certificate_subject(
    client: *const mqtt_client_info,
) -> mqtt_text {
    look_at(mqtt_text::NONE, client, |client| Some((*client.identity.as_ref()?.subject).into()))
}

/// The Common Name in the Subject of its certificate; `data` is NULL if there is none.
///
/// Thread: in the hook. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_info_certificate_name(
    client: *const mqtt_client_info,
) -> mqtt_text {
    look_at(mqtt_text::NONE, client, |client| {
        Some(client.identity.as_ref()?.common_name.as_deref()?.into())
    })
}

/// Its certificate in DER; `data` is NULL if it has shown none, or if a proxy in front has seen it
/// and told only the names. Thread: in the hook. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_client_info_certificate(
    client: *const mqtt_client_info,
) -> mqtt_bytes {
    look_at(mqtt_bytes::NONE, client, |client| {
        let certificate = &*client.identity.as_ref()?.certificate;
        (!certificate.is_empty()).then(|| certificate.into())
    })
}
