//! Whom to trust.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::source;
use super::{Source, SourceError, TlsConfigError};

/// Whose certificates are trusted. All that are named count; none named: nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roots {
    /// Those that the system trusts; where it has none, those that Mozilla's browsers do.
    pub system: bool,
    /// Certificates, one or more each.
    pub sources: Vec<Source>,
    /// Folders with files of certificates.
    pub folders: Vec<PathBuf>,
}

impl Roots {
    /// Those that the system trusts.
    pub fn system() -> Roots {
        Roots { system: true, ..Roots::default() }
    }

    /// Those of this source alone.
    pub fn only(source: impl Into<Source>) -> Roots {
        Roots { sources: vec![source.into()], ..Roots::default() }
    }

    /// Whether nobody is named.
    pub fn is_empty(&self) -> bool {
        !self.system && self.sources.is_empty() && self.folders.is_empty()
    }

    /// The files and folders that are read.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        paths(&self.sources).chain(self.folders.iter().map(PathBuf::as_path))
    }

    pub(super) fn load(&self) -> Result<Trusted, TlsConfigError> {
        let mut trusted = Trusted { store: RootCertStore::empty(), named: HashSet::new() };
        if self.system {
            let native = rustls_native_certs::load_native_certs();
            let (added, _) = trusted.store.add_parsable_certificates(native.certs);
            if added == 0 {
                trusted.store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            }
        }
        for source in &self.sources {
            for certificate in source::certificates(source)? {
                let place = || source.to_string();
                trusted.store.add(certificate.clone()).map_err(|error| {
                    TlsConfigError::Certificate { place: place(), why: error.to_string() }
                })?;
                trusted.named.insert(certificate);
            }
        }
        for folder in &self.folders {
            let certificates = source::folder(folder)?;
            let (added, _) = trusted.store.add_parsable_certificates(certificates.clone());
            if added == 0 {
                let place = folder.display().to_string();
                let error = SourceError::Empty { what: "usable certificate", place };
                return Err(error.into());
            }
            trusted.named.extend(certificates);
        }
        if trusted.store.is_empty() { Err(TlsConfigError::NoRoots) } else { Ok(trusted) }
    }
}

/// The files among sources.
pub(super) fn paths(sources: &[Source]) -> impl Iterator<Item = &Path> {
    sources.iter().filter_map(|source| match source {
        Source::File(path) => Some(path.as_path()),
        Source::Memory(_) => None,
    })
}

/// Whom to trust, read.
pub(super) struct Trusted {
    pub(super) store: RootCertStore,
    /// Those that were named one by one: a server may show such a one itself.
    pub(super) named: HashSet<CertificateDer<'static>>,
}

impl Trusted {
    pub(super) fn split(self) -> (Arc<RootCertStore>, HashSet<CertificateDer<'static>>) {
        (Arc::new(self.store), self.named)
    }
}
