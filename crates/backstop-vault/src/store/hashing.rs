//! The hashes of an object as its bytes come: of the whole, and of each MiB, so that damage has a place.

use backstop_core::digest::Digest;
use ring::digest::{Context, SHA256};

use crate::seal::digest;

/// How much of an object one hash in its sums covers, in bytes.
pub(crate) const PIECE: usize = 1 << 20;

/// An object's hashes in the making.
pub(crate) struct Hashing {
    whole: Context,
    piece: Context,
    in_piece: usize,
    sums: Vec<u8>,
}

impl Hashing {
    pub(crate) fn new() -> Self {
        Self {
            whole: Context::new(&SHA256),
            piece: Context::new(&SHA256),
            in_piece: 0,
            sums: Vec::new(),
        }
    }

    /// Takes in the next bytes.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        self.whole.update(bytes);
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PIECE - self.in_piece));
            self.piece.update(now);
            self.in_piece += now.len();
            bytes = later;
            if self.in_piece == PIECE {
                self.end_piece();
            }
        }
    }

    fn end_piece(&mut self) {
        let piece = std::mem::replace(&mut self.piece, Context::new(&SHA256));
        self.sums.extend_from_slice(&digest(piece).0);
        self.in_piece = 0;
    }

    /// The hash of the whole, and those of its pieces one after the other.
    pub(crate) fn end(mut self) -> (Digest, Vec<u8>) {
        if self.in_piece > 0 {
            self.end_piece();
        }
        (digest(self.whole), self.sums)
    }
}
