//! `libmqtt passwd`.

use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use libmqtt_runtime::auth::{PasswordFile, PasswordHash};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::args::{Args, Word};
use crate::exit::{Failure, OTHER};
use crate::signals;

/// What is to be done with the file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Deed {
    /// Give a user a password; none: ask for it. `create`: forget what the file has.
    Set {
        name: String,
        password: Option<String>,
        create: bool,
    },
    Delete(String),
    Upgrade,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Request {
    file: PathBuf,
    deed: Deed,
    rounds: u32,
}

/// Changes a password file.
pub(crate) fn run(words: impl IntoIterator<Item = OsString>) -> Result<(), Failure> {
    let Request { file: path, deed, rounds } = parse(words)?;
    let wrong =
        |error: &dyn core::fmt::Display| Failure::usage(format!("{}: {error}", path.display()));
    let text = match &deed {
        Deed::Set { create: true, .. } => String::new(),
        _ => std::fs::read_to_string(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => wrong(&"no such file (-c creates it)"),
            _ => wrong(&error),
        })?,
    };
    let file = match deed {
        Deed::Upgrade => PasswordFile::upgrade(&text, rounds).map_err(|error| wrong(&error))?,
        Deed::Set { name, password, .. } => {
            let mut file = PasswordFile::parse(&text).map_err(|error| wrong(&error))?;
            let password = match password {
                Some(password) => password,
                None => ask()?,
            };
            file.set(&name, password.as_bytes(), rounds)
                .map_err(|error| Failure::usage(error.to_string()))?;
            file
        }
        Deed::Delete(name) => {
            let mut file = PasswordFile::parse(&text).map_err(|error| wrong(&error))?;
            if !file.remove(&name) {
                return Err(wrong(&format_args!("has no user '{name}'")));
            }
            file
        }
    };
    replace(&path, &file.to_string()).map_err(|error| wrong(&error))
}

fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Request, Failure> {
    let mut args = Args::new(words);
    let (mut create, mut batch, mut delete, mut upgrade) = (false, false, false, false);
    let mut rounds = PasswordHash::ROUNDS;
    let mut operands: Vec<OsString> = Vec::new();
    while let Some(word) = args.next()? {
        match &word {
            Word::Option(option) => match option.as_str() {
                "-b" => batch = true,
                "-c" => create = true,
                "-D" => delete = true,
                "-U" => upgrade = true,
                "-I" => rounds = args.number(1..=10_000_000)?,
                "-H" => match args.text()?.as_str() {
                    "sha512-pbkdf2" => {}
                    other => {
                        return Err(args.wrong(format!(
                            "'{other}' is not supported; only sha512-pbkdf2 is strong enough"
                        )));
                    }
                },
                _ => return Err(word.unknown()),
            },
            Word::Operand(operand) => operands.push(operand.clone()),
        }
    }
    if usize::from(create || batch) + usize::from(delete) + usize::from(upgrade) > 1 {
        return Err(Failure::usage("-D and -U stand alone, without -b and -c"));
    }
    let wanted: &[&str] = match (upgrade, batch) {
        (true, _) => &["FILE"],
        (_, true) => &["FILE", "USER", "PASSWORD"],
        _ => &["FILE", "USER"],
    };
    if operands.len() != wanted.len() {
        return Err(Failure::usage(format!("wants {} and nothing more", wanted.join(" "))));
    }
    let mut operands = operands.into_iter();
    let file = operands.next().map(PathBuf::from).unwrap_or_default();
    let mut text = || match operands.next().map(OsString::into_string) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text)),
        Some(Err(_)) => Err(Failure::usage("user name or password is not UTF-8")),
    };
    let (name, password) = (text()?.unwrap_or_default(), text()?);
    let deed = match (upgrade, delete) {
        (true, _) => Deed::Upgrade,
        (_, true) => Deed::Delete(name),
        _ => Deed::Set { name, password, create },
    };
    Ok(Request { file, deed, rounds })
}

/// Puts a new file in the place of the old one, in one step. A new file can be read by its owner
/// alone; one that was there keeps its owner, group and mode, or the broker might lose it.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = match std::fs::canonicalize(path) {
        // A link stays a link.
        Ok(real) => real,
        Err(_) => path.to_owned(),
    };
    let directory = match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    // Created with mode 0600.
    let mut file = tempfile::Builder::new().prefix(".passwd").tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    if let Ok(old) = std::fs::metadata(&path) {
        let new = file.as_file().metadata()?;
        if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
            fchown(file.as_file(), Some(old.uid()), Some(old.gid()))?;
        }
        file.as_file().set_permissions(PermissionsExt::from_mode(old.mode() & 0o7777))?;
    }
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    Ok(())
}

