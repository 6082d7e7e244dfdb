//! Values as COPY's text format writes them.

/// Puts one value behind `out`, as `COPY … TO` does: `\N` for NULL, and a backslash before what would end a value or a
/// line.
pub(crate) fn value(out: &mut Vec<u8>, value: Option<&str>) {
    let Some(text) = value else {
        out.extend_from_slice(b"\\N");
        return;
    };
    for byte in text.bytes() {
        let letter = match byte {
            b'\\' => b'\\',
            0x08 => b'b',
            0x09 => b't',
            0x0a => b'n',
            0x0b => b'v',
            0x0c => b'f',
            0x0d => b'r',
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', letter]);
    }
}

/// Puts a row behind `out`, with its newline.
pub(crate) fn line<'a>(out: &mut Vec<u8>, values: impl IntoIterator<Item = Option<&'a str>>) {
    for (n, one) in values.into_iter().enumerate() {
        if n > 0 {
            out.push(b'\t');
        }
        value(out, one);
    }
    out.push(b'\n');
}

/// The values of a line without its newline, read as strictly as they were written; none when it was written
/// otherwise.
pub(crate) fn values(line: &str) -> Option<Vec<Option<String>>> {
    line.split('\t').map(one).collect()
}

/// How many values a line has, read as strictly as by [`values`], and keeping none.
pub(crate) fn count(line: &str) -> Option<usize> {
    let mut count = 0;
    for text in line.as_bytes().split(|b| *b == b'\t') {
        count += 1;
        let mut rest = text.iter();
        while let Some(byte) = rest.next() {
            let right = match byte {
                b'\\' if text == b"\\N" => break,
                b'\\' => matches!(
                    rest.next(),
                    Some(b'\\' | b'b' | b't' | b'n' | b'v' | b'f' | b'r')
                ),
                0x08..=0x0d => false,
                _ => true,
            };
            if !right {
                return None;
            }
        }
    }
    Some(count)
}

fn one(text: &str) -> Option<Option<String>> {
    if text == "\\N" {
        return Some(None);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        out.push(match c {
            '\\' => match rest.next()? {
                '\\' => '\\',
                'b' => '\u{8}',
                't' => '\t',
                'n' => '\n',
                'v' => '\u{b}',
                'f' => '\u{c}',
                'r' => '\r',
                _ => return None,
            },
            '\u{8}'..='\u{d}' => return None,
            other => other,
        });
    }
    Some(Some(out))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_line_comes_back(row in prop::collection::vec(prop::option::of(any::<String>()), 1..8)) {
            let mut out = vec![];
            line(&mut out, row.iter().map(Option::as_deref));
            let text = String::from_utf8(out).unwrap();
            let (first, rest) = text.split_once('\n').unwrap();
            prop_assert_eq!(rest, "");
            prop_assert_eq!(count(first), Some(row.len()));
            prop_assert_eq!(values(first), Some(row));
        }

        #[test]
        fn values_are_counted_as_they_are_read(line in "(\\\\[\\\\bNtnvfrx]?|[a\t\u{8}\r\u{b}]){0,8}") {
            prop_assert_eq!(count(&line), values(&line).map(|v| v.len()));
        }
    }

    #[test]
    fn what_was_written_otherwise_is_refused() {
        for wrong in ["\\", "\\x41", "a\rb", "\\Na"] {
            assert_eq!(values(wrong), None, "{wrong:?}");
        }
    }
}
