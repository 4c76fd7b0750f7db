//! What a certificate says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use x509_cert::Certificate as X509;
use x509_cert::der::Decode;
use x509_cert::der::asn1::{ObjectIdentifier, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::{Tag, Tagged};

/// 2.5.4.3
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// A peer's certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// Its Subject in the form of RFC 4514: `CN=ada,O=Example`.
    pub subject: Box<str>,
    /// The Common Name in it.
    pub common_name: Option<Box<str>>,
    /// All of it, in DER; empty if a proxy has seen it and told only the names.
    pub der: Box<[u8]>,
}

impl Certificate {
    /// Reads a certificate. One that cannot be understood has no names.
    pub(super) fn new(der: &[u8]) -> Certificate {
        let parsed = X509::from_der(der).ok();
        let subject = parsed.as_ref().map(|parsed| parsed.tbs_certificate().subject());
        Certificate {
            common_name: subject.and_then(common_name),
            subject: subject.map(ToString::to_string).unwrap_or_default().into(),
            der: der.into(),
        }
    }
}

/// The most specific Common Name.
fn common_name(subject: &x509_cert::name::Name) -> Option<Box<str>> {
    let found = subject.iter().filter(|attribute| attribute.oid == COMMON_NAME).last()?;
    let value = &found.value;
    let text = match value.tag() {
        Tag::PrintableString => PrintableStringRef::try_from(value).ok()?.as_str(),
        Tag::Utf8String => Utf8StringRef::try_from(value).ok()?.as_str(),
        Tag::TeletexString => TeletexStringRef::try_from(value).ok()?.as_str(),
        _ => return None,
    };
    // A zero byte would end the name for some programs and not for others.
    (!text.is_empty() && !text.contains('\0')).then(|| text.into())
}

/// Whether it names itself as its issuer.
pub(super) fn is_self_issued(der: &[u8]) -> bool {
    X509::from_der(der).is_ok_and(|parsed| {
        let certificate = parsed.tbs_certificate();
        certificate.subject() == certificate.issuer()
    })
}

/// How a moment lies to a certificate's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validity {
    Before,
    Within,
    After,
}

/// How a moment, in seconds since 1970, lies to a certificate's time; none if that cannot be read.
pub(super) fn validity(der: &[u8], seconds: u64) -> Option<Validity> {
    let parsed = X509::from_der(der).ok()?;
    let times = parsed.tbs_certificate().validity();
    let now: SystemTime = UNIX_EPOCH + Duration::from_secs(seconds);
    Some(if now < times.not_before.to_system_time() {
        Validity::Before
    } else if now > times.not_after.to_system_time() {
        Validity::After
    } else {
        Validity::Within
    })
}
