//! Rust source taken apart: code, comments and strings, and the paths in the code.

/// A Rust file as three texts of the same shape: what belongs to the other two is blank in each,
/// so that lines keep their numbers.
#[derive(Clone, Debug)]
pub struct Rust {
    /// The code, without comments and without what stands in string and character literals.
    pub code: String,
    /// The comments, doc comments included.
    pub comments: String,
    /// What stands in string literals.
    pub strings: String,
}

/// A word or a mark of the code, and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// An identifier, a number, `::`, or one other character.
    pub text: String,
    /// The line, from 1.
    pub line: usize,
}

/// A path such as `std::net::TcpStream`, `use` groups multiplied out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Its segments; `*` for a glob.
    pub segments: Vec<String>,
    /// The line of the last one.
    pub line: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Str,
}

impl Rust {
    /// Takes source apart.
    pub fn new(source: &str) -> Rust {
        let chars: Vec<char> = source.chars().collect();
        let mut kinds = vec![Kind::Code; chars.len()];
        let mut at = 0;
        while at < chars.len() {
            let (end, kind) = piece(&chars, at);
            kinds[at..end].fill(kind);
            at = end;
        }
        let only = |wanted: Kind| {
            let pick = |(&c, &k): (&char, &Kind)| if c == '\n' || k == wanted { c } else { ' ' };
            chars.iter().zip(&kinds).map(pick).collect()
        };
        Rust { code: only(Kind::Code), comments: only(Kind::Comment), strings: only(Kind::Str) }
    }

    /// The code, word by word.
    pub fn tokens(&self) -> Vec<Token> {
        let mut tokens: Vec<Token> = Vec::new();
        for (line, text) in self.code.lines().enumerate() {
            let mut rest = text.trim_start();
            while let Some(first) = rest.chars().next() {
                let word = |c: char| c.is_alphanumeric() || c == '_';
                let length = if word(first) {
                    rest.find(|c| !word(c)).unwrap_or(rest.len())
                } else if rest.starts_with("::") {
                    2
                } else {
                    first.len_utf8()
                };
                tokens.push(Token { text: rest[..length].to_owned(), line: line + 1 });
                rest = rest[length..].trim_start();
            }
        }
        tokens
    }

    /// Every path in the code that begins with this crate or module.
    pub fn paths(&self, from: &str) -> Vec<Path> {
        let tokens = self.tokens();
        let text = |i: usize| tokens.get(i).map_or("", |t| t.text.as_str());
        let mut found = Vec::new();
        for i in (0..tokens.len()).filter(|&i| text(i) == from) {
            let inner =
                i > 1 && text(i - 1) == "::" && text(i - 2).starts_with(char::is_alphabetic);
            if !inner && ["::", "as"].contains(&text(i + 1)) {
                spread(&tokens, i, &[], &mut found);
            }
        }
        found
    }
}

/// Multiplies out the path at `at`, and says where it ends.
fn spread(tokens: &[Token], mut at: usize, before: &[String], found: &mut Vec<Path>) -> usize {
    let mut segments = before.to_vec();
    while let Some(token) = tokens.get(at) {
        if token.text == "{" {
            at += 1;
            while tokens.get(at).is_some_and(|t| t.text != "}") {
                let end = spread(tokens, at, &segments, found);
                at = if end == at { end + 1 } else { end };
                if tokens.get(at).is_some_and(|t| t.text == ",") {
                    at += 1;
                }
            }
            return at + 1;
        }
        let named =
            token.text == "*" || token.text.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if !named {
            break;
        }
        segments.push(token.text.clone());
        at += 1;
        match tokens.get(at).map(|t| t.text.as_str()) {
            Some("::") => at += 1,
            next => {
                if next == Some("as") {
                    at += 2;
                }
                break;
            }
        }
    }
    if segments.len() > before.len() {
        found.push(Path { segments, line: tokens[at.min(tokens.len()) - 1].line });
    }
    at
}

/// Where the piece of source at `at` ends, and what it is.
fn piece(chars: &[char], at: usize) -> (usize, Kind) {
    let is = |i: usize, c: char| chars.get(i) == Some(&c);
    let word = |i: usize| chars.get(i).is_some_and(|c| c.is_alphanumeric() || *c == '_');
    let find = |from: usize, c: char| (from..chars.len()).find(|&i| is(i, c));
    if is(at, '/') && is(at + 1, '/') {
        return (find(at, '\n').unwrap_or(chars.len()), Kind::Comment);
    }
    if is(at, '/') && is(at + 1, '*') {
        let (mut depth, mut i) = (1, at + 2);
        while depth > 0 && i < chars.len() {
            match (chars[i], chars.get(i + 1)) {
                ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
                ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
                _ => i += 1,
            }
        }
        return (i, Kind::Comment);
    }
    if is(at, '"') {
        let mut i = at + 1;
        while i < chars.len() && chars[i] != '"' {
            i += if chars[i] == '\\' { 2 } else { 1 };
        }
        return ((i + 1).min(chars.len()), Kind::Str);
    }
    if is(at, '\'') {
        if is(at + 1, '\\') {
            return (find(at + 3, '\'').map_or(chars.len(), |i| i + 1), Kind::Str);
        }
        return if is(at + 2, '\'') { (at + 3, Kind::Str) } else { (at + 1, Kind::Code) };
    }
    if is(at, 'r') && (at == 0 || !word(at - 1) || is(at - 1, 'b') || is(at - 1, 'c')) {
        let hashes = (at + 1..chars.len()).take_while(|&i| is(i, '#')).count();
        if is(at + 1 + hashes, '"') {
            let closes = |i: usize| is(i, '"') && (1..=hashes).all(|h| is(i + h, '#'));
            let end = (at + 2 + hashes..chars.len()).find(|&i| closes(i));
            return (end.map_or(chars.len(), |i| i + 1 + hashes), Kind::Str);
        }
    }
    (at + 1, Kind::Code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_not_code() {
        let rust =
            Rust::new("a /* b /* c */ \" */ d // e\n\"f \\\" g\" h r#\"i \" j\"# k '\"' l 'm n");
        let words: Vec<_> = rust.tokens().into_iter().map(|t| (t.text, t.line)).collect();
        let expected =
            [("a", 1), ("d", 1), ("h", 2), ("k", 2), ("l", 2), ("'", 2), ("m", 2), ("n", 2)];
        assert_eq!(words, expected.map(|(t, l)| (t.to_owned(), l)));
        assert!(rust.comments.contains("// e") && rust.comments.contains("/* c */"));
        assert!(rust.strings.contains("i \" j") && !rust.strings.contains('h'));
    }

    #[test]
    fn grouped_paths_are_multiplied_out() {
        let rust =
            Rust::new("use std::{\n fmt::{self, Debug as D},\n net::*,\n};\nlet x: std::fs::File;");
        let paths: Vec<_> = rust.paths("std").into_iter().map(|p| p.segments.join("::")).collect();
        assert_eq!(paths, ["std::fmt::self", "std::fmt::Debug", "std::net::*", "std::fs::File"]);
        assert_eq!(rust.paths("std").last().map(|p| p.line), Some(5));
        assert!(Rust::new("my::std::net::x").paths("std").is_empty());
        assert_eq!(Rust::new("use std as s;").paths("std")[0].segments, ["std"]);
    }
}
