//! Zstandard (RFC 8878), one frame, with the window that HTTP allows (RFC 9659).

use zstd::stream::read::Decoder;

use super::super::Refused;
use super::{all_of, broken, ended};

/// 8 MiB, as a power of two.
const WINDOW: u32 = 23;

/// A frame of content. Others may be skipped, and not everybody does.
const MAGIC: &[u8] = &[0x28, 0xB5, 0x2F, 0xFD];

pub(super) fn take_off(bytes: &[u8]) -> Result<Vec<u8>, Refused> {
    if !bytes.starts_with(MAGIC) {
        return Err(broken());
    }
    let mut decoder = Decoder::with_buffer(bytes)
        .map_err(|_| broken())?
        .single_frame();
    decoder.window_log_max(WINDOW).map_err(|_| broken())?;
    let out = all_of(&mut decoder)?;
    ended(decoder.into_inner())?;
    Ok(out)
}
