//! Certificates, keys and revocation lists from files, folders and memory, in PEM or DER.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

/// Largest file that is read.
const FILE_MAX: u64 = 16 * 1024 * 1024;

/// Where certificates, a key or revocation lists are. PEM and DER are told apart by looking.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// Bytes in memory.
    Memory(Arc<[u8]>),
}

impl Source {
    /// These bytes, copied.
    pub fn memory(bytes: impl AsRef<[u8]>) -> Source {
        Source::Memory(bytes.as_ref().into())
    }
}

impl<P: Into<PathBuf>> From<P> for Source {
    fn from(path: P) -> Source {
        Source::File(path.into())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(path) => path.display().fmt(f),
            Source::Memory(_) => f.write_str("what was given"),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(path) => write!(f, "File({})", path.display()),
            // It may be a key.
            Source::Memory(bytes) => write!(f, "Memory({} bytes)", bytes.len()),
        }
    }
}

/// Why a file is of no use for TLS.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SourceError {
    /// The system does not let us read it.
    #[error("cannot read {}: {error}", .path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: Arc<io::Error>,
    },
    /// What is wanted is not in it.
    #[error("there is no {what} in {place}")]
    Empty {
        /// `certificate`, `private key`, `revocation list`.
        what: &'static str,
        /// Where it was looked for.
        place: String,
    },
    /// The private key is encrypted, and nobody can be asked for its password.
    #[error("the private key in {0} is encrypted; decrypt it first: openssl pkey -in KEY -out NEW")]
    Encrypted(String),
    /// It is neither PEM nor DER of the right kind.
    #[error("{place} cannot be understood: {why}")]
    Malformed {
        /// Where it is.
        place: String,
        /// What is wrong.
        why: String,
    },
}

fn read(source: &Source) -> Result<Vec<u8>, SourceError> {
    let path = match source {
        Source::Memory(bytes) => return Ok(bytes.to_vec()),
        Source::File(path) => path,
    };
    let unreadable = |error| SourceError::Unreadable { path: path.clone(), error: Arc::new(error) };
    if fs::metadata(path).map_err(unreadable)?.len() > FILE_MAX {
        return Err(unreadable(io::Error::other("it is larger than 16 MiB")));
    }
    fs::read(path).map_err(unreadable)
}

fn is_pem(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"-----BEGIN ").is_some()
}

fn malformed(source: &Source, why: impl fmt::Display) -> SourceError {
    SourceError::Malformed { place: source.to_string(), why: why.to_string() }
}

fn items<T: PemObject>(
    source: &Source,
    what: &'static str,
    der: impl FnOnce(Vec<u8>) -> T,
) -> Result<Vec<T>, SourceError> {
    let bytes = read(source)?;
    let found = if is_pem(&bytes) {
        let found: Result<Vec<T>, _> = T::pem_slice_iter(&bytes).collect();
        found.map_err(|error| malformed(source, error))?
    } else if bytes.first() == Some(&0x30) {
        vec![der(bytes)]
    } else {
        Vec::new()
    };
    if found.is_empty() {
        return Err(SourceError::Empty { what, place: source.to_string() });
    }
    Ok(found)
}

/// All certificates of a source; at least one.
pub(super) fn certificates(source: &Source) -> Result<Vec<CertificateDer<'static>>, SourceError> {
    items(source, "certificate", CertificateDer::from)
}

/// All revocation lists of a source; at least one.
pub(super) fn revocations(
    source: &Source,
) -> Result<Vec<CertificateRevocationListDer<'static>>, SourceError> {
    items(source, "revocation list", CertificateRevocationListDer::from)
}

/// The first private key of a source.
pub(super) fn key(source: &Source) -> Result<PrivateKeyDer<'static>, SourceError> {
    let bytes = read(source)?;
    if is_pem(&bytes) {
        let has = |mark: &[u8]| memchr::memmem::find(&bytes, mark).is_some();
        return match PrivateKeyDer::from_pem_slice(&bytes) {
            // The traditional form has the mark of encryption inside, as a header.
            _ if has(b"Proc-Type: 4,ENCRYPTED") => Err(SourceError::Encrypted(source.to_string())),
            Ok(key) => Ok(key),
            Err(_) if has(b"BEGIN ENCRYPTED PRIVATE KEY") => {
                Err(SourceError::Encrypted(source.to_string()))
            }
            Err(rustls::pki_types::pem::Error::NoItemsFound) => {
                Err(SourceError::Empty { what: "private key", place: source.to_string() })
            }
            Err(error) => Err(malformed(source, error)),
        };
    }
    PrivateKeyDer::try_from(bytes).map_err(|error| malformed(source, error))
}

/// All certificates in the files of a folder; those without any are passed over.
pub(super) fn folder(path: &Path) -> Result<Vec<CertificateDer<'static>>, SourceError> {
    let unreadable = |error: io::Error| SourceError::Unreadable {
        path: path.to_owned(),
        error: Arc::new(error),
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    let mut found = Vec::new();
    for file in files {
        // A folder may also hold keys and notes.
        if let Ok(certificates) = certificates(&Source::File(file)) {
            found.extend(certificates);
        }
    }
    if found.is_empty() {
        let place = path.display().to_string();
        return Err(SourceError::Empty { what: "certificate", place });
    }
    Ok(found)
}

/// What tells one state of a set of files from another: size and time of change of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp(Vec<Option<(u64, SystemTime)>>);

impl Stamp {
    /// The state of these files and folders now.
    pub(super) fn of<'a>(paths: impl Iterator<Item = &'a Path>) -> Stamp {
        let look = |path: &Path| {
            let data = fs::metadata(path).ok()?;
            Some((data.len(), data.modified().ok()?))
        };
        Stamp(paths.map(look).collect())
    }
}
