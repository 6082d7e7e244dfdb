//! Every message there and back, and every way in which one can be wrong.

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;

fn round_trip(message: FrontendMessage<'_>) {
    let mut out = BytesMut::new();
    message.write(&mut out).unwrap();
    let header = crate::postgres::frame::peek_header(&out).unwrap().unwrap();
    assert_eq!(header.total(), out.len());
    assert_eq!(FrontendMessage::parse(out[0], &out[5..]), Ok(message));
}

#[test]
fn every_message_survives_the_round_trip() {
    let bind_body = b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x02hi\xff\xff\xff\xff\0\0";
    let bind = FrontendMessage::parse(b'B', bind_body).unwrap();
    let call = FrontendMessage::parse(b'F', b"\0\0\x04\xd2\0\0\0\x01\0\0\0\x01x\0\x01").unwrap();
    let parse = FrontendMessage::parse(b'P', b"s\0SELECT $1\0\0\x01\0\0\0\x17").unwrap();
    let FrontendMessage::Parse(inner) = parse else {
        panic!("it is a Parse");
    };
    assert_eq!(inner.types().collect::<Vec<_>>(), [23]);
    for message in [
        bind,
        call,
        parse,
        FrontendMessage::Parse(Parse::new("", "SELECT 1")),
        FrontendMessage::Bind(Bind::new("p", "s")),
        FrontendMessage::Close(Named::Statement("s")),
        FrontendMessage::Close(Named::Portal("")),
        FrontendMessage::CopyData(b"1\t2\n"),
        FrontendMessage::CopyDone,
        FrontendMessage::CopyFail("no more"),
        FrontendMessage::Describe(Named::Portal("p")),
        FrontendMessage::Execute(Execute {
            portal: "p",
            max_rows: 10,
        }),
        FrontendMessage::Flush,
        FrontendMessage::Password(b"secret\0"),
        FrontendMessage::Query("SELECT 1"),
        FrontendMessage::Sync,
        FrontendMessage::Terminate,
    ] {
        round_trip(message);
    }
}

#[test]
fn a_bind_shows_its_parameters_without_copying() {
    let body = b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x02hi\xff\xff\xff\xff\0\x02\0\0\0\x01";
    let Ok(FrontendMessage::Bind(bind)) = FrontendMessage::parse(b'B', body) else {
        panic!("it is a Bind");
    };
    assert_eq!((bind.portal, bind.statement), ("p", "s"));
    let parameters: Vec<_> = bind.parameters.iter().collect();
    assert_eq!(parameters, [Some(&b"hi"[..]), None]);
    assert_eq!(bind.parameter_formats.of(1), Some(1));
    assert_eq!(bind.result_formats.iter().collect::<Vec<_>>(), [0, 1]);
    assert_eq!(bind.result_formats.of(2), None);
}

#[test]
fn wrong_bodies_are_refused() {
    let cases: [(u8, &[u8]); 16] = [
        (b'Q', b"SELECT 1"),
        (b'Q', b"SELECT 1\0x"),
        (b'Q', b"SELECT '\xff'\0"),
        (b'Q', b"a\0b\0"),
        (b'P', b"s\0SELECT 1\0\0\x01"),
        (b'P', b"s\0SELECT 1\0"),
        (b'P', b"s\0SELECT 1\0\0\0\0"),
        (b'B', b"p\0s\0\0\0\0\x01\0\0\0\x05hi\0\0"),
        (b'B', b"p\0s\0\0\0\0\x01\xff\xff\xff\xfe\0\0"),
        (b'B', b"p\0s\0\0\0\0\0\0\0\0"),
        (b'D', b"X\0"),
        (b'C', b"S"),
        (b'E', b"p\0\0\0\0"),
        (b'S', b"\0"),
        (b'H', b"\0"),
        (b'z', b""),
    ];
    for (tag, body) in cases {
        let read = FrontendMessage::parse(tag, body);
        assert!(read.is_err(), "{} {body:?} gave {read:?}", char::from(tag));
    }
}

#[test]
fn the_names_of_a_long_bind_are_seen_early() {
    assert_eq!(bind_names(b"port"), Ok(None));
    assert_eq!(bind_names(b"portal\0stat"), Ok(None));
    assert_eq!(
        bind_names(b"portal\0statement\0\0\0\0"),
        Ok(Some(BindNames {
            portal: "portal",
            statement: "statement"
        }))
    );
    assert!(bind_names(b"\xff\0s\0").is_err());
}

#[test]
fn a_nul_inside_is_not_written_and_leaves_nothing_behind() {
    let mut out = BytesMut::from(&b"before"[..]);
    let result = FrontendMessage::Query("a\0b").write(&mut out);
    assert_eq!(result, Err(EncodeError::Nul));
    assert_eq!(&out[..], b"before");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(tag in any::<u8>(), body in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = FrontendMessage::parse(tag, &body) {
            let mut out = BytesMut::new();
            message.write(&mut out).unwrap();
            prop_assert_eq!(out[0], tag);
            if tag != b'X' {
                prop_assert_eq!(&out[5..], &body[..]);
            }
        }
        let _ = bind_names(&body);
        let _ = SaslInitialResponse::parse(&body);
        let _ = password(&body);
    }

    #[test]
    fn any_stream_is_cut_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let limits = crate::postgres::Limits::frontend(100, 50);
        let mut buffer = BytesMut::from(&bytes[..]);
        while let Ok(Some(frame)) = crate::postgres::frame::next_frame(&mut buffer, &limits) {
            let _ = FrontendMessage::parse(frame.tag, frame.body());
        }
        let mut buffer = BytesMut::from(&bytes[..]);
        while let Ok(Some(_)) = crate::postgres::startup::next_packet(&mut buffer) {}
    }
}
