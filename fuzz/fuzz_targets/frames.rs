//! Any bytes as what a WebSocket's client says, in pieces of any size: read without a panic, the same however they are
//! cut, and what passes is what came. The same of the messages of a gRPC call.
//!
//! Run with `scripts/fuzz.sh 60 frames`.

#![no_main]

use backstop_wire::grpc;
use backstop_wire::websocket::{Broken, Item, Messages};
use libfuzzer_sys::fuzz_target;

/// What a message may have.
const MOST: usize = 4096;

fn said(bytes: &[u8], step: usize) -> (Vec<Item>, Option<Broken>) {
    let mut messages = Messages::new(MOST);
    let mut items = Vec::new();
    for mut piece in bytes.chunks(step) {
        loop {
            match messages.next(&mut piece) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(broken) => return (items, Some(broken)),
            }
        }
        assert!(messages.held() <= 3 * MOST);
    }
    (items, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((step, bytes)) = data.split_first() else { return };
    let step = usize::from(*step).max(1);
    let (items, broken) = said(bytes, step);
    let (whole, end) = said(bytes, bytes.len().max(1));
    assert!(items == whole && broken == end);
    let came: usize = items
        .iter()
        .map(|item| match item {
            Item::Message(message) => message.frames.len(),
            Item::Control(control) => control.frame.len(),
        })
        .sum();
    assert!(came <= bytes.len());

    let mut messages = grpc::Messages::asked();
    let mut passed = Vec::new();
    for mut piece in bytes.chunks(step) {
        loop {
            match messages.next(&mut piece) {
                Ok(Some(one)) => passed.extend_from_slice(one.bytes),
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
    assert_eq!(passed, bytes);
});
