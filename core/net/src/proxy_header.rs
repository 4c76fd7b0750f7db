//! The PROXY protocol, versions 1 and 2: what a proxy in front of a listener says about the
//! client, before the client's own bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::tls::Certificate;

/// The longest line of version 1.
const LINE_MAX: usize = 107;
/// Most bytes after the fixed part of version 2. Addresses and a few extensions fit easily.
const BODY_MAX: usize = 4096;
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Which versions of the header are taken. It must be there, then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyVersions {
    /// 1 and 2.
    Both,
    /// Only 1, of text.
    V1,
    /// Only 2, of bytes.
    V2,
}

/// Why there is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyHeaderError {
    /// The connection begins otherwise.
    #[error("connection does not begin with a PROXY header")]
    Absent,
    /// It is of the other version.
    #[error("PROXY header is of a version that is not allowed")]
    Version,
    /// It breaks the rules.
    #[error("PROXY header is not valid")]
    Malformed,
}

/// What a header says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyHeader {
    /// The client; none if the proxy speaks for itself, or knows no address.
    pub client: Option<SocketAddr>,
    /// What the proxy has seen of the client's certificate; only its names.
    pub certificate: Option<Certificate>,
    /// Bytes that the header has.
    pub len: usize,
}

/// Reads the header at the beginning of a connection; none: it is not complete.
pub fn proxy_header(
    bytes: &[u8],
    allowed: ProxyVersions,
) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    // The first byte tells the versions apart.
    let begins = |mark: &[u8]| bytes.iter().zip(mark).all(|(a, b)| a == b);
    if begins(SIGNATURE) {
        if allowed == ProxyVersions::V1 {
            return Err(ProxyHeaderError::Version);
        }
        return if bytes.len() < 16 { Ok(None) } else { second(bytes) };
    }
    if begins(b"PROXY ") {
        if allowed == ProxyVersions::V2 {
            return Err(ProxyHeaderError::Version);
        }
        return first(bytes);
    }
    Err(ProxyHeaderError::Absent)
}

fn first(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let malformed = ProxyHeaderError::Malformed;
    let Some(end) = memchr::memchr(b'\n', &bytes[..bytes.len().min(LINE_MAX)]) else {
        return if bytes.len() < LINE_MAX { Ok(None) } else { Err(malformed) };
    };
    let line = core::str::from_utf8(&bytes[..end]).map_err(|_| malformed)?;
    let line = line.strip_suffix('\r').ok_or(malformed)?;
    let words: Vec<&str> = line.split(' ').collect();
    let client = match words[..] {
        ["PROXY", "UNKNOWN", ..] => None,
        ["PROXY", family @ ("TCP4" | "TCP6"), from, to, from_port, to_port] => {
            let address = |text: &str| {
                let address: IpAddr = text.parse().map_err(|_| malformed)?;
                if address.is_ipv4() == (family == "TCP4") { Ok(address) } else { Err(malformed) }
            };
            let port = |text: &str| text.parse::<u16>().map_err(|_| malformed);
            address(to)?;
            port(to_port)?;
            Some(SocketAddr::new(address(from)?, port(from_port)?))
        }
        _ => return Err(malformed),
    };
    Ok(Some(ProxyHeader { client, certificate: None, len: end + 1 }))
}

fn second(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let malformed = ProxyHeaderError::Malformed;
    let (kind, family) = (bytes[12], bytes[13]);
    let length = usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
    if kind >> 4 != 2 || kind & 15 > 1 || length > BODY_MAX {
        return Err(malformed);
    }
    let len = 16 + length;
    let Some(body) = bytes.get(16..len) else { return Ok(None) };
    if kind & 15 == 0 {
        // The proxy looks whether we are there.
        return Ok(Some(ProxyHeader { len, ..ProxyHeader::default() }));
    }
    let port = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    let (client, extensions) = match family {
        0x11 | 0x12 if body.len() >= 12 => {
            let from = Ipv4Addr::new(body[0], body[1], body[2], body[3]);
            (Some(SocketAddr::new(from.into(), port(8))), 12)
        }
        0x21 | 0x22 if body.len() >= 36 => {
            let mut from = [0; 16];
            from.copy_from_slice(&body[..16]);
            (Some(SocketAddr::new(Ipv6Addr::from(from).into(), port(32))), 36)
        }
        0x31 | 0x32 if body.len() >= 216 => (None, 216),
        0x00 => (None, 0),
        _ => return Err(malformed),
    };
    let certificate = certificate(&body[extensions..])?;
    Ok(Some(ProxyHeader { client, certificate, len }))
}

/// What extensions say about a certificate that the proxy has verified.
fn certificate(extensions: &[u8]) -> Result<Option<Certificate>, ProxyHeaderError> {
    const SSL: u8 = 0x20;
    const COMMON_NAME: u8 = 0x22;
    /// The client has shown a certificate, on this connection or the session's first.
    const SHOWN: u8 = 0x02 | 0x04;
    for extension in parts(extensions) {
        let (SSL, value) = extension? else { continue };
        let (flags, verify, within) = match value {
            [flags, a, b, c, d, within @ ..] => (*flags, [*a, *b, *c, *d], within),
            _ => return Err(ProxyHeaderError::Malformed),
        };
        if flags & SHOWN == 0 || verify != [0; 4] {
            return Ok(None);
        }
        for extension in parts(within) {
            let (COMMON_NAME, name) = extension? else { continue };
            let name = core::str::from_utf8(name).map_err(|_| ProxyHeaderError::Malformed)?;
            if name.is_empty() || name.contains('\0') {
                return Ok(None);
            }
            return Ok(Some(Certificate {
                subject: format!("CN={name}").into(),
                common_name: Some(name.into()),
                der: Box::default(),
            }));
        }
    }
    Ok(None)
}

