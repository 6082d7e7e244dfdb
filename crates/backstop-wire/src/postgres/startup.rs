//! What comes before the first message: requests for encryption, requests to cancel, and the startup
//! packet with its protocol version and parameters.
//!
//! It reads and writes; whether encryption is given or a parameter allowed is the gate's to decide.

use bytes::{BufMut, Bytes, BytesMut};

use super::error::{EncodeError, ProtocolError};
use super::read::Reader;
use super::{options, tag, write};

/// PostgreSQL's bound on a startup packet's body.
pub const LARGEST: usize = 10_000;
/// The shortest key of a cancel request.
pub const SHORTEST_KEY: usize = 4;
/// The longest key of a cancel request, since protocol 3.2.
pub const LONGEST_KEY: usize = 256;

const CANCEL: u32 = 80_877_102;
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;
const MAJOR: u16 = 3;
/// Parameters with this prefix ask for protocol extensions.
const EXTENSION: &str = "_pq_.";
/// Startup packets have no type byte; errors name this instead.
const NO_TAG: u8 = 0;

/// The first packet of a connection, or one of the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// The client asks whether TLS is spoken here.
    SslRequest,
    /// The client asks whether GSSAPI encryption is spoken here.
    GssRequest,
    /// Somebody wants a running query stopped.
    Cancel(CancelKey),
    /// The client wants a session.
    Startup(Startup),
}

/// What names a running session to whoever may cancel its queries.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CancelKey {
    /// The process that serves the session.
    pub process: i32,
    /// The secret; 4 bytes in protocol 3.0, up to 256 since 3.2.
    pub secret: Bytes,
}

impl std::fmt::Debug for CancelKey {
    /// Without the secret: whoever reads a log must not be able to cancel.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelKey")
            .field("process", &self.process)
            .finish_non_exhaustive()
    }
}

impl CancelKey {
    /// Writes a request to cancel.
    ///
    /// # Errors
    /// When the key is longer than the protocol allows.
    pub fn write_request(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        if self.secret.len() > LONGEST_KEY {
            return Err(EncodeError::TooLarge);
        }
        write::counted(out, |out| {
            out.put_u32(CANCEL);
            out.put_i32(self.process);
            out.put_slice(&self.secret);
            Ok(())
        })
    }
}

/// Minor versions of protocol 3 that this side speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Minor {
    /// 3.0: cancel keys have 4 bytes.
    V0,
    /// 3.2: cancel keys have up to 256 bytes.
    V2,
}

impl Minor {
    /// The number after the dot.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::V0 => 0,
            Self::V2 => 2,
        }
    }
}

/// A startup packet: the version asked for, and parameters in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Startup {
    /// Minor version asked for; it may be one that does not exist yet.
    pub minor: u16,
    parameters: Vec<(String, String)>,
}

/// What this side answers to the version and extensions a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// The version that is spoken from now on.
    pub minor: Minor,
    /// Extensions asked for that are unknown here.
    pub unknown: Vec<String>,
    /// Whether the client got less than it asked for and must be told by `NegotiateProtocolVersion`.
    pub must_tell: bool,
}

impl Startup {
    /// A startup packet to send.
    #[must_use]
    pub fn new(minor: Minor, parameters: Vec<(String, String)>) -> Self {
        Self {
            minor: minor.number(),
            parameters,
        }
    }

    /// The parameter of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters()
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    /// Who connects; never empty in a packet that was read.
    #[must_use]
    pub fn user(&self) -> &str {
        self.get("user").unwrap_or_default()
    }

    /// The database asked for; as in PostgreSQL, the user's name where none is given.
    #[must_use]
    pub fn database(&self) -> &str {
        match self.get("database") {
            Some(name) if !name.is_empty() => name,
            _ => self.user(),
        }
    }

    /// Every parameter, in the order given.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The settings in the `options` parameter, or `None` if anything but settings is in it.
    #[must_use]
    pub fn settings(&self) -> Option<Vec<(String, String)>> {
        options::settings(self.get("options").unwrap_or_default())
    }

    /// What version and extensions this side can agree to.
    #[must_use]
    pub fn agreement(&self) -> Agreement {
        let minor = if self.minor >= 2 {
            Minor::V2
        } else {
            Minor::V0
        };
        let unknown: Vec<String> = self
            .parameters()
            .filter(|(key, _)| key.starts_with(EXTENSION))
            .map(|(key, _)| key.to_owned())
            .collect();
        Agreement {
            minor,
            must_tell: self.minor != minor.number() || !unknown.is_empty(),
            unknown,
        }
    }

