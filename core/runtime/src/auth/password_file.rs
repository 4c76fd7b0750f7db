//! A file of users and passwords in mosquitto's format.
//!
//! One `name:hash` a line; empty lines and lines that start with `#` are kept as they are.

use core::fmt;
use std::collections::HashMap;
use std::io;
use std::path::Path;

use super::{HashError, PasswordHash};

/// Users and their hashed passwords.
#[derive(Clone, Debug, Default)]
pub struct PasswordFile {
    lines: Vec<Line>,
    /// Name to place in `lines`.
    users: HashMap<Box<str>, usize>,
    /// Rounds that a check usually takes: those of the costliest entry.
    rounds: u32,
}

#[derive(Clone, Debug)]
enum Line {
    User(Box<str>, PasswordHash),
    /// A comment or an empty line.
    Other(Box<str>),
    /// A user that was removed.
    Gone,
}

/// Why a password file cannot be used or changed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordFileError {
    /// The system does not let it be read.
    #[error("cannot read it: {0}")]
    Read(#[from] io::Error),
    /// A line has no colon.
    #[error("line {0}: no ':' between user name and password")]
    NoColon(usize),
    /// A user stands twice in it.
    #[error("line {0}: user '{1}' stands here again")]
    Twice(usize, Box<str>),
    /// A user's password cannot be read.
    #[error("line {0}, user '{1}': {2}")]
    Hash(usize, Box<str>, HashError),
    /// The name cannot stand in such a file.
    #[error("user name {0:?} is empty, too long or has a ':' or a control character")]
    Name(Box<str>),
    /// No hash can be made.
    #[error(transparent)]
    New(#[from] HashError),
}

impl PasswordFile {
    /// No user yet.
    pub fn new() -> PasswordFile {
        PasswordFile::default()
    }

    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Result<PasswordFile, PasswordFileError> {
        PasswordFile::parse(&std::fs::read_to_string(path)?)
    }

    /// Reads the text of a file whose passwords are hashed.
    pub fn parse(text: &str) -> Result<PasswordFile, PasswordFileError> {
        PasswordFile::fill(text, PasswordHash::parse)
    }

    /// Reads the text of a file some or all of whose passwords are plain, and hashes those.
    pub fn upgrade(text: &str, rounds: u32) -> Result<PasswordFile, PasswordFileError> {
        PasswordFile::fill(text, |password| match PasswordHash::parse(password) {
            Err(HashError::Plain) => PasswordHash::new(password.as_bytes(), rounds),
            hashed => hashed,
        })
    }

    fn fill(
        text: &str,
        hash: impl Fn(&str) -> Result<PasswordHash, HashError>,
    ) -> Result<PasswordFile, PasswordFileError> {
        let mut file = PasswordFile::new();
        for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
            if line.trim().is_empty() || line.starts_with('#') {
                // An end of line of another system is not kept: it gets one of its own.
                file.lines.push(Line::Other(line.trim_end_matches('\r').into()));
                continue;
            }
            let (name, password) =
                line.split_once(':').ok_or(PasswordFileError::NoColon(number))?;
            check_name(name)?;
            if file.users.contains_key(name) {
                return Err(PasswordFileError::Twice(number, name.into()));
            }
            let hash = hash(password.trim_end())
                .map_err(|error| PasswordFileError::Hash(number, name.into(), error))?;
            file.insert(name, hash);
        }
        Ok(file)
    }

    /// Whether such a user has this password. Takes about as long for a user that is not there.
    pub fn verify(&self, name: &str, password: &[u8]) -> bool {
        match self.users.get(name).map(|&at| &self.lines[at]) {
            Some(Line::User(_, hash)) => hash.verify(password),
            _ => {
                let decoy = PasswordHash::new(password, self.rounds.max(1));
                let _: Result<PasswordHash, HashError> = decoy;
                false
            }
        }
    }

    /// Whether there is such a user.
    pub fn contains(&self, name: &str) -> bool {
        self.users.contains_key(name)
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there is no user.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Adds a user, or gives one a new password.
    pub fn set(
        &mut self,
        name: &str,
        password: &[u8],
        rounds: u32,
    ) -> Result<(), PasswordFileError> {
        check_name(name)?;
        self.insert(name, PasswordHash::new(password, rounds)?);
        Ok(())
    }

    /// Removes a user; whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let at = self.users.remove(name);
        if let Some(at) = at {
            self.lines[at] = Line::Gone;
        }
        at.is_some()
    }

    fn insert(&mut self, name: &str, hash: PasswordHash) {
        self.rounds = self.rounds.max(hash.rounds().unwrap_or(0));
        let line = Line::User(name.into(), hash);
        match self.users.get(name) {
            Some(&at) => self.lines[at] = line,
            None => {
                self.users.insert(name.into(), self.lines.len());
                self.lines.push(line);
            }
        }
    }
}

