//! Characters that parsers differ in, refused before parsing.

use super::super::Refused;
use super::super::refuse::{VARIABLES, refused};

/// No provider takes a longer document.
const LONGEST: usize = 256 * 1024;

/// Refuses what some parser takes for a line's end, and what may not stand in a document at all.
///
/// A comment ends at a line's end: where parsers differ in what that is, one of them runs what the other skips.
pub(super) fn check(text: &str) -> Result<(), Refused> {
    if text.len() > LONGEST {
        return Err(refused("the document is longer than 256 KiB", VARIABLES));
    }
    let plain = |b: u8| (0x20..0x7f).contains(&b) || b == b'\n' || b == b'\t';
    if text.bytes().all(plain) {
        return Ok(());
    }
    let mut after_return = false;
    for c in text.chars() {
        if after_return && c != '\n' {
            return Err(refused(
                "the document has a carriage return that ends no line",
                "end lines with a line feed",
            ));
        }
        after_return = c == '\r';
        if !allowed(c) {
            return Err(refused(
                format!("the document has the character U+{:04X}", u32::from(c)),
                VARIABLES,
            ));
        }
    }
    if after_return {
        return Err(refused(
            "the document ends with a carriage return",
            "end lines with a line feed",
        ));
    }
    Ok(())
}

fn allowed(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => true,
        // Byte order marks, and what Unicode calls a line's or paragraph's end.
        '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{85}' | '\u{2028}' | '\u{2029}' => false,
        _ => !c.is_control(),
    }
}
