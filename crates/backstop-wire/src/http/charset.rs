//! Text out of bytes. Only UTF-8 is read; another charset passes where it says the same.

use super::Refused;
use super::refuse::refused;

/// The text of `bytes` in `charset`, UTF-8 where none was told.
pub(super) fn text<'b>(bytes: &'b [u8], charset: Option<&str>) -> Result<&'b str, Refused> {
    let charset = charset.unwrap_or("utf-8").to_ascii_lowercase();
    let is_readable = match charset.as_str() {
        "utf-8" | "utf8" => true,
        // All of these are ASCII as long as only ASCII is used.
        "us-ascii" | "ascii" | "iso-8859-1" | "latin1" => bytes.is_ascii(),
        _ => false,
    };
    if !is_readable {
        return Err(refused(
            "the body is in another charset than UTF-8",
            "send it in UTF-8 with `charset=utf-8`",
        ));
    }
    std::str::from_utf8(bytes).map_err(|_| {
        refused(
            "the body is not UTF-8, which it is said to be",
            "send it in UTF-8",
        )
    })
}

/// Refuses a byte order mark: some servers skip it, others read it as a character, others as another charset.
pub(super) fn without_mark(bytes: &[u8]) -> Result<(), Refused> {
    let marks: [&[u8]; 3] = [b"\xEF\xBB\xBF", b"\xFE\xFF", b"\xFF\xFE"];
    if marks.iter().any(|mark| bytes.starts_with(mark)) {
        return Err(refused(
            "the body begins with a byte order mark",
            "send it in UTF-8 without one",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_utf_8_is_read() {
        for (bytes, charset, reads) in [
            ("ü".as_bytes(), None, true),
            ("ü".as_bytes(), Some("UTF-8"), true),
            (b"u", Some("ISO-8859-1"), true),
            (b"\xFC", Some("iso-8859-1"), false),
            ("ü".as_bytes(), Some("latin1"), false),
            ("ü".as_bytes(), Some("us-ascii"), false),
            (b"+ACI-", Some("utf-7"), false),
            (b"a\0", Some("utf-16le"), false),
            (b"\xFC", None, false),
            (b"\xC0\xAF", Some("utf8"), false),
        ] {
            assert_eq!(text(bytes, charset).is_ok(), reads, "{bytes:?} {charset:?}");
        }
    }
}
