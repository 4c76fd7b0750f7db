//! Certificates, good and bad.

use libmqtt_runtime::tls::{KeyPair, Source};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair as Key, KeyUsagePurpose, RevokedCertParams,
    SerialNumber, date_time_ymd,
};

/// An authority that issues certificates.
pub struct Authority {
    issuer: CertifiedIssuer<'static, Key>,
}

/// For whom a certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    Server,
    Client,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    pub certificate: String,
    pub key: String,
    pub der: Vec<u8>,
    serial: SerialNumber,
}

impl Issued {
    pub fn pair(&self) -> KeyPair {
        KeyPair { certificates: Source::memory(&self.certificate), key: Source::memory(&self.key) }
    }

    /// Writes both into files of this name.
    pub fn write(&self, directory: &std::path::Path, name: &str) -> KeyPair {
        let at = |end: &str| directory.join(format!("{name}.{end}"));
        std::fs::write(at("key"), &self.key).unwrap();
        std::fs::write(at("crt"), &self.certificate).unwrap();
        KeyPair::new(at("crt"), at("key"))
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    params
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = params(name);
        params.subject_alt_names.clear();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, Key::generate().unwrap()).unwrap();
        Authority { issuer }
    }

    /// Its own certificate.
    pub fn root(&self) -> Source {
        Source::memory(self.issuer.pem())
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A good certificate for this host or this client.
    pub fn issue(&self, name: &str, to: For) -> Issued {
        self.issue_with(name, to, |_| {})
    }

    /// One that differs in something.
    pub fn issue_with(
        &self,
        name: &str,
        to: For,
        differ: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        let mut params = params(name);
        let serial = SerialNumber::from(u64::from_le_bytes(
            Key::generate().unwrap().serialize_der()[40..48].try_into().unwrap(),
        ));
        params.serial_number = Some(serial.clone());
        params.extended_key_usages = vec![match to {
            For::Server => ExtendedKeyUsagePurpose::ServerAuth,
            For::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        differ(&mut params);
        let key = Key::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().to_vec(),
            serial,
        }
    }

    /// The list of those that it has revoked, in PEM.
    pub fn revoke(&self, revoked: &[&Issued]) -> Source {
        let revoked = revoked.iter().map(|issued| RevokedCertParams {
            serial_number: issued.serial.clone(),
            revocation_time: date_time_ymd(2021, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(2120, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Source::memory(list.signed_by(&self.issuer).unwrap().pem().unwrap())
    }
}

/// One that vouches for itself.
pub fn self_signed(name: &str) -> Issued {
    let key = Key::generate().unwrap();
    let certificate = params(name).self_signed(&key).unwrap();
    Issued {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        der: certificate.der().to_vec(),
        serial: SerialNumber::from(1),
    }
}
