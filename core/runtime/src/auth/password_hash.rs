//! One password, hashed as mosquitto hashes it.
//!
//! `$7$<rounds>$<salt>$<hash>` is PBKDF2 with HMAC-SHA-512, `$6$<salt>$<hash>` (old and weak) is
//! one SHA-512 over password and salt. Salt and hash are in base64.

use core::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;

/// More rounds than this are a mistake or an attack on the broker's time: about ten seconds each.
const ROUNDS_MAX: u32 = 10_000_000;

/// Bytes of salt in a new hash: as many as mosquitto reads.
const SALT_LEN: usize = 12;

const HASH_LEN: usize = 64;

/// A hashed password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    /// Rounds of PBKDF2; none for the one SHA-512 of `$6$`.
    rounds: Option<u32>,
    salt: Box<[u8]>,
    hash: [u8; HASH_LEN],
}

/// Why a text is no hashed password, or none can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// It does not start like a hash.
    #[error("password is not hashed")]
    Plain,
    /// It is hashed in another way.
    #[error("password is hashed in a way that is not supported (only $7$ and $6$ are)")]
    Unsupported,
    /// It starts like a hash but goes on otherwise.
    #[error("hashed password is damaged")]
    Damaged,
    /// The number of rounds is 0 or far too great.
    #[error("number of rounds is not between 1 and 10000000")]
    Rounds,
    /// The system has no random numbers for the salt.
    #[error("system gives no random numbers")]
    Random,
}

impl PasswordHash {
    /// Rounds for new passwords: a few milliseconds for the broker, years for who tries them all.
    pub const ROUNDS: u32 = 10_000;

    /// Hashes a password with a new salt.
    pub fn new(password: &[u8], rounds: u32) -> Result<PasswordHash, HashError> {
        if !(1..=ROUNDS_MAX).contains(&rounds) {
            return Err(HashError::Rounds);
        }
        let mut salt = [0; SALT_LEN];
        getrandom::fill(&mut salt).map_err(|_| HashError::Random)?;
        Ok(PasswordHash {
            rounds: Some(rounds),
            hash: digest(password, &salt, Some(rounds)),
            salt: salt.into(),
        })
    }

    /// Reads a hash as it stands in a file.
    pub fn parse(text: &str) -> Result<PasswordHash, HashError> {
        let mut parts = text.strip_prefix('$').ok_or(HashError::Plain)?.split('$');
        let rounds = match parts.next() {
            Some("7") => {
                let rounds = parts.next().and_then(|digits| digits.parse().ok());
                let rounds: u32 = rounds.ok_or(HashError::Damaged)?;
                if !(1..=ROUNDS_MAX).contains(&rounds) {
                    return Err(HashError::Rounds);
                }
                Some(rounds)
            }
            Some("6") => None,
            _ => return Err(HashError::Unsupported),
        };
        let mut bytes = || STANDARD.decode(parts.next()?).ok();
        let salt = bytes().filter(|salt| !salt.is_empty()).ok_or(HashError::Damaged)?;
        let hash = bytes().and_then(|hash| hash.try_into().ok()).ok_or(HashError::Damaged)?;
        if parts.next().is_some() {
            return Err(HashError::Damaged);
        }
        Ok(PasswordHash { rounds, salt: salt.into(), hash })
    }

    /// Whether this is the password. Takes as long for a wrong one as for the right one.
    pub fn verify(&self, password: &[u8]) -> bool {
        digest(password, &self.salt, self.rounds).ct_eq(&self.hash).into()
    }

    /// Rounds of PBKDF2; none for `$6$`.
    pub fn rounds(&self) -> Option<u32> {
        self.rounds
    }
}

fn digest(password: &[u8], salt: &[u8], rounds: Option<u32>) -> [u8; HASH_LEN] {
    match rounds {
        Some(rounds) => pbkdf2::pbkdf2_hmac_array::<Sha512, HASH_LEN>(password, salt, rounds),
        None => Sha512::new().chain_update(password).chain_update(salt).finalize().into(),
    }
}

/// As it stands in a file.
impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rounds {
            Some(rounds) => write!(f, "$7${rounds}")?,
            None => f.write_str("$6")?,
        }
        write!(f, "${}${}", STANDARD.encode(&self.salt), STANDARD.encode(self.hash))
    }
}

/// Shows the way of hashing and nothing of the password.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash").field("rounds", &self.rounds).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made by mosquitto_passwd 2.0.11, with and without -H sha512.
    const SEVEN: &str = "$7$101$cCykYhoSq8PlbnOt$alKFjLC5k+2/DTuHI4yH4uN6kBzgGfV0dJJdU7Sy5g5NtPWAJZEUsBxOAe0RL+RBSRhZ7YcQ9feILDAstuKdqA==";
    const SIX: &str = "$6$8hV8YTV0qnJ7HNfk$oN8dCez5JUxsyU9AwDbuH/06U9FNAtwKrpQt4jr+t9hqPlUH7H4GDmXIjH3tFmd49q4T7gt8ah4EyNUbhaKP0w==";

    #[test]
    fn hashes_of_mosquitto_passwd_are_read_and_written_back() {
        for (text, right) in [(SEVEN, "pw1"), (SIX, "pw3")] {
            let hash = PasswordHash::parse(text).unwrap();
            assert!(hash.verify(right.as_bytes()));
            for wrong in ["", "pw", "pw2", "pw11", "PW1"] {
                assert!(!hash.verify(wrong.as_bytes()), "{wrong}");
            }
            assert_eq!(hash.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_hash_is_named() {
        let check = |text: &str, error| assert_eq!(PasswordHash::parse(text), Err(error), "{text}");
        check("", HashError::Plain);
        check("secret", HashError::Plain);
        check("$", HashError::Unsupported);
        check("$argon2id$v=19$m=1,t=1,p=1$AAAA$AAAA", HashError::Unsupported);
        check("$7$", HashError::Damaged);
        check("$7$x$AAAA$AAAA", HashError::Damaged);
        check("$7$101$AAAA", HashError::Damaged);
        check("$7$101$AAAA$AAAA", HashError::Damaged);
        check(&SEVEN.replace("$101$", "$0$"), HashError::Rounds);
        check(&SEVEN.replace("$101$", "$99999999$"), HashError::Rounds);
        check(&format!("{SEVEN}$"), HashError::Damaged);
        check(&SEVEN.replace("cCykYhoSq8PlbnOt", ""), HashError::Damaged);
        check(&SEVEN.replace("qA==", "qA="), HashError::Damaged);
    }

    #[test]
    fn a_new_hash_verifies_and_never_repeats() {
        let first = PasswordHash::new("päss:$word".as_bytes(), 3).unwrap();
        let second = PasswordHash::new("päss:$word".as_bytes(), 3).unwrap();
        assert_ne!(first, second);
        assert!(first.verify("päss:$word".as_bytes()));
        assert_eq!(PasswordHash::parse(&first.to_string()), Ok(first));
        assert_eq!(PasswordHash::new(b"", 0), Err(HashError::Rounds));
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let shown = format!("{:?}", PasswordHash::parse(SEVEN).unwrap());
        assert_eq!(shown, "PasswordHash { rounds: Some(101), .. }");
    }
}
