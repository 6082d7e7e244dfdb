//! Any bytes as an answer in which real credentials stand: what comes out holds none of them, is as long as what came in,
//! and is the same however it was cut in pieces.
//!
//! A byte of 0xf0 to 0xff puts one of the secrets in at its place, in one of the ways to write it; the first byte says
//! how long pieces are.
//!
//! Run with `scripts/fuzz.sh 60 masking`.

#![no_main]

use std::sync::LazyLock;

use backstop_core::secret::Secret;
use backstop_wire::secrets::Known;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;

const SECRETS: [&str; 3] = ["9b2f6c1e-5d0a-4f6e-8a3c-2d7e1f4b6a90", "bk_Zx81qPvQ2mLx8ZbN4rW", "p\"a/s<s&w\\o'rd 9"];

static KNOWN: LazyLock<Known<usize>> = LazyLock::new(|| {
    let secrets = SECRETS.iter().map(|secret| Secret::new((*secret).to_owned()));
    Known::new(secrets.enumerate()).expect("three are not too many")
});

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let text = written(rest);
    let whole = masked(&text, text.len().max(1));
    assert_eq!(whole.len(), text.len());
    assert!(KNOWN.find_in(&whole).is_empty(), "one is left");
    assert_eq!(masked(&text, usize::from(*first).max(1)), whole);
    assert_eq!(masked(&text, 1), whole);
    // What only looks passes everything on, and finds one where there is one.
    let (mut out, mut found) = (Vec::new(), false);
    let mut finder = KNOWN.finder();
    for piece in text.chunks(usize::from(*first).max(1)) {
        found |= !finder.feed(piece, &mut out).is_empty();
    }
    finder.finish(&mut out);
    assert_eq!(out, text);
    if text.len() >= backstop_wire::secrets::SHORTEST {
        assert_eq!(found, !KNOWN.find_in(&text).is_empty());
    }
});

fn masked(text: &[u8], size: usize) -> Vec<u8> {
    let (mut masker, mut out) = (KNOWN.masker(), Vec::new());
    for piece in text.chunks(size) {
        let _ = masker.feed(piece, &mut out);
    }
    masker.finish(&mut out);
    out
}

fn written(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in bytes {
        let Some(which) = byte.checked_sub(0xf0) else {
            out.push(*byte);
            continue;
        };
        let secret = SECRETS[usize::from(which % 3)];
        match which / 3 {
            0 => out.extend_from_slice(secret.as_bytes()),
            1 => out.extend(secret.bytes().flat_map(|b| format!("%{b:02X}").into_bytes())),
            2 => out.extend_from_slice(STANDARD.encode(format!("user:{secret}")).as_bytes()),
            3 => out.extend(secret.bytes().flat_map(|b| format!("\\u{b:04x}").into_bytes())),
            _ => out.extend(secret.bytes().flat_map(|b| format!("{b:02x}").into_bytes())),
        }
    }
    out
}
