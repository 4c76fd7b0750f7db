//! What must hold for any file of passwords, access rights or configuration, as functions over
//! bytes that panic when it does not. Apart from `tests/oracles`, which need the engine alone.
#![forbid(unsafe_code)]

use std::path::Path;

use libmqtt_runtime::auth::{AclFile, PasswordFile};
use libmqtt_runtime::codec::Version;
use libmqtt_runtime::conf::{Embedded, Settings};
use libmqtt_runtime::{ClientInfo, TopicFilter};

/// A file of passwords that can be read is written as one that reads the same.
pub fn passwords(input: &[u8]) {
    let Ok(file) = PasswordFile::parse(&String::from_utf8_lossy(input)) else { return };
    let text = file.to_string();
    let again = PasswordFile::parse(&text).expect("what was written can be read");
    assert_eq!(again.to_string(), text);
    assert_eq!(again.len(), file.len());
    for name in text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name) {
        assert_eq!(again.contains(name), file.contains(name));
    }
}

/// A configuration is obeyed or refused, and one that is obeyed is so again on top of itself.
pub fn configuration(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if text.contains("include_dir") {
        return; // it would read this machine's files
    }
    let file = Path::new("broker.conf");
    let mut settings = Settings::default();
    match settings.read_text(file, &text, &mut Embedded) {
        Err(error) => assert!(error.to_string().starts_with("broker.conf: line "), "{error}"),
        Ok(()) => {
            let _ = settings.check();
            assert!(settings.anonymous() <= (settings.allow_anonymous != Some(false)));
            let mut again = settings.clone();
            again.read_text(file, &text, &mut Embedded).expect("it was obeyed before");
            assert_eq!(again.config, settings.config);
            assert_eq!(again.policy(), settings.policy());
        }
    }
}

/// Rights are those of a plain reading of the rules, and no name widens them.
///
/// The first lines of the input name a user, a Client Identifier, and a topic; the rest is the file.
pub fn rights(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.splitn(4, '\n');
    let mut next = || lines.next().unwrap_or_default().to_owned();
    let (user, client_id, topic, rules) = (next(), next(), next(), next());
    let Ok(file) = AclFile::parse(&rules) else { return };
    let client = ClientInfo {
        client_id: client_id.as_str().into(),
        user_name: (!user.is_empty()).then(|| user.as_str().into()),
        version: Version::V5,
        peer: None,
        identity: None,
    };
    let (read, write) = (file.may_read(&client, &topic), file.may_write(&client, &topic));
    let plain = Plain { rules: &rules, user: &user, client_id: &client_id };
    assert_eq!((read, write), (plain.may("read", &topic), plain.may("write", &topic)), "{text:?}");
    for filter in filters(&topic) {
        let filter = TopicFilter::new(&filter).map(|filter| filter.filter().to_owned());
        if let Ok(filter) = filter
            && fits(&filter, &topic)
        {
            let may = file.may_subscribe(&client, &filter);
            assert!(may || !read, "{text:?}: {filter:?} would bring {topic:?}");
        }
    }
}

/// Topic Filters that may match a topic.
fn filters(topic: &str) -> Vec<String> {
    let mut filters = vec![topic.to_owned(), "#".into(), format!("{topic}/#")];
    let levels: Vec<&str> = topic.split('/').collect();
    for at in 0..levels.len().min(8) {
        let mut some = levels.clone();
        some[at] = "+";
        filters.push(some.join("/"));
        some[at] = "#";
        filters.push(some[..=at].join("/"));
    }
    filters
}

/// A reader of rules that puts every text together and cares for nothing but being right.
struct Plain<'a> {
    rules: &'a str,
    user: &'a str,
    client_id: &'a str,
}

impl Plain<'_> {
    fn may(&self, wanted: &str, topic: &str) -> bool {
        let own = self.rules("topic");
        let patterns = self.rules("pattern");
        let wild = [self.user, self.client_id].iter().any(|name| name.contains(['+', '#']));
        let grants = |access: &str| access == wanted || access == "readwrite";
        if own.iter().any(|(access, rule)| access == "deny" && fits(rule, topic)) {
            return false;
        }
        if own.iter().any(|(access, rule)| grants(access) && fits(rule, topic)) {
            return true;
        }
        if wild {
            return false;
        }
        let full = |rule: &str| self.expand(rule);
        if patterns.iter().any(|(access, rule)| {
            access == "deny" && full(rule).is_some_and(|(rule, _)| fits(&rule, topic))
        }) {
            return false;
        }
        patterns.iter().any(|(access, rule)| {
            let Some((text, names)) = full(rule) else { return false };
            let slash = names.iter().any(|name| name.contains('/'));
            let dollar = text.starts_with('$') && !rule.starts_with('$');
            grants(access) && !slash && !dollar && fits(&text, topic)
        })
    }

    /// The rules of these lines that are for the client: access and topic.
    fn rules(&self, kind: &str) -> Vec<(String, String)> {
        let mut user = String::new();
        let mut found = Vec::new();
        for line in self.rules.lines().map(str::trim_end).filter(|line| !line.starts_with('#')) {
            let line = line.trim_start_matches(' ');
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let rest = rest.trim_matches(' ');
            if word == "user" {
                user = rest.to_owned();
            } else if word == kind && (kind == "pattern" || user == self.user) {
                let (access, topic) = match rest.split_once(' ') {
                    Some((access, topic)) => (access, topic.trim_matches(' ')),
                    None => ("readwrite", rest),
                };
                found.push((access.to_owned(), topic.to_owned()));
            }
        }
        found
    }

    /// A pattern with its names, and these; none if it wants a name that there is not.
    fn expand(&self, rule: &str) -> Option<(String, Vec<String>)> {
        let (mut text, mut names) = (String::new(), Vec::new());
        let mut rest = rule;
        while let Some(at) = rest.find('%') {
            text.push_str(&rest[..at]);
            let name = match rest[at + 1..].chars().next() {
                Some('c') => self.client_id,
                Some('u') if self.user.is_empty() => return None,
                Some('u') => self.user,
                _ => {
                    text.push('%');
                    rest = &rest[at + 1..];
                    continue;
                }
            };
            text.push_str(name);
            names.push(name.to_owned());
            rest = &rest[at + 2..];
        }
        text.push_str(rest);
        Some((text, names))
    }
}

/// Whether a filter matches a topic. MQTT 5.0 §4.7.
fn fits(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    match (filter.split_once('/'), topic.split_once('/')) {
        _ if filter == "#" => true,
        (None, None) => filter == "+" || filter == topic,
        (Some((first, rest)), None) => rest == "#" && (first == "+" || first == topic),
        (None, Some(_)) => false,
        (Some((first, filter)), Some((level, topic))) => {
            (first == "+" || first == level) && deeper(filter, topic)
        }
    }
}

fn deeper(filter: &str, topic: &str) -> bool {
    // Below the first level `$` means nothing.
    match filter.split_once('/') {
        _ if filter == "#" => true,
        None => !topic.contains('/') && (filter == "+" || filter == topic),
        Some((first, rest)) => match topic.split_once('/') {
            Some((level, topic)) => (first == "+" || first == level) && deeper(rest, topic),
            None => rest == "#" && (first == "+" || first == topic),
        },
    }
}
