//! Options by name, their values as text.

use core::str::FromStr;
use core::time::Duration;

use libmqtt_runtime::{Durability, Status};

use crate::boundary::{Failure, Outcome};

/// There is no option of this name.
pub(crate) fn unknown(name: &str) -> Outcome {
    Err(Failure::new(Status::NotFound, format_args!("there is no option '{name}'")))
}

/// A type that an option can have.
pub(crate) trait Value: Sized {
    /// What `text` stands for; what would be right, if it does not.
    fn read(text: &str) -> Result<Self, &'static str>;
}

/// Sets an option.
pub(crate) fn set<T: Value>(place: &mut T, name: &str, text: &str) -> Outcome {
    *place = T::read(text).map_err(|wanted| refuse(name, text, wanted))?;
    Ok(())
}

/// Sets an option whose value is a time in milliseconds.
pub(crate) fn set_ms(place: &mut Duration, name: &str, text: &str) -> Outcome {
    let mut ms = 0_u64;
    set(&mut ms, name, text)?;
    *place = Duration::from_millis(ms);
    Ok(())
}

/// Sets an option whose value is one of a few words.
pub(crate) fn choose<T: Copy>(
    place: &mut T,
    name: &str,
    text: &str,
    words: &[(&str, T)],
) -> Outcome {
    match words.iter().find(|(word, _)| *word == text) {
        Some((_, value)) => {
            *place = *value;
            Ok(())
        }
        None => {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            Err(refuse(name, text, &format!("one of {}", known.join(", "))))
        }
    }
}

/// Has what is kept in a data directory be on disk when the option `durability` says, if it was
/// set; without a directory that is refused.
pub(crate) fn keep(place: Option<&mut Durability>, durability: Option<Durability>) -> Outcome {
    match (place, durability) {
        (_, None) => Ok(()),
        (Some(place), Some(durability)) => {
            *place = durability;
            Ok(())
        }
        (None, Some(_)) => {
            Err(Failure::new(Status::BadArgument, "durability: it wants a data_directory"))
        }
    }
}

fn refuse(name: &str, text: &str, wanted: &str) -> Failure {
    Failure::new(Status::BadArgument, format_args!("{name}: '{text}' is not {wanted}"))
}

impl Value for bool {
    fn read(text: &str) -> Result<bool, &'static str> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("true or false"),
        }
    }
}

macro_rules! numbers {
    ($($number:ty: $wanted:literal;)*) => {
        $(impl Value for $number {
            fn read(text: &str) -> Result<$number, &'static str> {
                <$number>::from_str(text).map_err(|_| $wanted)
            }
        })*
    };
}

numbers! {
    u8: "a number between 0 and 255";
    u16: "a number between 0 and 65535";
    u32: "a number between 0 and 4294967295";
    u64: "a number";
    usize: "a number";
}
