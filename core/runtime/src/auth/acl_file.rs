//! A file of access rights in mosquitto's format.
//!
//! `topic [read|write|readwrite|deny] FILTER` grants or denies what the filter matches, to clients
//! without User Name until the first `user NAME`, then to that user. `pattern …` is for everyone,
//! with `%u` and `%c` standing for User Name and Client Identifier. What nothing grants is denied.
//!
//! The first rule that matches decides, in this order: the client's own `deny`s, its own grants,
//! the patterns' `deny`s, the patterns' grants.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use libmqtt_engine::ClientInfo;
use libmqtt_engine::codec::{TopicError, TopicFilter};

use super::acl_match::{Values, covers, matches, overlaps};
use super::user;

/// Who may read and write which topics.
#[derive(Clone, Debug, Default)]
pub struct AclFile {
    /// Of clients without User Name.
    strangers: Rules,
    users: HashMap<Box<str>, Rules>,
    patterns: Rules,
}

#[derive(Clone, Debug, Default)]
struct Rules {
    denied: Vec<Box<str>>,
    granted: Vec<(Box<str>, Access)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Access {
    read: bool,
    write: bool,
}

impl Access {
    const READ: Access = Access { read: true, write: false };
    const WRITE: Access = Access { read: false, write: true };
    const BOTH: Access = Access { read: true, write: true };

    fn includes(self, wanted: Access) -> bool {
        (self.read || !wanted.read) && (self.write || !wanted.write)
    }
}

/// Why a file of access rights cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AclFileError {
    /// The system does not let it be read.
    #[error("cannot read it: {0}")]
    Read(#[from] io::Error),
    /// A line begins with none of the words that there are.
    #[error("line {0}: '{1}' is neither topic, pattern nor user")]
    Word(usize, Box<str>),
    /// A kind of access that there is not.
    #[error("line {0}: '{1}' is neither read, write, readwrite nor deny")]
    Access(usize, Box<str>),
    /// A rule without topic.
    #[error("line {0}: no topic")]
    NoTopic(usize),
    /// `user` without a name.
    #[error("line {0}: no user name")]
    NoUser(usize),
    /// What stands for a topic is no Topic Filter.
    #[error("line {0}, topic '{1}': {2}")]
    Topic(usize, Box<str>, TopicError),
    /// A tab or another control character, which would be taken as part of a name.
    #[error("line {0}: control character (names are separated by spaces)")]
    Control(usize),
}

impl AclFile {
    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Result<AclFile, AclFileError> {
        AclFile::parse(&std::fs::read_to_string(path)?)
    }

    /// Reads the text of a file.
    pub fn parse(text: &str) -> Result<AclFile, AclFileError> {
        let mut file = AclFile::default();
        let mut user: Option<&str> = None;
        for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim_end())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.contains(char::is_control) {
                return Err(AclFileError::Control(number));
            }
            let (word, rest) = split(line.trim_start_matches(' '));
            match word {
                "user" if rest.is_empty() => return Err(AclFileError::NoUser(number)),
                "user" => user = Some(rest),
                "topic" | "pattern" => {
                    let rules = match (word, user) {
                        ("pattern", _) => &mut file.patterns,
                        (_, None) => &mut file.strangers,
                        (_, Some(user)) => file.users.entry(user.into()).or_default(),
                    };
                    rules.add(number, rest)?;
                }
                other => return Err(AclFileError::Word(number, other.into())),
            }
        }
        Ok(file)
    }

    /// Whether messages with this Topic Name may be sent to the client.
    pub fn may_read(&self, client: &ClientInfo, topic: &str) -> bool {
        self.may(client, topic, Access::READ)
    }

    /// Whether the client may publish to this Topic Name.
    pub fn may_write(&self, client: &ClientInfo, topic: &str) -> bool {
        self.may(client, topic, Access::WRITE)
    }

    /// Whether a subscription to this Topic Filter (without `$share` and ShareName) could ever
    /// bring the client a message.
    ///
    /// What it matches beyond the client's rights is not sent: [`AclFile::may_read`] decides about
    /// each topic.
    pub fn may_subscribe(&self, client: &ClientInfo, filter: &str) -> bool {
        let values = values(client);
        let denied = |rule: &str| covers(rule, None, filter);
        let granted = |rule: &str| overlaps(rule, None, filter);
        self.own(client)
            .decide(Access::READ, denied, granted)
            .or_else(|| {
                let denied = |rule: &str| covers(rule, Some(values), filter);
                let granted =
                    |rule: &str| values.are_safe_in(rule) && overlaps(rule, Some(values), filter);
                self.patterns_for(client)?.decide(Access::READ, denied, granted)
            })
            .unwrap_or(false)
    }

    fn may(&self, client: &ClientInfo, topic: &str, access: Access) -> bool {
        let values = values(client);
        let fits = |rule: &str| matches(rule, None, topic);
        self.own(client)
            .decide(access, fits, fits)
            .or_else(|| {
                let fits = |rule: &str| matches(rule, Some(values), topic);
                let granted = |rule: &str| values.are_safe_in(rule) && fits(rule);
                self.patterns_for(client)?.decide(access, fits, granted)
            })
            .unwrap_or(false)
    }

    /// The rules that name the client's user, or those for clients without.
    fn own(&self, client: &ClientInfo) -> &Rules {
        const NONE: &Rules = &Rules { denied: Vec::new(), granted: Vec::new() };
        match user(client) {
            None => &self.strangers,
            Some(user) => self.users.get(user).unwrap_or(NONE),
        }
    }

    /// The patterns, unless a wildcard in a name would turn one of them into something else.
    fn patterns_for(&self, client: &ClientInfo) -> Option<&Rules> {
        (!values(client).have_wildcards()).then_some(&self.patterns)
    }
}