    /// Writes the packet.
    ///
    /// # Errors
    /// When a parameter has a NUL inside.
    pub fn write(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        write::counted(out, |out| {
            out.put_u16(MAJOR);
            out.put_u16(self.minor);
            for (key, value) in self.parameters() {
                write::text(out, key)?;
                write::text(out, value)?;
            }
            out.put_u8(0);
            Ok(())
        })
    }
}

impl Agreement {
    /// Writes `NegotiateProtocolVersion`, for a client that must be told.
    ///
    /// # Errors
    /// When there are more extensions than the message can count.
    pub fn write(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        write::message(out, tag::backend::NEGOTIATE_PROTOCOL_VERSION, |out| {
            out.put_u16(MAJOR);
            out.put_u16(self.minor.number());
            out.put_i32(i32::try_from(self.unknown.len()).map_err(|_| EncodeError::TooLarge)?);
            self.unknown
                .iter()
                .try_for_each(|name| write::text(out, name))
        })
    }
}

/// Whether a connection begins with a TLS handshake rather than a packet (`sslnegotiation=direct`).
#[must_use]
pub fn begins_with_tls(buffer: &[u8]) -> bool {
    buffer.first() == Some(&0x16)
}

/// Takes the next packet from the front of a buffer; `None` means that more bytes are needed.
///
/// # Errors
/// When the length is impossible or too large, the version is unknown, or a parameter is wrong.
pub fn next_packet(buffer: &mut BytesMut) -> Result<Option<Packet>, ProtocolError> {
    let Some(word) = buffer.first_chunk::<4>() else {
        return Ok(None);
    };
    let total = packet_size(i32::from_be_bytes(*word))?;
    if buffer.len() < total {
        buffer.reserve(total.saturating_sub(buffer.len()));
        return Ok(None);
    }
    let packet = buffer.split_to(total).freeze();
    read_packet(packet.get(4..).unwrap_or_default()).map(Some)
}

/// Writes a request for TLS.
pub fn write_ssl_request(out: &mut BytesMut) {
    out.put_u32(8);
    out.put_u32(SSL);
}

/// Writes a request for GSSAPI encryption.
pub fn write_gss_request(out: &mut BytesMut) {
    out.put_u32(8);
    out.put_u32(GSS);
}

fn packet_size(length: i32) -> Result<usize, ProtocolError> {
    let wrong = ProtocolError::Length {
        tag: NO_TAG,
        length,
    };
    let total = usize::try_from(length).map_err(|_| wrong.clone())?;
    match total.checked_sub(4) {
        Some(body) if body > LARGEST => Err(ProtocolError::TooLong {
            tag: NO_TAG,
            size: body as u64,
            limit: LARGEST as u64,
        }),
        Some(body) if body >= 4 => Ok(total),
        _ => Err(wrong),
    }
}

fn read_packet(body: &[u8]) -> Result<Packet, ProtocolError> {
    let mut reader = Reader::new(NO_TAG, body);
    let code = reader.u32("protocol version")?;
    match code {
        SSL => reader.end().map(|()| Packet::SslRequest),
        GSS => reader.end().map(|()| Packet::GssRequest),
        CANCEL => read_cancel(reader).map(Packet::Cancel),
        _ => {
            let [a, b, c, d] = code.to_be_bytes();
            let (major, minor) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            if major != MAJOR {
                return Err(ProtocolError::Version { major, minor });
            }
            read_startup(minor, reader).map(Packet::Startup)
        }
    }
}

fn read_cancel(mut reader: Reader<'_>) -> Result<CancelKey, ProtocolError> {
    let process = reader.i32("process")?;
    let secret = reader.rest();
    if !(SHORTEST_KEY..=LONGEST_KEY).contains(&secret.len()) {
        return Err(reader.bad("cancel key"));
    }
    Ok(CancelKey {
        process,
        secret: Bytes::copy_from_slice(secret),
    })
}

