//! Secrets of the right shape, new for each run, so that no scanner finds one in this repository.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// A small generator, seeded by the clock and printed, so that a failure can be had again.
pub struct Random(u64);

pub const HEX: &[u8] = b"0123456789abcdef";
pub const ALNUM: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
pub const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
pub const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

impl Random {
    pub fn new() -> Self {
        let seed = match std::env::var("BACKSTOP_TEST_SEED") {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64,
        };
        println!("BACKSTOP_TEST_SEED={seed}");
        Self(seed | 1)
    }

    pub fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// `length` characters of `set`, with two digits among them where the set has letters and digits.
    pub fn of(&mut self, set: &[u8], length: usize) -> String {
        let mut text: Vec<u8> = (0..length)
            .map(|_| set[(self.next() >> 33) as usize % set.len()])
            .collect();
        if set.contains(&b'7') && set.contains(&b'a') && length > 8 {
            (text[2], text[5], text[7]) = (b'7', b'4', b'e');
        }
        String::from_utf8(text).unwrap()
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| (self.next() >> 40) as u8).collect()
    }

    pub fn uuid(&mut self) -> String {
        let part = |random: &mut Self, length| random.of(HEX, length);
        format!(
            "{}-{}-4{}-a{}-{}",
            part(self, 8),
            part(self, 4),
            part(self, 3),
            part(self, 3),
            part(self, 12)
        )
    }

    /// Forty characters as AWS makes them.
    pub fn aws(&mut self) -> String {
        STANDARD.encode(self.bytes(30)).replace('+', "k")
    }

    /// What a person or a password manager chooses.
    pub fn password(&mut self) -> String {
        format!(
            "{}#{}-{}",
            self.of(ALNUM, 6),
            self.of(ALNUM, 5),
            self.of(b"23456789", 3)
        )
    }

    pub fn jwt(&mut self, claims: &str) -> String {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        let body = URL_SAFE_NO_PAD.encode(claims);
        format!("{header}.{body}.{}", URL_SAFE_NO_PAD.encode(self.bytes(32)))
    }

    /// A PEM block; the words are put together so that this file holds none.
    pub fn pem(&mut self, label: &str, head: &[u8], length: usize) -> String {
        let mut data = head.to_vec();
        data.extend(self.bytes(length));
        let text = STANDARD.encode(data);
        let lines: Vec<&str> = text
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----",
            lines.join("\n")
        )
    }

    pub fn openssh(&mut self, cipher: &str) -> String {
        let mut head = b"openssh-key-v1\0".to_vec();
        head.extend(u32::try_from(cipher.len()).unwrap().to_be_bytes());
        head.extend(cipher.as_bytes());
        self.pem(&format!("OPENSSH {}", PRIVATE), &head, 250)
    }
}

pub const PRIVATE: &str = "PRIVATE KEY";