/// Extensions, each a type and a value.
fn parts(mut bytes: &[u8]) -> impl Iterator<Item = Result<(u8, &[u8]), ProxyHeaderError>> {
    core::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let [kind, high, low, rest @ ..] = bytes else {
            bytes = &[];
            return Some(Err(ProxyHeaderError::Malformed));
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((value, after)) = rest.split_at_checked(length) else {
            bytes = &[];
            return Some(Err(ProxyHeaderError::Malformed));
        };
        let kind = *kind;
        bytes = after;
        Some(Ok((kind, value)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
        let whole = proxy_header(bytes, ProxyVersions::Both);
        if let Ok(Some(header)) = &whole {
            for cut in 0..header.len {
                assert_eq!(proxy_header(&bytes[..cut], ProxyVersions::Both), Ok(None), "{cut}");
            }
        }
        whole
    }

    fn v2(kind: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[kind, family], &length, body].concat()
    }

    #[test]
    fn version_1_names_the_client() {
        let check = |line: &str, client: Option<&str>| {
            let header = read(format!("{line}\r\nMQTT").as_bytes()).unwrap().unwrap();
            let client = client.map(|client| client.parse().unwrap());
            assert_eq!((header.client, header.len), (client, line.len() + 2), "{line}");
        };
        check("PROXY TCP4 192.0.2.1 198.51.100.1 5000 1883", Some("192.0.2.1:5000"));
        check("PROXY TCP6 2001:db8::1 ::1 65535 1883", Some("[2001:db8::1]:65535"));
        check("PROXY UNKNOWN", None);
        check("PROXY UNKNOWN ffff::1 ffff::2 1 2", None);
    }

    #[test]
    fn version_2_names_the_client() {
        let four = [192, 0, 2, 1, 198, 51, 100, 1, 0x13, 0x88, 7, 0x5b];
        let header = read(&v2(0x21, 0x11, &four)).unwrap().unwrap();
        assert_eq!((header.client, header.len), (Some("192.0.2.1:5000".parse().unwrap()), 28));
        let mut six = [0; 36];
        (six[15], six[33]) = (1, 80);
        let header = read(&v2(0x21, 0x21, &six)).unwrap().unwrap();
        assert_eq!(header.client, Some("[::1]:80".parse().unwrap()));
        assert_eq!(read(&v2(0x20, 0, b"")).unwrap().unwrap().client, None);
        assert_eq!(read(&v2(0x21, 0, b"")).unwrap().unwrap().client, None);
    }

    #[test]
    fn a_certificate_that_the_proxy_has_verified_counts() {
        let name = [&[0x22, 0, 3][..], b"ada"].concat();
        let ssl = |flags: u8, verify: u8| {
            let value = [&[flags, 0, 0, 0, verify][..], &name].concat();
            let extension = [&[0x20, 0, value.len() as u8][..], &value].concat();
            let body = [&[0; 12][..], &[4, 0, 1, 0], &extension].concat();
            let header = read(&v2(0x21, 0x11, &body)).unwrap().unwrap();
            header.certificate.and_then(|certificate| certificate.common_name)
        };
        assert_eq!(ssl(0x07, 0).as_deref(), Some("ada"));
        assert_eq!(ssl(0x01, 0), None);
        assert_eq!(ssl(0x07, 1), None);
    }

    #[test]
    fn everything_else_is_refused() {
        let refused = |bytes: &[u8], why| assert_eq!(read(bytes), Err(why), "{bytes:x?}");
        refused(b"\x10\x0c\0\x04MQTT", ProxyHeaderError::Absent);
        refused(b"PROXY TCP4 192.0.2.1 198.51.100.1 5000\r\n", ProxyHeaderError::Malformed);
        refused(b"PROXY TCP4 ::1 ::1 1 2\r\n", ProxyHeaderError::Malformed);
        refused(b"PROXY TCP4 1.1.1.1 1.1.1.1 1 99999\r\n", ProxyHeaderError::Malformed);
        refused(b"PROXY UNKNOWN\n", ProxyHeaderError::Malformed);
        refused(&[&b"PROXY UNKNOWN "[..], &[b'x'; 100]].concat(), ProxyHeaderError::Malformed);
        refused(&v2(0x11, 0x11, &[0; 12]), ProxyHeaderError::Malformed);
        refused(&v2(0x22, 0x11, &[0; 12]), ProxyHeaderError::Malformed);
        refused(&v2(0x21, 0x11, &[0; 11]), ProxyHeaderError::Malformed);
        refused(&v2(0x21, 0x11, &[0; 14]), ProxyHeaderError::Malformed);
        refused(&v2(0x21, 0x11, &[0; 5000]), ProxyHeaderError::Malformed);
        let (one, two) = (b"PROXY UNKNOWN\r\n", v2(0x20, 0, b""));
        assert_eq!(proxy_header(one, ProxyVersions::V2), Err(ProxyHeaderError::Version));
        assert_eq!(proxy_header(&two, ProxyVersions::V1), Err(ProxyHeaderError::Version));
    }
}