fn values(client: &ClientInfo) -> Values<'_> {
    Values { user: user(client), client_id: &client.client_id }
}

impl Rules {
    /// Adds the rule of a `topic` or `pattern` line.
    fn add(&mut self, number: usize, rule: &str) -> Result<(), AclFileError> {
        let (first, rest) = split(rule);
        let access = match first {
            "" => return Err(AclFileError::NoTopic(number)),
            "deny" => None,
            "read" => Some(Access::READ),
            "write" => Some(Access::WRITE),
            "readwrite" => Some(Access::BOTH),
            _ if rest.is_empty() => Some(Access::BOTH),
            other => return Err(AclFileError::Access(number, other.into())),
        };
        let topic = match (first, rest) {
            // mosquitto takes the word for a topic then and grants it, hardly what was meant.
            ("deny" | "read" | "write" | "readwrite", "") => {
                return Err(AclFileError::NoTopic(number));
            }
            (topic, "") | (_, topic) => topic,
        };
        TopicFilter::new(topic)
            .map_err(|error| AclFileError::Topic(number, topic.into(), error))?;
        match access {
            None => self.denied.push(topic.into()),
            Some(access) => self.granted.push((topic.into(), access)),
        }
        Ok(())
    }

    /// What the first rule that applies says; none: there is no such rule.
    fn decide(
        &self,
        wanted: Access,
        denied: impl Fn(&str) -> bool,
        granted: impl Fn(&str) -> bool,
    ) -> Option<bool> {
        if self.denied.iter().any(|rule| denied(rule)) {
            return Some(false);
        }
        let grants = |(rule, access): &(Box<str>, Access)| access.includes(wanted) && granted(rule);
        self.granted.iter().any(grants).then_some(true)
    }
}