/// Reads a password from standard input: twice and unseen from a terminal, else one line.
fn ask() -> Result<String, Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return read_line(&mut stdin.lock());
    }
    let unseen = Unseen::begin().map_err(Failure::from)?;
    let prompt = |text: &str| -> Result<String, Failure> {
        let mut err = io::stderr().lock();
        write!(err, "{text}")?;
        let line = read_line(&mut io::stdin().lock());
        writeln!(err)?;
        line
    };
    let password = prompt("Password: ")?;
    let again = prompt("Reenter password: ")?;
    drop(unseen);
    if password != again {
        return Err(Failure::new(OTHER, "the passwords are not the same"));
    }
    Ok(password)
}

fn read_line(from: &mut impl BufRead) -> Result<String, Failure> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err(Failure::new(OTHER, "no password was given"));
    }
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}

/// The terminal without echo, until it is dropped or the user gives up with SIGINT.
struct Unseen(Termios);

impl Unseen {
    fn begin() -> io::Result<Unseen> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        let restore = Unseen(before.clone());
        signals::watch_end(move |_| {
            drop(Unseen(before.clone()));
            std::process::exit(i32::from(OTHER));
        })?;
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(restore)
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // The terminal may have gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::words;

    #[test]
    fn deeds_are_read() {
        let check = |line: &str, deed: Deed| {
            let request = parse(words(line)).unwrap();
            assert_eq!((request.file.to_str(), request.deed), (Some("f"), deed), "{line}");
        };
        let set = |password: Option<&str>, create| Deed::Set {
            name: "joe".into(),
            password: password.map(str::to_owned),
            create,
        };
        check("f joe", set(None, false));
        check("-c f joe", set(None, true));
        check("-b f joe pw", set(Some("pw"), false));
        check("-c -b f joe ''", set(Some(""), true));
        check("-cb -H sha512-pbkdf2 -I 5 f joe pw", set(Some("pw"), true));
        check("-D f joe", Deed::Delete("joe".into()));
        check("-U f", Deed::Upgrade);
    }

    #[test]
    fn mistakes_are_named() {
        let check = |line: &str, wanted: &str| {
            let message = parse(words(line)).unwrap_err().message;
            assert!(message.contains(wanted), "{line}: {message}");
        };
        check("", "wants FILE USER and nothing more");
        check("f", "wants FILE USER and nothing more");
        check("f joe pw", "wants FILE USER and nothing more");
        check("-b f joe", "wants FILE USER PASSWORD and nothing more");
        check("-U f joe", "wants FILE and nothing more");
        check("-D -c f joe", "-D and -U stand alone");
        check("-H sha512 f joe", "'sha512' is not supported");
        check("-I 0 f joe", "'0' is not a number");
        check("-x f joe", "unknown option '-x'");
    }

    fn change(line: &str, file: &Path) -> Result<(), Failure> {
        run(words(&line.replace('F', file.to_str().unwrap())))
    }

    #[test]
    fn a_file_is_made_changed_and_emptied() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("users");
        let missing = change("-b -I 2 F joe pw", &file).unwrap_err().message;
        assert!(missing.ends_with("no such file (-c creates it)"), "{missing}");
        change("-c -b -I 2 F joe pw", &file).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
        change("-b -I 2 F jim pw2", &file).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o640);
        let users = PasswordFile::read(&file).unwrap();
        assert!(users.verify("joe", b"pw") && users.verify("jim", b"pw2"));
        change("-D F joe", &file).unwrap();
        assert!(change("-D F joe", &file).unwrap_err().message.ends_with("has no user 'joe'"));
        let users = PasswordFile::read(&file).unwrap();
        assert!(!users.contains("joe") && users.contains("jim"));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_plain_file_is_upgraded_and_a_damaged_one_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("users");
        std::fs::write(&file, "joe:secret\njim:other\n").unwrap();
        assert!(change("-b -I 2 F joe pw", &file).unwrap_err().message.contains("not hashed"));
        change("-U -I 2 F", &file).unwrap();
        assert!(PasswordFile::read(&file).unwrap().verify("jim", b"other"));
        std::fs::write(&file, "joe\n").unwrap();
        assert!(change("-U F", &file).unwrap_err().message.contains("line 1: no ':'"));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "joe\n");
    }
}
