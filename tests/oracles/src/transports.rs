//! What lies between sockets and MQTT: frames of WebSocket, its handshake, headers of proxies.

use libmqtt_net::web::{Answer, Frames, Kind, Side, WebSocketError, WebSocketServer, put_frame};
use libmqtt_net::{ProxyServer, ProxyVersions, Tunnel, proxy_header};

/// What has come of frames: the bytes they carried, answers, and whether all went well.
type Taken = (Vec<u8>, Vec<u8>, Result<bool, WebSocketError>);

fn take(side: Side, input: &[u8], step: usize) -> Taken {
    let mut frames = Frames::new(side, 4096);
    let (mut carried, mut replies) = (Vec::new(), Vec::new());
    for part in input.chunks(step) {
        let mut part = part.to_vec();
        match frames.take(&mut part, &mut replies) {
            Ok(count) => carried.extend_from_slice(&part[..count]),
            Err(error) => return (carried, replies, Err(error)),
        }
    }
    (carried, replies, Ok(frames.is_closed()))
}

/// Frames carry the same in whatever parts they come, and nothing that was not in them.
pub fn web_frames(input: &[u8]) {
    let (whole, replies, result) = take(Side::Server, input, input.len().max(1));
    assert!(whole.len() <= input.len());
    for step in [1, 2, 7] {
        let (parts, answers, outcome) = take(Side::Server, input, step);
        assert_eq!(outcome, result);
        assert_eq!(answers, replies);
        // What stood before a mistake may be passed on or not.
        assert!(if result.is_ok() { parts == whole } else { parts.len() >= whole.len() });
    }
    // Answers are frames that a client understands.
    let (_, _, understood) = take(Side::Client, &replies, replies.len().max(1));
    assert!(understood.is_ok());
    for (from, to) in [(Side::Client, Side::Server), (Side::Server, Side::Client)] {
        let mut wire = Vec::new();
        put_frame(from, Kind::Binary, input, &mut wire);
        assert_eq!(take(to, &wire, 5), (input.to_vec(), Vec::new(), Ok(false)));
    }
}

/// A head is complete or it is not, wherever it is cut, and an answer is one of HTTP.
pub fn web_handshake(input: &[u8]) {
    let server = WebSocketServer {
        path: Some("/mqtt".into()),
        origins: vec!["https://a.example".into()],
        trusted_proxies: vec!["10.0.0.0/8".parse().expect("a network")],
        head_max: 1024,
        ..WebSocketServer::default()
    };
    let peer = "10.0.0.1".parse().ok();
    let http = |response: &[u8]| response.starts_with(b"HTTP/1.1 ");
    match server.answer(input, peer) {
        Ok(Answer::Open { response, used, .. }) => {
            assert!(response.starts_with(b"HTTP/1.1 101 ") && used <= input.len());
            for cut in 0..used {
                assert_eq!(server.answer(&input[..cut], peer), Ok(Answer::Wait));
            }
        }
        Ok(Answer::Close(response)) => assert!(http(&response)),
        Ok(Answer::Wait) => {
            for cut in 0..input.len() {
                assert_eq!(server.answer(&input[..cut], peer), Ok(Answer::Wait));
            }
        }
        Err(_) => {}
    }
}

/// A PROXY header ends where it ends, and what follows does not change it.
pub fn proxy_headers(input: &[u8]) {
    for allowed in [ProxyVersions::Both, ProxyVersions::V1, ProxyVersions::V2] {
        let found = proxy_header(input, allowed);
        match &found {
            Ok(Some(header)) => {
                assert!(header.len <= input.len());
                assert_eq!(proxy_header(&input[..header.len], allowed), found);
                for cut in 0..header.len {
                    assert_eq!(proxy_header(&input[..cut], allowed), Ok(None));
                }
            }
            Ok(None) => {
                for cut in 0..input.len() {
                    assert_eq!(proxy_header(&input[..cut], allowed), Ok(None));
                }
            }
            Err(_) => {
                for cut in 0..input.len() {
                    assert!(!matches!(proxy_header(&input[..cut], allowed), Ok(Some(_))));
                }
            }
        }
    }
}

/// A proxy's words mean the same whole and byte by byte.
pub fn proxy_tunnel(input: &[u8]) {
    for proxy in ["http://p", "socks5://p", "socks5://user:password@p"] {
        let proxy: ProxyServer = proxy.parse().expect("a proxy");
        let talk = |step: usize| {
            let mut said = Vec::new();
            let mut tunnel = Tunnel::new(&proxy, "host.example", 1883, &mut said)?;
            let (mut kept, mut rest) = (Vec::new(), input);
            while !rest.is_empty() {
                let (part, after) = rest.split_at(step.min(rest.len()));
                (kept, rest) = ([&kept, part].concat(), after);
                let (used, open) = tunnel.take(&kept, &mut said)?;
                kept.drain(..used);
                if open {
                    return Ok((said, input.len() - rest.len() - kept.len(), true));
                }
            }
            Ok((said, input.len() - kept.len(), false))
        };
        let (whole, parts): (Result<_, libmqtt_net::ProxyError>, _) = (talk(usize::MAX), talk(1));
        assert_eq!(whole, parts);
    }
}
