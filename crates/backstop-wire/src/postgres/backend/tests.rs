//! Every message there and back, and every way in which one can be wrong.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;

fn round_trip(tag: u8, body: &[u8]) {
    let message = BackendMessage::parse(tag, body)
        .unwrap_or_else(|error| panic!("{} {body:?}: {error}", char::from(tag)));
    let mut out = BytesMut::new();
    message.write(&mut out).unwrap();
    assert_eq!((out[0], &out[5..]), (tag, body));
}

#[test]
fn every_message_survives_the_round_trip() {
    let cases: [(u8, &[u8]); 32] = [
        (b'R', b"\0\0\0\0"),
        (b'R', b"\0\0\0\x03"),
        (b'R', b"\0\0\0\x05salt"),
        (b'R', b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"),
        (b'R', b"\0\0\0\x0br=abc"),
        (b'R', b"\0\0\0\x0cv=abc"),
        (b'R', b"\0\0\0\x07"),
        (b'K', b"\0\0\0\x07keys"),
        (b'1', b""),
        (b'2', b""),
        (b'3', b""),
        (b'C', b"INSERT 0 1\0"),
        (b'G', b"\0\0\x02\0\0\0\x01"),
        (b'H', b"\x01\0\0"),
        (b'W', b"\0\0\0"),
        (b'd', b"1\t2\n"),
        (b'c', b""),
        (b'D', b"\0\x02\0\0\0\x01x\xff\xff\xff\xff"),
        (b'I', b""),
        (b'E', b"SERROR\0VERROR\0C42601\0Msyntax error\0\0"),
        (b'N', b"SNOTICE\0\0"),
        (b'V', b"\0\0\0\x01x"),
        (b'V', b"\xff\xff\xff\xff"),
        (b'v', b"\0\x03\0\0\0\0\0\x01_pq_.x\0"),
        (b'n', b""),
        (b'A', b"\0\0\0\x07channel\0payload\0"),
        (b't', b"\0\x01\0\0\0\x17"),
        (b'S', b"TimeZone\0UTC\0"),
        (b's', b""),
        (b'Z', b"T"),
        (
            b'T',
            b"\0\x01id\0\0\0\x40\0\0\x01\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0",
        ),
        (b'T', b"\0\0"),
    ];
    for (tag, body) in cases {
        round_trip(tag, body);
    }
}

#[test]
fn wrong_bodies_are_refused() {
    let cases: [(u8, &[u8]); 12] = [
        (b'Z', b"X"),
        (b'Z', b"II"),
        (b'1', b"x"),
        (b'C', b"SELECT 1"),
        (b'D', b"\0\x01\0\0\0\x02x"),
        (b'E', b"SERROR\0"),
        (b'K', b"\0\0\0\x07abc"),
        (b'R', b"\0\0\0\x0aSCRAM-SHA-256\0"),
        (b'v', b"\0\x03\0\0\xff\xff\xff\xff"),
        (b't', b"\0\x02\0\0\0\x17"),
        (b'G', b"\0\0\x02\0\0"),
        (b'?', b""),
    ];
    for (tag, body) in cases {
        assert!(BackendMessage::parse(tag, body).is_err(), "{body:?}");
    }
}

#[test]
fn a_report_has_its_fields_in_place() {
    let report = Report::error(SqlState::new("42501").unwrap(), "held\0for a person")
        .detail("it drops a table")
        .hint("ask for approval")
        .position(7);
    let bytes = report.to_bytes();
    let Ok(BackendMessage::ErrorResponse(fields)) = BackendMessage::parse(b'E', &bytes[5..]) else {
        panic!("it is an error");
    };
    assert_eq!(fields.code().as_str(), "42501");
    assert_eq!(fields.message(), "held\u{fffd}for a person");
    assert_eq!(fields.get(b'V'), Some(&b"ERROR"[..]));
    assert_eq!(fields.text(b'H').unwrap(), "ask for approval");
    assert_eq!(fields.text(b'P').unwrap(), "7");
    assert!(!fields.is_fatal());
}

#[test]
fn a_notice_is_no_error() {
    let code = SqlState::new("01000").unwrap();
    let notice = Report::new(Severity::Notice, code, "held").to_bytes();
    assert_eq!(notice[0], b'N');
}

#[test]
fn the_code_is_seen_in_the_beginning_of_a_long_error() {
    let beginning = Fields::beginning(b"SFATAL\0VFATAL\0C57P01\0Mterminating conn");
    assert_eq!(beginning.code().as_str(), "57P01");
    assert!(beginning.is_fatal());
    assert_eq!(beginning.message(), "");
}

#[test]
fn a_command_tag_tells_what_and_how_many() {
    let parse = |text: &'static [u8]| CommandTag::parse(text).unwrap();
    assert_eq!(parse(b"INSERT 0 12\0").rows(), Some(12));
    assert_eq!(parse(b"INSERT 0 12\0").command(), "INSERT");
    assert_eq!(parse(b"CREATE TABLE\0").rows(), None);
    assert_eq!(parse(b"CREATE TABLE\0").command(), "CREATE TABLE");
}

#[test]
fn rows_are_written_and_read() {
    let column = Column {
        name: "id",
        table: 0,
        attribute: 0,
        type_oid: 23,
        type_size: 4,
        type_modifier: -1,
        format: 0,
    };
    let mut out = BytesMut::new();
    RowDescription::write_columns(&[column], &mut out).unwrap();
    let description = RowDescription::parse(&out[5..]).unwrap();
    assert_eq!(description.columns().collect::<Vec<_>>(), [column]);
    let mut out = BytesMut::new();
    DataRow::write_values(&[Some(b"7"), None], &mut out).unwrap();
    let row = DataRow::parse(&out[5..]).unwrap();
    assert_eq!(row.values().collect::<Vec<_>>(), [Some(&b"7"[..]), None]);
}

#[test]
fn mechanisms_are_listed() {
    let message = BackendMessage::Authentication(Authentication::Sasl(Mechanisms::new(
        b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0",
    )));
    let mut out = BytesMut::new();
    message.write(&mut out).unwrap();
    let Ok(BackendMessage::Authentication(Authentication::Sasl(read))) =
        BackendMessage::parse(out[0], &out[5..])
    else {
        panic!("it offers SASL");
    };
    assert!(read.contains("SCRAM-SHA-256") && !read.contains("SCRAM"));
    assert_eq!(read.iter().count(), 2);
}

#[test]
fn every_type_has_a_class() {
    for tag in tag::ALL {
        assert_ne!(class(tag), Class::Unknown, "{}", char::from(tag));
    }
    assert_eq!(class(b'?'), Class::Unknown);
}

#[test]
fn a_key_with_its_secret_is_written_whole() {
    let key = CancelKey {
        process: 1,
        secret: Bytes::from_static(&[5; 32]),
    };
    let mut out = BytesMut::new();
    BackendMessage::BackendKeyData(key.clone())
        .write(&mut out)
        .unwrap();
    assert_eq!(
        BackendMessage::parse(b'K', &out[5..]),
        Ok(BackendMessage::BackendKeyData(key))
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(tag in any::<u8>(), body in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = BackendMessage::parse(tag, &body) {
            let mut out = BytesMut::new();
            message.write(&mut out).unwrap();
            prop_assert_eq!(out[0], tag);
        }
        let fields = Fields::beginning(&body);
        prop_assert!(fields.iter().count() <= body.len());
        prop_assert_eq!(fields.code().as_str().len(), 5);
    }
}