/// The first word, and the rest without the spaces around it.
fn split(text: &str) -> (&str, &str) {
    match text.split_once(' ') {
        Some((word, rest)) => (word, rest.trim_matches(' ')),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use libmqtt_engine::codec::Version;

    use super::*;

    fn client(user: Option<&str>, client_id: &str) -> ClientInfo {
        ClientInfo {
            client_id: client_id.into(),
            user_name: user.map(Into::into),
            version: Version::V5,
            peer: None,
            identity: None,
        }
    }

    /// What a client may do with a topic: read, write, or both.
    fn rights(file: &AclFile, client: &ClientInfo, topic: &str) -> String {
        let read = if file.may_read(client, topic) { "r" } else { "-" };
        let write = if file.may_write(client, topic) { "w" } else { "-" };
        format!("{read}{write}")
    }

    fn check(text: &str, user: Option<&str>, client_id: &str, wanted: &[(&str, &str)]) {
        let (file, client) = (AclFile::parse(text).unwrap(), client(user, client_id));
        for (topic, wanted) in wanted {
            assert_eq!(rights(&file, &client, topic), *wanted, "{text} {client:?} {topic}");
        }
    }

    const TEXT: &str = "\
# strangers
topic read news/#
topic deny news/secret
topic  readwrite  both/words here
 topic write in/+/x

user ada
topic readwrite #
topic deny $SYS/broker/uptime
topic read $SYS/#
topic deny own/secret/#
topic write own/secret/drop

user bob smith
topic read own/bob
pattern write log/%u/%c
pattern read to/%c/#
pattern deny to/%c/hidden
pattern read v%c%u/+
";

    #[test]
    fn own_rules_come_first_and_denials_before_grants() {
        check(
            TEXT,
            None,
            "c1",
            &[
                ("news/today", "r-"),
                ("news", "r-"),
                ("news/secret", "--"),
                ("in/1/x", "-w"),
                ("in/1/2/x", "--"),
                ("own/bob", "--"),
                ("both/words here", "rw"),
                ("to/c1", "r-"),
                ("to/c1/a", "r-"),
                ("to/c1/hidden", "--"),
                ("to/c2/a", "--"),
                ("log//c1", "--"),
                ("$SYS/broker/uptime", "--"),
            ],
        );
        check(
            TEXT,
            Some("ada"),
            "c1",
            &[
                ("news/secret", "rw"),
                ("own/secret/drop", "--"),
                ("to/c1/hidden", "rw"), // her own grant comes before the patterns' denial
                ("$SYS/broker/version", "r-"),
                ("$SYS/broker/uptime", "--"),
                ("$other", "--"),
            ],
        );
        check(
            TEXT,
            Some("bob smith"),
            "c1",
            &[("own/bob", "r-"), ("log/bob smith/c1", "-w"), ("vc1bob smith/x", "r-")],
        );
        check(TEXT, Some("nobody"), "c1", &[("news/today", "--"), ("log/nobody/c1", "-w")]);
        check("", None, "c1", &[("a", "--")]);
    }

    #[test]
    fn a_name_never_widens_a_right() {
        let text = "pattern read a/%u/x\npattern readwrite %c/#\npattern deny a/%c/y\n\
                    pattern read a/#\n";
        for name in ["+", "#", "a+b", "u/#"] {
            check(text, Some(name), "c", &[("a/b/x", "--"), ("c/1", "--"), ("a/+/x", "--")]);
            check(text, Some("u"), name, &[("a/b/x", "--"), ("u/1", "--"), ("a", "--")]);
        }
        let text = "pattern read a/%u/x\npattern readwrite %c/#\npattern deny b/%c/y\n\
                    pattern read b/#\n";
        check(text, Some("u/v"), "c", &[("a/u/v/x", "--"), ("c/1", "rw")]);
        check(text, Some("u"), "c/d", &[("c/d", "--"), ("b/c/d/y", "--"), ("b/c/d/z", "r-")]);
        check(text, Some("u"), "$SYS", &[("$SYS/broker/uptime", "--"), ("b/$SYS/y", "--")]);
        check("pattern read %u%c/#\n", Some(""), "$SYS", &[("$SYS/x", "--")]);
        check("topic read a\npattern read b/%u\n", Some(""), "c", &[("a", "r-"), ("b/", "--")]);
        check("pattern read x%c/#\n", None, "$SYS", &[("x$SYS/x", "r-")]);
        check("pattern read a/%u\n", Some("%c"), "c", &[("a/c", "--"), ("a/%c", "r-")]);
        check("pattern read a/%u/%x%\n", None, "c", &[("a//%x%", "--")]);
        check("topic read a/%c\n", None, "c", &[("a/c", "--"), ("a/%c", "r-")]);
    }

    #[test]
    fn a_subscription_that_could_never_bring_anything_is_denied() {
        let file = AclFile::parse(
            "topic read a/+/c\ntopic deny a/b/c\ntopic deny d/#\ntopic read d/e\n\
             topic write w/#\npattern read to/%c/#\npattern read of/%u\npattern deny to/%c/x\n",
        )
        .unwrap();
        let client = client(None, "c1");
        let check = |filter: &str, wanted| {
            assert_eq!(file.may_subscribe(&client, filter), wanted, "{filter}");
        };
        for filter in ["#", "+/+/+", "a/#", "a/x/c", "a/b/+", "to/c1", "to/+/x", "to/#", "+/c1/#"] {
            check(filter, true);
        }
        for filter in ["a/b/c", "a/b", "d/#", "d/e", "d/+", "w/x", "to/c2/#", "to/c1/x", "of/+"] {
            check(filter, false);
        }
        let file = AclFile::parse("topic read $SYS/#\ntopic deny $SYS/x\n").unwrap();
        for (filter, wanted) in [("#", false), ("+/y", false), ("$SYS/#", true), ("$SYS/x", false)]
        {
            assert_eq!(file.may_subscribe(&client, filter), wanted, "{filter}");
        }
        let file = AclFile::parse("topic deny #\ntopic read $SYS/#\n").unwrap();
        assert!(file.may_subscribe(&client, "$SYS/#"));
    }

    #[test]
    fn errors_name_the_line() {
        let check = |text: &str, message: &str| {
            assert_eq!(AclFile::parse(text).unwrap_err().to_string(), message, "{text}");
        };
        check("\ntopc a", "line 2: 'topc' is neither topic, pattern nor user");
        check("topic", "line 1: no topic");
        check("topic deny", "line 1: no topic");
        check("pattern read ", "line 1: no topic");
        check("user ", "line 1: no user name");
        check("topic rx a", "line 1: 'rx' is neither read, write, readwrite nor deny");
        check("topic\tread a", "line 1: control character (names are separated by spaces)");
        assert!(
            AclFile::parse("topic a/#/b").unwrap_err().to_string().starts_with("line 1, topic")
        );
        for text in ["topic a\r\n", "topic read  a b c ", "topic readwrite read"] {
            assert!(AclFile::parse(text).is_ok(), "{text}");
        }
    }
}
