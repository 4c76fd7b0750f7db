//! Models of what threads hand to each other, tried by loom in every order in which they can take
//! turns: `RUSTFLAGS="--cfg loom" cargo test -p libmqtt-runtime --lib models`.
//!
//! Nobody's wait times out in a model, so a wake-up that is lost shows: the threads then wait for
//! each other for ever, and loom says so.

use std::io;

use libmqtt_locks::{Condvar, Mutex, PoisonError};

/// The end of a poll that other threads have, and the poll too.
pub(crate) struct Waker {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl From<libmqtt_net::Waker> for Waker {
    fn from(_: libmqtt_net::Waker) -> Waker {
        unreachable!("a model has no sockets")
    }
}

impl Waker {
    pub(crate) fn new() -> Waker {
        Waker { woken: Mutex::new(false), changed: Condvar::new() }
    }

    pub(crate) fn wake(&self) -> io::Result<()> {
        *self.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
        Ok(())
    }

    /// What a loop does in `Poll::wait`.
    #[cfg(test)]
    pub(crate) fn sleep(&self) {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        while !*woken {
            woken = self.changed.wait(woken).unwrap_or_else(PoisonError::into_inner);
        }
        *woken = false;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;
    use std::time::Duration;

    use libmqtt_engine::client::{ClientConfig, Event};
    use loom::thread;

    use super::*;
    use crate::client::{ClientError, Control, Core, Drive, Driver};
    use crate::clock::Clock;
    use crate::inbox::Inbox;

    /// What a loop's thread does: takes, and sleeps when there was nothing.
    fn take<T>(inbox: &Inbox<T>, items: &mut Vec<T>) {
        items.clear();
        inbox.take(items, true);
        if items.is_empty() {
            inbox.sleep();
            inbox.awake();
        }
    }

    #[test]
    fn a_loop_is_woken_for_everything_that_is_left_for_it() {
        loom::model(|| {
            let inbox = Arc::new(Inbox::new(Waker::new()));
            let pushers: Vec<_> = [1, 2]
                .map(|item| {
                    let inbox = inbox.clone();
                    thread::spawn(move || assert_eq!(inbox.push(item), Ok(())))
                })
                .into();
            let (mut sum, mut items) = (0, Vec::new());
            while sum < 3 {
                take(&inbox, &mut items);
                sum += items.iter().sum::<u32>();
            }
            pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
        });
    }

    #[test]
    fn what_is_pushed_is_taken_or_given_back_once() {
        loom::model(|| {
            let inbox = Arc::new(Inbox::new(Waker::new()));
            let pusher = {
                let inbox = inbox.clone();
                thread::spawn(move || (1..=2).filter(|item| inbox.push(*item).is_err()).count())
            };
            let mut items = Vec::new();
            inbox.take(&mut items, false);
            let taken = items.len() + inbox.close().len();
            assert_eq!(taken + pusher.join().unwrap(), 2);
        });
    }

    /// A loop with one client.
    struct OneClient(Waker);

    impl Drive for OneClient {
        fn wake(&self, _: usize) {
            self.0.wake().unwrap();
        }

        fn is_this_thread(&self) -> bool {
            false
        }
    }

    fn client() -> (Arc<Core>, Arc<OneClient>) {
        let config = ClientConfig::new("server", "c");
        let core = Arc::new(Core::new(config, 100, 7, Clock::new()));
        let drive = Arc::new(OneClient(Waker::new()));
        core.driven_by(Driver { drive: drive.clone(), key: 0 });
        (core, drive)
    }

    /// A look of the driver at its client.
    fn turn(core: &Core) -> Option<Control> {
        core.turn(core.clock.now(), &mut Vec::new(), &mut VecDeque::new()).control
    }

    #[test]
    fn a_driver_hears_of_every_command() {
        loom::model(|| {
            let (core, drive) = client();
            let program = {
                let core = core.clone();
                thread::spawn(move || core.connect().unwrap())
            };
            while !matches!(turn(&core), Some(Control::Dial(_))) {
                drive.0.sleep();
            }
            program.join().unwrap();
        });
    }

    #[test]
    fn who_waits_hears_of_the_end() {
        loom::model(|| {
            let (core, drive) = client();
            let program = {
                let core = core.clone();
                thread::spawn(move || core.connect_wait(Duration::from_secs(9)).unwrap_err())
            };
            // The loop ends before, during or after the program's call.
            turn(&core);
            drop(drive);
            core.abandon();
            assert!(matches!(
                program.join().unwrap(),
                ClientError::Closed | ClientError::NotConnected(_)
            ));
        });
    }

    #[test]
    fn who_waits_for_events_gets_them_and_then_the_end() {
        loom::model(|| {
            let (core, drive) = client();
            let program = {
                let core = core.clone();
                thread::spawn(move || {
                    core.connect().unwrap();
                    let forever = Duration::from_secs(9);
                    let event = core.next_event(forever).unwrap().expect("it waits for ever");
                    assert!(matches!(event, Event::Disconnected(_)));
                })
            };
            while !matches!(turn(&core), Some(Control::Dial(_))) {
                drive.0.sleep();
            }
            core.abandon();
            program.join().unwrap();
        });
    }
}