fn read_startup(minor: u16, mut reader: Reader<'_>) -> Result<Startup, ProtocolError> {
    let mut parameters: Vec<(String, String)> = Vec::new();
    loop {
        let key = reader.text("parameter name")?;
        if key.is_empty() {
            break;
        }
        let value = reader.text("parameter value")?;
        // PostgreSQL lets the last one win; two readers might not, so nobody is asked to choose.
        if parameters.iter().any(|(known, _)| known == key) {
            return Err(ProtocolError::DuplicateParameter);
        }
        parameters.push((key.to_owned(), value.to_owned()));
    }
    reader.end()?;
    let startup = Startup { minor, parameters };
    if startup.user().is_empty() {
        return Err(ProtocolError::NoUser);
    }
    Ok(startup)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(body: &[u8]) -> Result<Option<Packet>, ProtocolError> {
        let mut buffer = BytesMut::new();
        buffer.put_u32(u32::try_from(body.len()).unwrap() + 4);
        buffer.put_slice(body);
        next_packet(&mut buffer)
    }

    fn startup(version: u32, parameters: &[u8]) -> Result<Option<Packet>, ProtocolError> {
        packet(&[&version.to_be_bytes()[..], parameters].concat())
    }

    #[test]
    fn a_startup_packet_survives_the_round_trip() {
        let sent = Startup::new(
            Minor::V2,
            vec![
                ("user".into(), "agent".into()),
                ("application_name".into(), "psql".into()),
            ],
        );
        let mut buffer = BytesMut::new();
        sent.write(&mut buffer).unwrap();
        let Some(Packet::Startup(read)) = next_packet(&mut buffer).unwrap() else {
            panic!("a startup packet was sent");
        };
        assert_eq!(read, sent);
        assert_eq!((read.user(), read.database()), ("agent", "agent"));
        assert!(buffer.is_empty());
    }

    #[test]
    fn requests_survive_the_round_trip() {
        let key = CancelKey {
            process: 7,
            secret: Bytes::from_static(&[9; 32]),
        };
        let mut buffer = BytesMut::new();
        write_ssl_request(&mut buffer);
        write_gss_request(&mut buffer);
        key.write_request(&mut buffer).unwrap();
        assert_eq!(next_packet(&mut buffer), Ok(Some(Packet::SslRequest)));
        assert_eq!(next_packet(&mut buffer), Ok(Some(Packet::GssRequest)));
        assert!(!format!("{key:?}").contains('9'));
        assert_eq!(next_packet(&mut buffer), Ok(Some(Packet::Cancel(key))));
        assert_eq!(next_packet(&mut buffer), Ok(None));
    }

    #[test]
    fn a_cancel_key_of_a_wrong_size_is_refused() {
        for size in [0, 3, 257] {
            let body = [&CANCEL.to_be_bytes()[..], &[0; 4], &vec![1; size]].concat();
            assert!(packet(&body).is_err(), "{size} bytes");
        }
    }

    #[test]
    fn bad_startup_packets_are_refused() {
        let v3 = 0x0003_0000;
        assert_eq!(
            startup(v3, b"user\0a\0user\0b\0\0"),
            Err(ProtocolError::DuplicateParameter)
        );
        assert_eq!(startup(v3, b"\0"), Err(ProtocolError::NoUser));
        assert_eq!(startup(v3, b"user\0\0\0"), Err(ProtocolError::NoUser));
        assert!(matches!(
            startup(v3, b"user\0a\0"),
            Err(ProtocolError::Truncated { .. })
        ));
        assert!(matches!(
            startup(v3, b"user\0a\0\0x"),
            Err(ProtocolError::Trailing { .. })
        ));
        assert!(matches!(
            startup(v3, b"user\0\xff\0\0"),
            Err(ProtocolError::NotUtf8 { .. })
        ));
        assert_eq!(
            startup(0x0002_0000, b""),
            Err(ProtocolError::Version { major: 2, minor: 0 })
        );
        assert!(packet(&[0; LARGEST + 1]).is_err());
        assert!(packet(b"").is_err());
    }

    #[test]
    fn versions_and_extensions_are_negotiated_down() {
        let cases = [
            (0x0003_0000, &b"user\0a\0\0"[..], Minor::V0, false),
            (0x0003_0001, b"user\0a\0\0", Minor::V0, true),
            (0x0003_0002, b"user\0a\0\0", Minor::V2, false),
            (0x0003_270f, b"user\0a\0\0", Minor::V2, true),
            (0x0003_0000, b"user\0a\0_pq_.x\x001\0\0", Minor::V0, true),
        ];
        for (version, parameters, minor, must_tell) in cases {
            let Some(Packet::Startup(read)) = startup(version, parameters).unwrap() else {
                panic!("a startup packet was sent");
            };
            let agreement = read.agreement();
            assert_eq!((agreement.minor, agreement.must_tell), (minor, must_tell));
        }
    }

    #[test]
    fn the_negotiation_is_written_as_the_protocol_says() {
        let agreement = Agreement {
            minor: Minor::V2,
            unknown: vec!["_pq_.x".into()],
            must_tell: true,
        };
        let mut out = BytesMut::new();
        agreement.write(&mut out).unwrap();
        assert_eq!(&out[..], b"v\0\0\0\x13\0\x03\0\x02\0\0\0\x01_pq_.x\0");
    }
}
