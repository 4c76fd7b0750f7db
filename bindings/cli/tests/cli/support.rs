//! Running the built command, and waiting for what it prints, never for time to pass.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything here takes; a test that waits this long has failed.
const TOO_LONG: Duration = Duration::from_secs(60);

/// A running command. It is killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

/// How a command has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Starts `libmqtt` with these words (`words` is split at spaces, `more` is not).
pub(crate) fn start(words: &str, more: &[&str]) -> Running {
    let mut child = Command::new(env!("CARGO_BIN_EXE_libmqtt"))
        .args(words.split_whitespace())
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Running {
        stdin: child.stdin.take(),
        stdout: lines(child.stdout.take().unwrap()),
        stderr: lines(child.stderr.take().unwrap()),
        child,
    }
}

/// Runs `libmqtt` with these words to its end.
pub(crate) fn run(words: &str, more: &[&str]) -> Ended {
    start(words, more).end()
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = channel();
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if tell.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return; // drops the pipe, as a reader does that has seen enough
            }
            line.clear();
        }
    });
    told
}

impl Running {
    /// The next line of standard output, without its end.
    pub(crate) fn line(&self) -> String {
        let line = self.stdout.recv_timeout(TOO_LONG).expect("a line of output");
        line.trim_end_matches('\n').to_owned()
    }

    /// Waits for a line of standard error with this text.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        loop {
            let line = self.stderr.recv_timeout(TOO_LONG).unwrap_or_else(|_| panic!("no '{text}'"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Writes to its standard input and closes that.
    pub(crate) fn input(mut self, bytes: &[u8]) -> Running {
        self.stdin.take().unwrap().write_all(bytes).unwrap();
        self
    }

    /// Writes to its standard input, which stays open.
    pub(crate) fn write(mut self, bytes: &[u8]) -> Running {
        self.stdin.as_mut().unwrap().write_all(bytes).unwrap();
        self
    }

    /// Reads no more of its output.
    pub(crate) fn close_output(&mut self) {
        self.stdout = channel().1;
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end, with nothing more to read for it.
    pub(crate) fn end(mut self) -> Ended {
        drop(self.stdin.take());
        self.end_with_open_input()
    }

    /// Waits for its end.
    pub(crate) fn end_with_open_input(mut self) -> Ended {
        let gather = |from: &Receiver<String>| -> String {
            let mut text = String::new();
            loop {
                match from.recv_timeout(TOO_LONG) {
                    Ok(line) => text.push_str(&line),
                    Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return text,
                    Err(_) => panic!("the command goes on for too long: {text}"),
                }
            }
        };
        let stderr = gather(&self.stderr);
        let stdout = gather(&self.stdout);
        Ended { code: self.child.wait().unwrap().code(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Checks that it has ended well, in silence.
    pub(crate) fn fine(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{}", self.stdout);
        self.stdout
    }

    /// Checks its exit code, and that it said why in one line with this text.
    pub(crate) fn failed(self, code: i32, text: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.contains(text), "{text}: {self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        assert!(self.stderr.starts_with("libmqtt"), "{self:?}");
    }
}

/// A broker on a port of its own.
pub(crate) struct Broker {
    pub(crate) running: Running,
    pub(crate) port: u16,
}

impl Broker {
    /// With these options, on loopback.
    pub(crate) fn start(options: &str, more: &[&str]) -> Broker {
        Broker::on(start(&format!("broker {options}"), more))
    }

    /// An ordinary one with two shards.
    pub(crate) fn plain() -> Broker {
        Broker::start("-p 0 --shards 2", &[])
    }

    fn on(running: Running) -> Broker {
        let line = running.line();
        let address = line.strip_prefix("listening on ").expect(&line);
        let port = address.rsplit(':').next().unwrap().parse().unwrap();
        Broker { running, port }
    }

    /// A subscriber that has been granted what it asks for.
    pub(crate) fn sub(&self, options: &str, more: &[&str]) -> Running {
        let running = start(&format!("sub -d -h 127.0.0.1 -p {} {options}", self.port), more);
        running.wait_for("subscribed to");
        running
    }

    /// `libmqtt sub` to its end.
    pub(crate) fn run_sub(&self, options: &str, more: &[&str]) -> Ended {
        run(&format!("sub -h 127.0.0.1 -p {} {options}", self.port), more)
    }

    /// `libmqtt pub` to its end.
    pub(crate) fn publish(&self, options: &str, more: &[&str]) -> Ended {
        run(&format!("pub -h 127.0.0.1 -p {} {options}", self.port), more)
    }
}

/// A file in a directory of its own.
pub(crate) fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, text).unwrap();
    (directory, path)
}

/// A path as a word.
pub(crate) fn word(path: &Path) -> &str {
    path.to_str().unwrap()
}