fn check_name(name: &str) -> Result<(), PasswordFileError> {
    let bad = name.is_empty()
        || name.len() > usize::from(u16::MAX)
        || name.contains(|c: char| c == ':' || c.is_control())
        || name.starts_with('#');
    if bad { Err(PasswordFileError::Name(name.into())) } else { Ok(()) }
}

/// The text of the file.
impl fmt::Display for PasswordFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            match line {
                Line::User(name, hash) => writeln!(f, "{name}:{hash}")?,
                Line::Other(text) => writeln!(f, "{text}")?,
                Line::Gone => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made by mosquitto_passwd 2.0.11.
    const TEXT: &str = "\
# who may
u1:$7$101$cCykYhoSq8PlbnOt$alKFjLC5k+2/DTuHI4yH4uN6kBzgGfV0dJJdU7Sy5g5NtPWAJZEUsBxOAe0RL+RBSRhZ7YcQ9feILDAstuKdqA==

u2:$7$101$pPmJnyBNgjMa5OBa$elfhoiftycAZBxLQBnVYut7QBgtV9hmL5sJxX216xRe4Y+eSNIssUhKnh/XCFa7qG96ODJi+oVze+/9JuW3MaQ==
u3:$6$8hV8YTV0qnJ7HNfk$oN8dCez5JUxsyU9AwDbuH/06U9FNAtwKrpQt4jr+t9hqPlUH7H4GDmXIjH3tFmd49q4T7gt8ah4EyNUbhaKP0w==
";

    #[test]
    fn each_user_has_one_password() {
        let file = PasswordFile::parse(TEXT).unwrap();
        assert_eq!(file.len(), 3);
        let check = |name, password: &str, right| {
            assert_eq!(file.verify(name, password.as_bytes()), right, "{name} {password}");
        };
        check("u1", "pw1", true);
        check("u2", "päss word", true);
        check("u3", "pw3", true);
        check("u1", "pw3", false);
        check("u1", "", false);
        check("u4", "pw1", false);
        check("", "", false);
        check("# who may", "", false);
    }

    #[test]
    fn what_is_not_changed_stays_as_it_was() {
        let mut file = PasswordFile::parse(TEXT).unwrap();
        assert_eq!(file.to_string(), TEXT);
        assert!(file.remove("u2") && !file.remove("u2"));
        file.set("u4", b"new", 2).unwrap();
        file.set("u1", b"other", 2).unwrap();
        assert!(file.verify("u1", b"other") && !file.verify("u1", b"pw1"));
        let text = file.to_string();
        let starts: Vec<&str> = text.lines().map(|line| &line[..line.len().min(5)]).collect();
        assert_eq!(starts, ["# who", "u1:$7", "", "u3:$6", "u4:$7"]);
        assert!(PasswordFile::parse(&text).unwrap().verify("u4", b"new"));
    }

    #[test]
    fn ends_of_lines_become_one_kind() {
        let text = "# a\r\n\r\n# b\r\r\n# c\r";
        assert_eq!(PasswordFile::parse(text).unwrap().to_string(), "# a\n\n# b\n# c\n");
    }

    #[test]
    fn a_plain_file_is_hashed() {
        let text = format!("a:plain\nb:two:colons\n#c\n{}", TEXT.lines().nth(1).unwrap());
        let file = PasswordFile::upgrade(&text, 2).unwrap();
        assert!(file.verify("a", b"plain") && file.verify("b", b"two:colons"));
        assert!(file.verify("u1", b"pw1"));
        assert!(PasswordFile::parse(&file.to_string()).is_ok());
    }

    #[test]
    fn errors_name_line_and_user() {
        let check = |text: &str, message: &str| {
            assert_eq!(PasswordFile::parse(text).unwrap_err().to_string(), message);
        };
        check("\njoe\n", "line 2: no ':' between user name and password");
        check("joe:secret", "line 1, user 'joe': password is not hashed");
        check("joe:$7$1$AA==$AA==", "line 1, user 'joe': hashed password is damaged");
        let twice = TEXT.replace("u3:", "u1:");
        check(&twice, "line 5: user 'u1' stands here again");
    }

    #[test]
    fn names_that_would_break_the_file_are_refused() {
        for name in ["", "a:b", "a\nb", "#a"] {
            assert!(PasswordFile::new().set(name, b"x", 1).is_err(), "{name:?}");
        }
    }
}
