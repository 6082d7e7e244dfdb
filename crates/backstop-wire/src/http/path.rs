//! A path as segments. Servers, and what stands before them, differ most about paths: where readings part, it is
//! refused; where only the writing differs (`%63` for `c`, a slash at the end), it is brought to one form.
//!
//! - `%2F` stays inside its segment. S3 keys, GitLab projects, npm scopes and git references are sent so, and the
//!   servers that take them so do not split there. Others do: `Request::has_encoded_slash` tells a reader who does
//!   not know the server.
//! - Empty segments in the middle go, as most servers have it, and as clients send them by joining `base/` and
//!   `/path`. At the beginning they are refused: `//a/b` is the path `/a/b` to one server and `/b` at the host `a`
//!   to another (Node's `new URL`, PHP's `parse_url`).
//! - Dot segments are refused in any form, plain ones too. Every usual client takes them out before it sends; who
//!   sends them knows what the server makes of them, and we do not.
//! - `;` is refused where it stands plain: Java servers take it off with what follows, others keep it.

use super::Refused;
use super::percent::{self, Plus};
use super::refuse::refused;
use super::token::is_unreserved;

/// The segments of `path`, which begins with a slash.
pub(super) fn segments(path: &str) -> Result<Vec<String>, Refused> {
    check_sent(path)?;
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(segment)
        .collect()
}

/// What servers take as more than text although nothing is encoded.
fn check_sent(path: &str) -> Result<(), Refused> {
    if !path.starts_with('/') {
        return Err(refused(
            "the path does not begin with a slash",
            "send `/path?query`",
        ));
    }
    if path.starts_with("//") {
        return Err(refused(
            "the path begins with two slashes, which some servers read as a host",
            "take the slash off the end of the base URL",
        ));
    }
    let found = path.chars().find(|&c| is_ambiguous(c));
    let Some(found) = found else { return Ok(()) };
    Err(match found {
        '\\' => refused(
            "the path has a backslash, which some servers read as a slash",
            "use `/`",
        ),
        '#' => refused("the path has a fragment", "leave out `#` and what follows"),
        ';' => refused(
            "the path has a `;`, which some servers take off with what follows and others keep",
            "write `%3B` where it is part of a name",
        ),
        _ => refused(
            "the path has a space or a control character",
            "encode a space as `%20` and leave out the others",
        ),
    })
}

fn is_ambiguous(c: char) -> bool {
    matches!(c, '\\' | '#' | ';' | ' ') || c.is_control()
}

fn segment(sent: &str) -> Result<String, Refused> {
    let segment = percent::decode(sent.as_bytes(), Plus::Itself).map_err(|wrong| {
        refused(
            format!("the path {}", wrong.fragment()),
            "encode the UTF-8 bytes of each name with `%` and two hexadecimal digits",
        )
    })?;
    if segment.chars().any(char::is_control) {
        return Err(refused(
            "the path has an encoded control character",
            "leave it out",
        ));
    }
    if segment.contains('\\') {
        return Err(refused(
            "the path has an encoded backslash, which some servers read as a slash",
            "use `/`",
        ));
    }
    if segment.split('/').any(is_dots) {
        return Err(refused(
            "the path has a `.` or `..` segment, which servers resolve differently",
            "send the path that is meant",
        ));
    }
    if is_encoded_twice(&segment) {
        return Err(refused(
            "the path is encoded twice, and servers differ in how often they decode",
            "encode it once",
        ));
    }
    Ok(segment)
}

/// `.` and `..`, also as Java servers (`..;x`) and Windows (`.. `) see them.
fn is_dots(piece: &str) -> bool {
    let name = piece.split(';').next().unwrap_or_default().trim();
    matches!(name, "." | "..")
}

/// Whether decoding once more would change more than spelling: letters, separators, dots, controls. A space or a
/// character beyond ASCII is left alone, so that a name that holds the text `%20` can be sent.
fn is_encoded_twice(segment: &str) -> bool {
    segment.as_bytes().windows(3).any(|three| match three {
        [b'%', high, low] => percent::hex(*high, *low).is_some_and(changes_meaning),
        _ => false,
    })
}

fn changes_meaning(byte: u8) -> bool {
    // C0 and C1 begin only longer forms of ASCII.
    is_unreserved(byte)
        || byte.is_ascii_control()
        || b"/\\%;?#".contains(&byte)
        || matches!(byte, 0xC0 | 0xC1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_paths() {
        for (path, expected) in [
            ("/", &[][..]),
            ("/a//b/%63", &["a", "b", "c"]),
            ("/a/b/", &["a", "b"]),
            (
                "/repos/o/r/contents/a%20b.txt",
                &["repos", "o", "r", "contents", "a b.txt"],
            ),
            (
                "/api/v4/projects/group%2Fproject",
                &["api", "v4", "projects", "group/project"],
            ),
            ("/@types%2fnode", &["@types/node"]),
            (
                "/o/r/compare/main...dev",
                &["o", "r", "compare", "main...dev"],
            ),
            ("/.well-known/x", &[".well-known", "x"]),
            ("/users/.json", &["users", ".json"]),
            ("/v1/topics/t:publish", &["v1", "topics", "t:publish"]),
            ("/Items('a')", &["Items('a')"]),
            ("/100%25", &["100%"]),
            ("/a%2520b", &["a%20b"]),
            ("/a%3Bb", &["a;b"]),
            ("/a+b", &["a+b"]),
            ("/{a}|[b]", &["{a}|[b]"]),
            ("/bücher/%E6%97%A5", &["bücher", "日"]),
            ("/file%2Etxt", &["file.txt"]),
        ] {
            assert_eq!(
                segments(path).as_deref().ok(),
                Some(&expected.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()[..]),
                "{path}"
            );
        }
    }

    #[test]
    fn paths_that_servers_read_differently() {
        for path in [
            "",
            "a",
            "//a/b",
            "//",
            "/a\\b",
            "/a%5Cb",
            "/a%5c..%5cb",
            "/a#b",
            "/a;b/c",
            "/a b",
            "/a\tb",
            "/..",
            "/a/../b",
            "/a/./b",
            "/.",
            "/%2e%2e/a",
            "/a/%2E",
            "/a/.%2e/b",
            "/a/..%2fb",
            "/a%2F..%2Fb",
            "/a/..%3Bx/b",
            "/a/..%20/b",
            "/a%00",
            "/a%0d%0ab",
            "/a%7F",
            "/a%C2%85",
            "/a\u{85}",
            "/%252e%252e/a",
            "/a%252fb",
            "/a%255cb",
            "/a%2500",
            "/a%253Bb",
            "/%2564elete",
            "/a%25c0%25ae",
            "/a%252525",
            "/%c0%ae%c0%ae/a",
            "/%ff",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%u002e",
        ] {
            assert!(segments(path).is_err(), "{path}");
        }
    }
}
