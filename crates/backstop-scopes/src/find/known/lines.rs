//! Files of lines: `.ini`, `.netrc`, `.pgpass`, `.npmrc`, and files that are nothing but a secret.

use super::Entry;
use backstop_wire::secrets::{Hit, Rank, is_placeholder, kind_by_host};

/// Sections with names and values.
pub(crate) fn ini(text: &[u8]) -> Vec<Entry> {
    let mut section = String::new();
    let mut entries = Vec::new();
    for line in String::from_utf8_lossy(text).lines() {
        let line = line.trim();
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            name.trim().clone_into(&mut section);
        } else if let Some((name, value)) = line
            .split_once('=')
            .filter(|_| !line.starts_with(['#', ';']))
        {
            let value = value.trim().trim_matches(['"', '\'']).to_owned();
            entries.push(Entry {
                path: vec![section.clone(), name.trim().to_owned()],
                value,
            });
        }
    }
    entries
}

/// `machine HOST login USER password PASSWORD`, over lines as one likes.
pub(crate) fn netrc(text: &[u8]) -> Vec<Hit> {
    let (mut host, mut user) = (&b""[..], &b""[..]);
    let mut hits = Vec::new();
    let mut words = words(text);
    while let Some((_, word)) = words.next() {
        match word {
            b"machine" => (host, user) = (words.next().map_or(&b""[..], |(_, word)| word), b""),
            b"default" => (host, user) = (b"default", b""),
            b"login" => user = words.next().map_or(&b""[..], |(_, word)| word),
            b"password" => {
                let Some((at, secret)) = words.next() else {
                    break;
                };
                if secret.len() >= 4 && !is_placeholder(secret) {
                    let kind = match host {
                        b"api.github.com" | b"github.com" => "github.token",
                        host => kind_by_host(host).unwrap_or("password.http"),
                    };
                    let hit = Hit::new(
                        kind,
                        ".netrc",
                        at..at + secret.len(),
                        secret,
                        Rank::Structure,
                    );
                    hits.push(hit.with("host", host).with("user", user));
                }
            }
            _ => {}
        }
    }
    hits
}

fn words(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    text.split(u8::is_ascii_whitespace).filter_map(move |word| {
        let start = at;
        at += word.len() + 1;
        (!word.is_empty()).then_some((start, word))
    })
}

/// `host:port:database:user:password`, with a backslash before what is meant as itself.
pub(crate) fn pgpass(text: &[u8]) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut start = 0;
    for line in text.split(|byte| *byte == b'\n') {
        let begin = start;
        start += line.len() + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"#") {
            continue;
        }
        let (mut fields, mut field, mut last) = (Vec::new(), Vec::new(), 0);
        let mut bytes = line.iter().enumerate();
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'\\' => field.extend(bytes.next().map(|(_, byte)| *byte)),
                b':' if fields.len() < 4 => {
                    fields.push(std::mem::take(&mut field));
                    last = at + 1;
                }
                byte => field.push(*byte),
            }
        }
        let [host, port, database, user] = fields.as_slice() else {
            continue;
        };
        if field.is_empty() || is_placeholder(&field) {
            continue;
        }
        let hit = Hit::new(
            "postgres.password",
            ".pgpass",
            begin + last..begin + line.len(),
            &field,
            Rank::Structure,
        );
        hits.push(
            hit.with("host", host)
                .with("port", port)
                .with("database", database)
                .with("user", user),
        );
    }
    hits
}

/// `//registry.npmjs.org/:_authToken=…`
pub(crate) fn npmrc(text: &[u8]) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut start = 0;
    for line in text.split(|byte| *byte == b'\n') {
        let begin = start;
        start += line.len() + 1;
        let Some(sign) = line.iter().position(|byte| *byte == b'=') else {
            continue;
        };
        let (name, value) = (
            line.get(..sign).unwrap_or_default().trim_ascii(),
            line.get(sign + 1..).unwrap_or_default(),
        );
        let secret = value.trim_ascii();
        let secret = secret
            .strip_prefix(b"\"")
            .and_then(|rest| rest.strip_suffix(b"\""))
            .unwrap_or(secret);
        let is_secret = [&b"_authToken"[..], b"_auth", b"_password"]
            .iter()
            .any(|end| name.ends_with(end));
        if !is_secret
            || secret.len() < 6
            || is_placeholder(secret)
            || name.starts_with(b"#")
            || name.starts_with(b";")
        {
            continue;
        }
        let Some(at) = memchr::memmem::find(line, secret).map(|at| begin + at) else {
            continue;
        };
        let host = name
            .strip_prefix(b"//")
            .and_then(|rest| rest.split(|byte| *byte == b'/').next())
            .unwrap_or_default();
        let kind = if host.is_empty() {
            "npm.token"
        } else {
            kind_by_host(host).unwrap_or("npm.token")
        };
        hits.push(
            Hit::new(
                kind,
                ".npmrc",
                at..at + secret.len(),
                secret,
                Rank::Structure,
            )
            .with("host", host),
        );
    }
    hits
}

/// A file that is nothing but a secret.
pub(crate) fn whole(text: &[u8], kind: &'static str) -> Vec<Hit> {
    let secret = text.trim_ascii();
    if secret.len() < 12 || is_placeholder(secret) {
        return Vec::new();
    }
    let at = text.len() - text.trim_ascii_start().len();
    vec![Hit::new(
        kind,
        "file",
        at..at + secret.len(),
        secret,
        Rank::Structure,
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pgpass_line_is_read_as_libpq_reads_it() {
        let text = b"# note\ndb\\:1:5432:*:app:a\\:b\\\\c\nbroken\n";
        let hits = pgpass(text);
        assert_eq!(hits.len(), 1);
        assert_eq!(hits[0].secret.as_slice(), b"a:b\\c");
        assert_eq!(hits[0].facts["host"], "db:1");
        assert_eq!(&text[hits[0].range.clone()], b"a\\:b\\\\c");
    }

    #[test]
    fn a_netrc_may_break_lines_anywhere() {
        let hits = netrc(b"machine api.heroku.com\n  login a@b.c\n  password q1w2e3r4\nmachine x login y password z9z9");
        let found: Vec<_> = hits
            .iter()
            .map(|hit| (hit.kind.as_ref(), hit.facts["user"].as_str()))
            .collect();
        assert_eq!(found, [("heroku.token", "a@b.c"), ("password.http", "y")]);
    }

    #[test]
    fn an_npmrc_gives_tokens_and_not_variables() {
        let hits = npmrc(b"//registry.npmjs.org/:_authToken=npm_8sKq2Lx\n//r.corp/:_authToken=${NPM_TOKEN}\nregistry=https://r.corp\n");
        assert_eq!(hits.len(), 1);
        assert_eq!(hits[0].facts["host"], "registry.npmjs.org");
    }
}
