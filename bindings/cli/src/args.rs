//! Walking through a command line.

use core::fmt::Display;
use core::ops::RangeInclusive;
use core::str::FromStr;
use std::ffi::OsString;

use lexopt::Arg;

use crate::exit::{Asked, Failure};

/// The words of a command, option by option.
#[derive(Debug)]
pub(crate) struct Args {
    parser: lexopt::Parser,
    /// The option that was found last, for messages.
    option: String,
}

impl Args {
    /// The words after the command's name.
    pub(crate) fn new(words: impl IntoIterator<Item = OsString>) -> Args {
        let words: Vec<OsString> = words.into_iter().collect();
        Args { parser: lexopt::Parser::from_args(words), option: String::new() }
    }

    /// The next option as `-x` or `--xyz`, or a word that is none.
    pub(crate) fn next(&mut self) -> Result<Option<Word>, Failure> {
        let word = match self.parser.next().map_err(|error| Failure::usage(error.to_string()))? {
            None => return Ok(None),
            Some(Arg::Short(letter)) => Word::Option(format!("-{letter}")),
            Some(Arg::Long(name)) => Word::Option(format!("--{name}")),
            Some(Arg::Value(value)) => Word::Operand(value),
        };
        if let Word::Option(option) = &word {
            match option.as_str() {
                "--help" => return Err(Failure::asked(Asked::Help)),
                "--version" => return Err(Failure::asked(Asked::Version)),
                _ => self.option.clone_from(option),
            }
        }
        Ok(Some(word))
    }

    /// The option's value as it was given.
    pub(crate) fn raw(&mut self) -> Result<OsString, Failure> {
        let missing = |_| Failure::usage(format!("{} needs a value", self.option));
        self.parser.value().map_err(missing)
    }

    /// The option's value as text.
    pub(crate) fn text(&mut self) -> Result<String, Failure> {
        let value = self.raw()?;
        value.into_string().map_err(|_| self.wrong("value is not UTF-8"))
    }

    /// The option's value as a number in this range.
    pub(crate) fn number<T>(&mut self, range: RangeInclusive<T>) -> Result<T, Failure>
    where
        T: FromStr + PartialOrd + Display,
    {
        let text = self.text()?;
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => {
                let (low, high) = range.into_inner();
                Err(self.wrong(format!("'{text}' is not a number between {low} and {high}")))
            }
        }
    }

    /// What is wrong with the value of the option that was found last.
    pub(crate) fn wrong(&self, why: impl Display) -> Failure {
        Failure::usage(format!("{}: {why}", self.option))
    }
}

/// A part of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// `-x` or `--xyz`.
    Option(String),
    /// Anything else.
    Operand(OsString),
}

impl Word {
    /// That this word is not known here.
    pub(crate) fn unknown(&self) -> Failure {
        match self {
            Word::Option(option) => Failure::usage(format!("unknown option '{option}'")),
            Word::Operand(word) => {
                Failure::usage(format!("'{}' is not an option", word.to_string_lossy()))
            }
        }
    }
}

#[cfg(test)]
pub(crate) fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(|word| if word == "''" { "".into() } else { word.into() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_look_like_options() {
        let mut args = Args::new(words("-m -5 --topic=a -vC 3 rest"));
        assert_eq!(args.next().unwrap(), Some(Word::Option("-m".into())));
        assert_eq!(args.number(-9..=9).unwrap(), -5);
        assert_eq!(args.next().unwrap(), Some(Word::Option("--topic".into())));
        assert_eq!(args.text().unwrap(), "a");
        assert_eq!(args.next().unwrap(), Some(Word::Option("-v".into())));
        assert_eq!(args.next().unwrap(), Some(Word::Option("-C".into())));
        assert_eq!(args.number(1..=9).unwrap(), 3);
        assert_eq!(args.next().unwrap(), Some(Word::Operand("rest".into())));
        assert_eq!(args.next().unwrap(), None);
    }

    #[test]
    fn help_is_asked_for_by_an_option_and_not_by_a_value() {
        let mut args = Args::new(words("-m --help --help"));
        args.next().unwrap();
        assert_eq!(args.text().unwrap(), "--help");
        assert_eq!(args.next().unwrap_err().asked, Some(Asked::Help));
    }

    #[test]
    fn errors_name_the_option() {
        let fail = |line: &str| {
            let mut args = Args::new(words(line));
            args.next().unwrap();
            args.number(0..=2).unwrap_err().message
        };
        assert_eq!(fail("-q 3"), "-q: '3' is not a number between 0 and 2");
        assert_eq!(fail("--qos x"), "--qos: 'x' is not a number between 0 and 2");
        assert_eq!(fail("-q"), "-q needs a value");
    }
}
