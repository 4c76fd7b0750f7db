//! Topics and filters against the rules of a file of access rights.
//!
//! A rule is a Topic Filter in which `%u` and `%c` may stand for values. They are compared piece
//! by piece: no text is put together for a message.

/// What `%u` and `%c` stand for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    pub(super) user: Option<&'a str>,
    pub(super) client_id: &'a str,
}

impl<'a> Values<'a> {
    /// Whether one of them has a wildcard.
    pub(super) fn have_wildcards(&self) -> bool {
        let wild = |value: &str| value.contains(['+', '#']);
        wild(self.client_id) || self.user.is_some_and(wild)
    }

    /// Whether they keep to the place that a rule gives them: no `/` to reach into another level,
    /// no `$` to reach from the clients' topics into the broker's.
    pub(super) fn are_safe_in(&self, rule: &str) -> bool {
        let mut pieces = Pieces { rest: rule, values: *self };
        let mut start = true;
        loop {
            match pieces.next() {
                None => return true,
                Some(Piece::Missing) => return false,
                Some(Piece::Text("")) => {}
                Some(Piece::Text(_)) => start = false,
                Some(Piece::Value(value)) => {
                    if value.contains('/') || (start && value.starts_with('$')) {
                        return false;
                    }
                    start &= value.is_empty();
                }
            }
        }
    }
}

/// A rule's text and the values in it, one after the other.
struct Pieces<'a> {
    rest: &'a str,
    values: Values<'a>,
}

enum Piece<'a> {
    Text(&'a str),
    Value(&'a str),
    /// `%u` for a client without User Name.
    Missing,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let value = match self.rest.as_bytes() {
            [b'%', b'c', ..] => Some(Piece::Value(self.values.client_id)),
            [b'%', b'u', ..] => Some(self.values.user.map_or(Piece::Missing, Piece::Value)),
            _ => None,
        };
        if let Some(value) = value {
            self.rest = &self.rest[2..];
            return Some(value);
        }
        // A '%' that begins no value is text.
        let next = self.rest.char_indices().skip(1).find(|&(_, char)| char == '%');
        let (text, rest) = self.rest.split_at(next.map_or(self.rest.len(), |(at, _)| at));
        self.rest = rest;
        Some(Piece::Text(text))
    }
}

/// Whether a rule's level, with values if there are any, is this text.
fn is(level: &str, values: Option<Values<'_>>, text: &str) -> bool {
    let Some(values) = values.filter(|_| level.contains('%')) else { return level == text };
    let mut rest = text;
    for piece in (Pieces { rest: level, values }) {
        let (Piece::Text(piece) | Piece::Value(piece)) = piece else { return false };
        match rest.strip_prefix(piece) {
            Some(more) => rest = more,
            None => return false,
        }
    }
    rest.is_empty()
}

/// Whether a rule matches a Topic Name. Without values, `%u` and `%c` are text.
pub(super) fn matches(rule: &str, values: Option<Values<'_>>, topic: &str) -> bool {
    // A value with a '/' is more than one level: only denials come here with such.
    if let Some(values) = values
        && rule.contains('%')
        && (values.client_id.contains('/') || values.user.is_some_and(|user| user.contains('/')))
    {
        return expand(rule, values).is_some_and(|rule| matches(&rule, None, topic));
    }
    if topic.starts_with('$') && rule.starts_with(['+', '#']) {
        return false;
    }
    let (mut rule, mut topic) = (rule.split('/'), topic.split('/'));
    loop {
        match (rule.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(level), Some(text)) if is(level, values, text) => {}
            _ => return false,
        }
    }
}

fn expand(rule: &str, values: Values<'_>) -> Option<String> {
    let mut text = String::new();
    for piece in (Pieces { rest: rule, values }) {
        let (Piece::Text(piece) | Piece::Value(piece)) = piece else { return None };
        text.push_str(piece);
    }
    Some(text)
}

/// Whether some topic matches both the rule and a Topic Filter.
pub(super) fn overlaps(rule: &str, values: Option<Values<'_>>, filter: &str) -> bool {
    if hidden(rule, filter) || hidden(filter, rule) {
        return false;
    }
    let (mut rule, mut filter) = (rule.split('/'), filter.split('/'));
    loop {
        match (rule.next(), filter.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some("+"), Some(_)) | (Some(_), Some("+")) => {}
            (Some(level), Some(text)) if is(level, values, text) => {}
            _ => return false,
        }
    }
}

/// Whether the rule matches every topic that a Topic Filter does.
pub(super) fn covers(rule: &str, values: Option<Values<'_>>, filter: &str) -> bool {
    if hidden(rule, filter) {
        return false;
    }
    let (mut rule, mut filter) = (rule.split('/'), filter.split('/'));
    loop {
        match (rule.next(), filter.next()) {
            (Some("#"), _) | (None, None) => return true,
            (_, Some("#")) => return false,
            (Some("+"), Some(_)) => {}
            (_, Some("+")) => return false,
            (Some(level), Some(text)) if is(level, values, text) => {}
            _ => return false,
        }
    }
}

/// Whether the first level of one is a wildcard, which topics of the broker are hidden from, and
/// the other is about those. MQTT 5.0 §4.7.2.
fn hidden(wild: &str, other: &str) -> bool {
    wild.starts_with(['+', '#']) && other.starts_with('$')
}
