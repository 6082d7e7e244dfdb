//! Frames and messages that clients send, and those that they had better not.

use proptest::prelude::*;

use super::*;
use crate::http::{Body, Request, Scheme};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// All that is said in `bytes`, taken `step` bytes at a time.
fn said(bytes: &[u8], most: usize, step: usize) -> Result<Vec<Item>, Broken> {
    let mut messages = Messages::new(most);
    let mut items = Vec::new();
    for piece in bytes.chunks(step) {
        let mut input = piece;
        while let Some(item) = messages.next(&mut input)? {
            items.push(item);
        }
        assert!(input.is_empty());
    }
    Ok(items)
}

/// A client's frame with the first byte as it is told.
fn raw(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame(Kind::Text, payload, Some(KEY));
    bytes[0] = first;
    bytes
}

fn texts(items: &[Item]) -> Vec<String> {
    let text = |item: &Item| match item {
        Item::Message(message) => String::from_utf8_lossy(&message.payload).into_owned(),
        Item::Control(control) => format!(
            "{:?} {}",
            control.kind,
            String::from_utf8_lossy(&control.payload)
        ),
    };
    items.iter().map(text).collect()
}

#[test]
fn the_examples_of_the_standard_are_read() {
    // RFC 6455, section 5.7.
    let hello = [
        0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    assert_eq!(frame(Kind::Text, b"Hello", Some(KEY)), hello);
    assert_eq!(texts(&said(&hello, 10, 1).unwrap()), ["Hello"]);
    assert_eq!(
        frame(Kind::Text, b"Hello", None),
        [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]
    );
    for (length, head) in [
        (256, &[0x82, 0x7e, 0x01, 0x00][..]),
        (65536, &[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        assert!(frame(Kind::Binary, &vec![0; length], None).starts_with(head));
    }
}

#[test]
fn a_message_is_put_together_and_control_frames_stand_between_its_pieces() {
    let bytes = [
        raw(0x01, b"Hel"),
        raw(0x89, b"there?"),
        raw(0x00, b""),
        raw(0x80, b"lo"),
        raw(0x82, &[0xff]),
        close(1000, "bye", Some(KEY)),
    ];
    let whole = bytes.concat();
    for step in [1, 3, whole.len()] {
        let items = said(&whole, 100, step).unwrap();
        assert_eq!(texts(&items)[..2], ["Ping there?", "Hello"]);
        let Item::Message(message) = &items[1] else {
            panic!("a message");
        };
        assert!(message.is_text);
        assert_eq!(
            message.frames,
            [&bytes[0][..], &bytes[2], &bytes[3]].concat(),
            "as they came"
        );
        let Item::Control(closed) = &items[3] else {
            panic!("a close");
        };
        assert_eq!(code_of(&closed.payload), Ok(Some(1000)));
        assert_eq!(closed.frame, bytes[5]);
        assert_eq!(items.len(), 4);
    }
}

#[test]
fn what_two_ends_could_read_in_two_ways_is_not_read() {
    let mut unmasked = frame(Kind::Text, b"x", None);
    unmasked.extend_from_slice(&[0; 8]);
    let long = |second: u8, length: &[u8]| [&[0x81, second], length, &KEY, &[0; 200]].concat();
    for (bytes, why) in [
        (raw(0xc1, b"x"), Broken::Reserved),
        (raw(0xa1, b"x"), Broken::Reserved),
        (raw(0x91, b"x"), Broken::Reserved),
        (raw(0x83, b"x"), Broken::Kind),
        (raw(0x8b, b"x"), Broken::Kind),
        (unmasked, Broken::Mask),
        (long(0xfe, &[0, 125]), Broken::Length),
        (long(0xff, &[0, 0, 0, 0, 0, 0, 0xff, 0xff]), Broken::Length),
        (long(0xff, &[0x80, 0, 0, 0, 0, 1, 0, 0]), Broken::Length),
        (raw(0x09, b"x"), Broken::Control),
        (raw(0x89, &[b'x'; 126]), Broken::Control),
        (raw(0x80, b"x"), Broken::Order),
        ([raw(0x01, b"x"), raw(0x81, b"y")].concat(), Broken::Order),
        ([raw(0x01, b"x"), raw(0x02, b"y")].concat(), Broken::Order),
        (raw(0x81, &[0xc3, 0x28]), Broken::Text),
        (
            [raw(0x01, &[0xe2, 0x82]), raw(0x80, b"x")].concat(),
            Broken::Text,
        ),
        (raw(0x88, &[3]), Broken::Close),
        (raw(0x88, &[0x03, 0xed]), Broken::Close),
        (raw(0x88, &[0x03, 0xe8, 0xff]), Broken::Close),
        (
            [raw(0x88, b""), raw(0x81, b"more")].concat(),
            Broken::AfterClose,
        ),
        (raw(0x81, &[b'x'; 101]), Broken::TooLong),
        (
            [raw(0x01, &[b'x'; 60]), raw(0x80, &[b'x'; 60])].concat(),
            Broken::TooLong,
        ),
        (
            [raw(0x01, b""), raw(0x00, b"").repeat(100)].concat(),
            Broken::TooLong,
        ),
    ] {
        for step in [1, 7, bytes.len()] {
            assert_eq!(said(&bytes, 100, step), Err(why), "{bytes:?}");
        }
        assert!(matches!(why.code(), 1002 | 1007 | 1009));
    }
    // A character may be cut in two by the pieces.
    let euro = [raw(0x01, &[0xe2, 0x82]), raw(0x80, &[0xac])].concat();
    assert_eq!(texts(&said(&euro, 10, 1).unwrap()), ["\u{20ac}"]);
}

#[test]
fn a_message_that_is_too_long_is_not_waited_for() {
    let mut messages = Messages::new(1 << 20);
    let head = [0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4];
    assert_eq!(messages.next(&mut &head[..]), Err(Broken::TooLong));
}

#[test]
fn a_server_does_not_mask() {
    let mut frames = Frames::of(Side::Server);
    let bytes = frame(Kind::Text, b"x", Some(KEY));
    assert_eq!(frames.next(&mut bytes.as_slice()), Err(Broken::Mask));
}

#[test]
fn a_reason_that_is_too_long_is_cut_between_characters() {
    let closed = close(1008, &"\u{e9}".repeat(100), None);
    assert_eq!(closed.len(), 2 + 2 + 122);
    assert_eq!(code_of(&closed[2..]), Ok(Some(1008)));
    assert_eq!(code_of(b""), Ok(None));
}

fn request(headers: &[(&str, &str)]) -> Request {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Request {
        method: "GET".to_owned(),
        scheme: Scheme::Https,
        host: "ws.example".to_owned(),
        port: 443,
        raw_path: "/chat".to_owned(),
        segments: vec!["chat".to_owned()],
        query: vec![],
        headers: headers.iter().map(own).collect(),
        body: Body::Absent,
    }
}

const GOOD: [(&str, &str); 2] = [
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

#[test]
fn a_handshake_is_read_and_its_answer_checked() {
    let chat = ("sec-websocket-protocol", "chat, superchat");
    let opening = Opening::read(&request(&[GOOD[0], GOOD[1], chat])).unwrap();
    assert_eq!(opening.protocols(), ["chat", "superchat"]);
    let accept = ("sec-websocket-accept", &b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="[..]);
    assert_eq!(opening.answered(&[accept]), Ok(None));
    let chosen = ("sec-websocket-protocol", &b"superchat"[..]);
    assert_eq!(opening.answered(&[accept, chosen]), Ok(Some("superchat")));
    for bad in [
        &[][..],
        &[("sec-websocket-accept", &b"s3pPLMBiTxaQ9kYGzzhZRbK+xO0="[..])],
        &[accept, accept],
        &[accept, chosen, chosen],
        &[accept, ("sec-websocket-protocol", &b"other"[..])],
        &[accept, ("sec-websocket-protocol", &b""[..])],
        &[
            accept,
            ("sec-websocket-extensions", &b"permessage-deflate"[..]),
        ],
        &[accept, ("sec-websocket-extensions", &b""[..])],
    ] {
        assert!(opening.answered(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn what_is_no_handshake_is_refused() {
    let mut posted = request(&GOOD);
    posted.method = "POST".to_owned();
    let mut carries = request(&GOOD);
    carries.body = Body::Form(vec![]);
    for bad in [
        posted,
        carries,
        request(&GOOD[..1]),
        request(&GOOD[1..]),
        request(&[GOOD[0], GOOD[1], GOOD[1]]),
        request(&[("sec-websocket-version", "8"), GOOD[1]]),
        request(&[GOOD[0], ("sec-websocket-key", "dGhlIHNhbXBsZQ==")]),
        request(&[GOOD[0], ("sec-websocket-key", "no base64 at all")]),
        request(&[GOOD[0], GOOD[1], ("sec-websocket-protocol", "a,,b")]),
        request(&[GOOD[0], GOOD[1], ("sec-websocket-protocol", "a b")]),
    ] {
        assert!(Opening::read(&bad).is_err(), "{:?}", bad.headers);
    }
}

proptest! {
    /// However it is cut, what is said is the same; and what is said comes out as it came.
    #[test]
    fn where_bytes_are_cut_changes_nothing(
        payloads in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..400)), 1..6),
        cut in 1_usize..50,
        key in any::<[u8; 4]>(),
    ) {
        let mut bytes = Vec::new();
        for (ping, payload) in &payloads {
            let short = payload.get(..payload.len().min(125)).unwrap_or_default();
            bytes.extend(match ping {
                true => frame(Kind::Ping, short, Some(key)),
                false => frame(Kind::Binary, payload, Some(key)),
            });
        }
        let items = said(&bytes, 1000, cut).unwrap();
        prop_assert_eq!(&items, &said(&bytes, 1000, bytes.len()).unwrap());
        let frames: Vec<u8> = items.iter().flat_map(|item| match item {
            Item::Message(message) => message.frames.clone(),
            Item::Control(control) => control.frame.clone(),
        }).collect();
        prop_assert_eq!(frames, bytes);
        for (item, (_, payload)) in items.iter().zip(&payloads) {
            let said = match item {
                Item::Message(message) => &message.payload,
                Item::Control(control) => &control.payload,
            };
            prop_assert!(payload.starts_with(said));
        }
    }

    /// Any bytes are read without a panic, and the same however they are cut.
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 1_usize..20) {
        let all = bytes.len().max(1);
        prop_assert_eq!(said(&bytes, 100, cut), said(&bytes, 100, all));
    }
}
