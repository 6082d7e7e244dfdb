use std::io::Write as _;

use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use flate2::{Compression, GzBuilder};

use super::*;

const TEXT: &[u8] = b"{\"volume\":\"4f2c\"} and some more, and some more, and some more";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstandard(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

fn off(sent: &[u8], encoding: &str) -> Result<Vec<u8>, Refused> {
    take_off(sent, Some(encoding), None).map(|decoded| decoded.bytes.into_owned())
}

#[test]
fn encodings_are_taken_off_in_the_order_they_were_put_on() {
    for (sent, encoding) in [
        (TEXT.to_vec(), "identity"),
        (gzip(TEXT), "gzip"),
        (gzip(TEXT), "GZIP, identity"),
        (gzip(TEXT), "x-gzip"),
        (zlib(TEXT), "deflate"),
        (zstandard(TEXT), "zstd"),
        (zstandard(&gzip(TEXT)), "gzip, zstd"),
        (gzip(&zlib(TEXT)), "deflate,gzip"),
    ] {
        assert_eq!(off(&sent, encoding).as_deref(), Ok(TEXT), "{encoding}");
    }
    assert!(off(&gzip(&zlib(TEXT)), "gzip, deflate").is_err());
    assert_eq!(off(&zlib(b""), "deflate").as_deref(), Ok(&b""[..]));
}

#[test]
fn unknown_encodings_and_high_stacks_are_refused() {
    for encoding in [
        "br",
        "compress",
        "utf-8",
        "",
        "gzip,",
        "gzip;q=1",
        "gzip gzip",
        "aws-chunked, aws-chunked",
    ] {
        assert!(off(&gzip(TEXT), encoding).is_err(), "{encoding}");
    }
    assert!(off(&gzip(&gzip(&gzip(TEXT))), "gzip, gzip, gzip").is_err());
}

#[test]
fn streams_that_end_early_or_go_on_are_refused() {
    for (sent, encoding) in [
        (gzip(TEXT), "gzip"),
        (zlib(TEXT), "deflate"),
        (zstandard(TEXT), "zstd"),
    ] {
        for end in 0..sent.len() {
            assert!(
                off(&sent[..end], encoding).is_err(),
                "{encoding} cut at {end}"
            );
        }
        let longer = [sent.as_slice(), b"\0"].concat();
        assert!(off(&longer, encoding).is_err(), "{encoding} and a byte");
        let twice = [sent.as_slice(), sent.as_slice()].concat();
        assert!(off(&twice, encoding).is_err(), "{encoding} twice");
        assert!(
            off(TEXT, encoding).is_err(),
            "{encoding} of nothing of the kind"
        );
    }
}

#[test]
fn checksums_count() {
    let mut sent = gzip(TEXT);
    let crc = sent.len() - 8;
    sent[crc] ^= 1;
    assert!(off(&sent, "gzip").is_err());
    let mut sent = zlib(TEXT);
    *sent.last_mut().unwrap() ^= 1;
    assert!(off(&sent, "deflate").is_err());
}

#[test]
fn bombs_are_refused() {
    let zeros = zstandard(&vec![0; EXPANDED + 1]);
    let most = zstandard(&vec![0; EXPANDED]);
    assert_eq!(off(&most, "zstd").map(|out| out.len()), Ok(EXPANDED));
    for (sent, encoding) in [
        (gzip_bomb(), "gzip"),
        (zlib_bomb(), "deflate"),
        (zeros.clone(), "zstd"),
        (gzip(&zeros), "zstd, gzip"),
    ] {
        let refusal = off(&sent, encoding).unwrap_err();
        assert!(refusal.what.contains("grows"), "{encoding}: {refusal}");
    }
}

/// Blocks without an end: reading must stop long before it.
fn gzip_bomb() -> Vec<u8> {
    [b"\x1F\x8B\x08\0\0\0\0\0\0\xFF".as_slice(), &stored_blocks()].concat()
}

fn zlib_bomb() -> Vec<u8> {
    [b"\x78\x9C".as_slice(), &stored_blocks()].concat()
}

/// Stored, as this is quick to read without optimisation; what counts is the length of the output.
fn stored_blocks() -> Vec<u8> {
    let block = [b"\0\xFF\xFF\0\0".as_slice(), &[b'a'; 0xFFFF]].concat();
    block.repeat(EXPANDED / 0xFFFF + 2)
}

#[test]
fn deflate_has_to_be_zlib_and_nothing_else() {
    assert!(
        off(&deflate(TEXT), "deflate")
            .unwrap_err()
            .what
            .contains("zlib frame")
    );
    assert!(
        off(&both_zlib_and_deflate(), "deflate")
            .unwrap_err()
            .what
            .contains("bare deflate")
    );
}

/// zlib to one, a stored block of bare deflate to the other: the frame's two bytes are the block's head and the first
/// byte of its length.
fn both_zlib_and_deflate() -> Vec<u8> {
    // As bare deflate: stored, not last, length 0x0001 with its complement 0xFFFE, one byte, then an empty last block.
    // As zlib (78 01): a stored block cannot follow, so the data begins with what reads as a fixed block: 0x00 would be
    // a stored one whose length is FE FF and whose complement is the next two bytes: 01 00.
    let mut bytes = vec![0x78, 0x01, 0x00, 0xFE, 0xFF, 0x01, 0x00];
    // zlib: 0xFFFE bytes of content; bare deflate has had its one byte (0x01) and goes on at 0x00.
    let at = bytes.len();
    bytes.resize(at + 0xFFFE, b'a');
    // Bare deflate, from the last 0x00 on: stored, not last; make its length run to the end of zlib's content.
    let inner = bytes.len() - at - 4;
    let length = u16::try_from(inner).unwrap().to_le_bytes();
    let complement = (!u16::try_from(inner).unwrap()).to_le_bytes();
    bytes[at..at + 4].copy_from_slice(&[length[0], length[1], complement[0], complement[1]]);
    let content = bytes[at..].to_vec();
    // Both now expect a block: an empty last one.
    bytes.extend([0x01, 0x00, 0x00, 0xFF, 0xFF]);
    bytes.extend(adler32(&content).to_be_bytes());
    bytes
}

fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1u32, 0u32), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65521;
        (a, (b + a) % 65521)
    });
    b << 16 | a
}

