//! Percent decoding, once. What is no escape, or is no UTF-8 afterwards, is an error: servers differ about both.

/// What `+` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plus {
    /// A space, as in forms.
    Space,
    /// Itself, as in paths.
    Itself,
}

/// What cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A `%` without two hexadecimal digits after it.
    Escape,
    /// No UTF-8, or a longer form than needed.
    Utf8,
}

impl Wrong {
    /// In a fragment that goes on after the name of the place.
    pub(super) fn fragment(self) -> &'static str {
        match self {
            Self::Escape => "has a `%` without two hexadecimal digits after it",
            Self::Utf8 => "is not UTF-8 once it is decoded",
        }
    }
}

pub(super) fn decode(text: &[u8], plus: Plus) -> Result<String, Wrong> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = rest.next().zip(rest.next());
                digits
                    .and_then(|(high, low)| hex(high, low))
                    .ok_or(Wrong::Escape)?
            }
            b'+' if plus == Plus::Space => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| Wrong::Utf8)
}

/// The byte that two hexadecimal digits stand for.
pub(super) fn hex(high: u8, low: u8) -> Option<u8> {
    let high = char::from(high).to_digit(16)?;
    let low = char::from(low).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(decode(b"a%2Fb+c", Plus::Itself), Ok("a/b+c".to_owned()));
        assert_eq!(decode(b"a%2bb+c", Plus::Space), Ok("a+b c".to_owned()));
        assert_eq!(decode(b"%252e", Plus::Itself), Ok("%2e".to_owned()));
        assert_eq!(
            decode("ü%C3%BC".as_bytes(), Plus::Itself),
            Ok("üü".to_owned())
        );
    }

    #[test]
    fn what_is_no_escape_or_no_text_is_an_error() {
        for text in ["%", "%4", "%zz", "%u002e", "%+1", "%-1", "% 1"] {
            assert_eq!(
                decode(text.as_bytes(), Plus::Itself),
                Err(Wrong::Escape),
                "{text}"
            );
        }
        for text in ["%ff", "%c0%ae", "%c0%af", "%e0%80%af", "%ed%a0%80", "%C3"] {
            assert_eq!(
                decode(text.as_bytes(), Plus::Itself),
                Err(Wrong::Utf8),
                "{text}"
            );
        }
    }
}