#[test]
fn other_frames_dictionaries_and_wide_windows_are_refused() {
    let skippable = [b"\x50\x2A\x4D\x18\x01\0\0\0x".as_slice(), &zstandard(TEXT)].concat();
    assert!(off(&skippable, "zstd").is_err());
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(TEXT).unwrap();
    assert!(off(&encoder.finish().unwrap(), "zstd").is_err());
    let mut encoder = zstd::Encoder::with_dictionary(Vec::new(), 3, TEXT).unwrap();
    encoder.write_all(TEXT).unwrap();
    assert!(off(&encoder.finish().unwrap(), "zstd").is_err());
}

#[test]
fn what_a_server_could_read_without_decoding_is_marked() {
    let named = {
        let mut encoder = GzBuilder::new()
            .filename("&action=delete&")
            .write(Vec::new(), Compression::default());
        encoder.write_all(b"a=1").unwrap();
        encoder.finish().unwrap()
    };
    for (sent, encoding, marked) in [
        (TEXT.to_vec(), "identity", false),
        (gzip(b"a=1"), "gzip", false),
        (named, "gzip", true),
        (zlib(b"a=1"), "deflate", true),
        (zstandard(b"a=1"), "zstd", true),
    ] {
        assert_eq!(
            take_off(&sent, Some(encoding), None).map(|d| d.is_legible),
            Ok(marked),
            "{encoding}"
        );
    }
}

#[test]
fn uploads_in_the_frame_of_s3() {
    let signed = b"5;chunk-signature=ad80c730a21e5b8d\r\nhello\r\n6\r\n world\r\n0;chunk-signature=b6c6ea8a\r\n\r\n";
    let trailer = b"b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";
    for sent in [
        &signed[..],
        &trailer[..],
        b"B\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n",
    ] {
        assert_eq!(
            take_off(sent, Some("aws-chunked"), Some("11"))
                .map(|d| d.bytes.into_owned())
                .as_deref(),
            Ok(&b"hello world"[..])
        );
    }
    let packed = gzip(b"x");
    let framed = [
        format!("{:x}\r\n", packed.len()).as_bytes(),
        &packed,
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    assert_eq!(off(&framed, "aws-chunked,gzip").as_deref(), Ok(&b"x"[..]));
    assert_eq!(off(&framed, "gzip, aws-chunked").as_deref(), Ok(&b"x"[..]));
    for sent in [
        &b""[..],
        b"hello",
        b"5\r\nhello",
        b"5\r\nhello\r\n",
        b"5\r\nhello\r\n0\r\n\r\nx",
        b"6\r\nhello\r\n0\r\n\r\n",
        b"5;x=y\r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\n0\n\n",
        b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        b"0\r\nno name\r\n\r\n",
    ] {
        assert!(off(sent, "aws-chunked").is_err(), "{sent:?}");
    }
    assert!(take_off(b"5\r\nhello\r\n0\r\n\r\n", Some("aws-chunked"), Some("6")).is_err());
}
