//! `pg_hba.conf`: who is let into a PostgreSQL server without a password, and who may change that.
//!
//! The first line that fits a connection decides, so that a line counts only where none before it takes all of its
//! connections. Source: PostgreSQL's documentation, "The pg_hba.conf File". Files that it includes (`include`, `@file`)
//! are not followed, and a line that names one is taken as it stands.

use std::ops::Range;
use std::path::{Path, PathBuf};

use backstop_wire::secrets::{Hit, Name, Rank};
use rustix::fs::{Access, Mode, OFlags};

use super::finding::{Finding, Place, Salt};
use super::identity::Identity;
use super::reader;

/// Where packages of PostgreSQL keep it; a `*` stands for any one folder.
const PLACES: &[&str] = &[
    "/etc/postgresql/*/*/pg_hba.conf",
    "/var/lib/postgresql/data/pg_hba.conf",
    "/var/lib/postgresql/*/*/pg_hba.conf",
    "/var/lib/pgsql/data/pg_hba.conf",
    "/var/lib/pgsql/*/data/pg_hba.conf",
    "/usr/local/pgsql/data/pg_hba.conf",
];
/// No such file is longer.
const LONGEST: usize = 1 << 20;
/// Folders looked into at each `*`.
const FOLDERS: usize = 64;

/// The servers of this machine: lines that ask for nothing, and files that this user, or `identity`, may change.
pub(crate) fn look(salt: &Salt, identity: Option<&Identity>) -> Vec<Finding> {
    let own = std::env::var_os("PGDATA").filter(|folder| identity.is_none() && !folder.is_empty());
    let own = own.map(|folder| PathBuf::from(folder).join("pg_hba.conf"));
    let places = PLACES.iter().flat_map(|pattern| spread(pattern)).chain(own);
    places
        .flat_map(|path| of_file(&path, salt, identity))
        .collect()
}

/// What one file says, and whether it can be changed. Nothing, where it cannot be read.
fn of_file(path: &Path, salt: &Salt, identity: Option<&Identity>) -> Vec<Finding> {
    let Ok(stat) = rustix::fs::stat(path) else {
        return vec![];
    };
    let may = |wanted: u32, access: Access| match identity {
        Some(who) => {
            who.may(&stat, wanted) && path.canonicalize().is_ok_and(|real| who.reaches(&real))
        }
        None => rustix::fs::access(path, access).is_ok(),
    };
    let place = |line: u64, offset: usize, length: usize| Place::File {
        path: Name::from(path),
        line,
        column: 1,
        offset: offset as u64,
        length: length as u64,
    };
    let mut all = vec![];
    if may(2, Access::WRITE_OK) {
        let hit = Hit::new("postgres.hba", "pg_hba", 0..0, b"", Rank::Structure);
        all.push(reader::finding(salt, hit, place(1, 0, 0), None));
    }
    let text = may(4, Access::READ_OK).then(|| text(path)).flatten();
    for hit in text.iter().flat_map(|text| read(text)) {
        let before = text.as_ref().and_then(|text| text.get(..hit.range.start));
        let line = reader::lines(before.unwrap_or_default()) + 1;
        let place = place(line, hit.range.start, hit.range.len());
        all.push(reader::finding(salt, hit, place, None));
    }
    all
}

/// A regular file's text, if it is not longer than such files are.
fn text(path: &Path) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = std::fs::File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    let is_file = file.metadata().ok()?.is_file();
    let mut text = vec![];
    let read = is_file.then(|| file.take(LONGEST as u64 + 1).read_to_end(&mut text));
    (read?.ok()? <= LONGEST).then_some(text)
}

/// The files that a pattern stands for.
fn spread(pattern: &str) -> Vec<PathBuf> {
    let mut all = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        all = match part {
            "*" => {
                let inside = |folder: PathBuf| std::fs::read_dir(folder).ok();
                let entries = all.into_iter().filter_map(inside).flatten().take(FOLDERS);
                entries
                    .filter_map(|entry| Some(entry.ok()?.path()))
                    .collect()
            }
            part => all.into_iter().map(|folder| folder.join(part)).collect(),
        };
    }
    all.retain(|path| path.is_file());
    all
}

/// One line that says how a connection proves itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line<'a> {
    span: Range<usize>,
    connection: &'a str,
    database: &'a str,
    user: &'a str,
    /// Empty for `local`.
    address: String,
    method: &'a str,
}

impl Line<'_> {
    /// Whether every connection that `other` is about is this line's.
    fn covers(&self, other: &Self) -> bool {
        let list = |own: &str, others: &str, all: &[&str]| {
            all.contains(&own)
                || others
                    .split(',')
                    .all(|one| own.split(',').any(|o| o == one))
        };
        let kind = match (self.connection, other.connection) {
            ("local", "local") => true,
            ("local", _) | (_, "local") => false,
            ("host", _) => true,
            (own, others) => own == others,
        };
        // `all` as a database is not replication's connections.
        let database = match other.database.split(',').any(|d| d == "replication") {
            true => self.database.split(',').any(|d| d == "replication"),
            false => list(self.database, other.database, &["all"]),
        };
        kind && database
            && list(self.user, other.user, &["all"])
            && within(&other.address, &self.address)
    }
}

/// Whether every address of `part` is one of `whole`; a name is only itself.
fn within(part: &str, whole: &str) -> bool {
    let all = |whole: &str| whole == "all" && !part.is_empty();
    part == whole
        || all(whole)
        || range(part)
            .zip(range(whole))
            .is_some_and(|((v4, from, to), (also_v4, first, last))| {
                v4 == also_v4 && first <= from && to <= last
            })
}

/// The first and the last address of `10.0.0.0/8`, or of an address and a mask; and whether they are of IPv4.
fn range(text: &str) -> Option<(bool, u128, u128)> {
    use std::net::IpAddr;
    let number = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => (true, u128::from(u32::from(ip))),
        IpAddr::V6(ip) => (false, u128::from(ip)),
    };
    let (address, bits) = match text.split_once(['/', ' ']) {
        Some((address, rest)) => (address, rest),
        None => (text, ""),
    };
    let (v4, ip) = number(address.parse().ok()?);
    let width: u32 = if v4 { 32 } else { 128 };
    let length = match (bits, bits.parse::<IpAddr>()) {
        ("", _) => width,
        (_, Ok(mask)) => {
            let (same, mask) = number(mask);
            let ones = mask.count_ones();
            // A mask with holes is none that can be compared.
            let whole = ones + mask.trailing_zeros().min(width) == width || ones == width;
            (same == v4 && whole).then_some(ones)?
        }
        (bits, Err(_)) => bits.parse().ok().filter(|length| *length <= width)?,
    };
    let below = if width == length {
        0
    } else {
        u128::MAX >> (128 - (width - length))
    };
    Some((v4, ip & !below, ip | below))
}

/// The lines by which somebody is let in who proves nothing.
pub(crate) fn read(text: &[u8]) -> Vec<Hit> {
    let lines: Vec<Line<'_>> = lines(text);
    let mut hits = vec![];
    for (at, line) in lines.iter().enumerate() {
        let before = lines.get(..at).unwrap_or_default();
        if line.method != "trust" || before.iter().any(|earlier| earlier.covers(line)) {
            continue;
        }
        let mut hit = Hit::new(
            "postgres.trust",
            "pg_hba",
            line.span.clone(),
            b"",
            Rank::Structure,
        )
        .likely()
        .with("connection", line.connection.as_bytes())
        .with("database", line.database.as_bytes())
        .with("user", line.user.as_bytes())
        .with("from", line.address.as_bytes());
        hit.facts.retain(|_, value| !value.is_empty());
        hits.push(hit);
    }
    hits
}

fn lines(text: &[u8]) -> Vec<Line<'_>> {
    let mut all = vec![];
    let mut start = 0;
    for raw in text.split(|byte| *byte == b'\n') {
        let span = start..start + raw.len();
        start += raw.len() + 1;
        let Ok(raw) = std::str::from_utf8(raw) else {
            continue;
        };
        let words: Vec<&str> = raw
            .split_once('#')
            .map_or(raw, |(before, _)| before)
            .split_ascii_whitespace()
            .collect();
        let (Some(connection), Some(database), Some(user)) =
            (words.first(), words.get(1), words.get(2))
        else {
            continue;
        };
        let rest = words.get(3..).unwrap_or_default();
        let (address, method) = match (*connection, rest) {
            ("local", [method, ..]) => (String::new(), *method),
            ("host" | "hostssl" | "hostnossl" | "hostgssenc" | "hostnogssenc", rest) => {
                match rest {
                    // An address with a mask of its own takes two words.
                    [address, mask, method, ..] if mask.parse::<std::net::IpAddr>().is_ok() => {
                        (format!("{address} {mask}"), *method)
                    }
                    [address, method, ..] => ((*address).to_owned(), *method),
                    _ => continue,
                }
            }
            _ => continue,
        };
        all.push(Line {
            span,
            connection,
            database,
            user,
            address,
            method,
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str) -> Vec<String> {
        let hits = read(text.as_bytes());
        hits.iter()
            .map(|hit| text.get(hit.range.clone()).unwrap_or_default().to_owned())
            .collect()
    }

    #[test]
    fn a_file_that_can_be_changed_is_told_beside_what_it_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pg_hba.conf");
        std::fs::write(&path, "# by hand\nlocal all all trust\n").unwrap();
        let (salt, nobody) = (Salt::random().unwrap(), 4_000_000);
        let mode = |mode| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(&path, mode).unwrap();
        };
        let folder_mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), folder_mode).unwrap();
        let agent = Identity {
            uid: nobody,
            groups: vec![nobody],
            home: folder.path().to_owned(),
        };
        let kinds = |identity: Option<&Identity>| {
            let found = of_file(&path, &salt, identity);
            found.iter().map(|f| f.kind.clone()).collect::<Vec<_>>()
        };
        mode(0o644);
        assert_eq!(kinds(Some(&agent)), ["postgres.trust"]);
        mode(0o600);
        assert_eq!(kinds(Some(&agent)), Vec::<String>::new());
        mode(0o602);
        assert_eq!(kinds(Some(&agent)), ["postgres.hba"]);
        mode(0o644);
        assert_eq!(kinds(None), ["postgres.hba", "postgres.trust"]);
        let line = of_file(&path, &salt, None).pop().unwrap();
        assert!(
            matches!(
                line.place,
                Place::File {
                    line: 2,
                    offset: 10,
                    ..
                }
            ),
            "{line:?}"
        );
        assert_eq!((line.fingerprint, line.facts.len()), (None, 3));
    }

    #[test]
    fn the_first_line_that_fits_decides() {
        for (text, expected) in [
            ("local all all trust\n", vec!["local all all trust"]),
            ("# local all all trust\nlocal all all peer\n", vec![]),
            ("local all all peer\nlocal all ann trust\n", vec![]),
            (
                "local all bob reject\nlocal all ann trust",
                vec!["local all ann trust"],
            ),
            (
                "local all all scram-sha-256\nhost all all 127.0.0.1/32 trust\n",
                vec!["host all all 127.0.0.1/32 trust"],
            ),
            (
                "host all all all reject\nhost all all 127.0.0.1/32 trust\n",
                vec![],
            ),
            (
                "host all all 10.0.0.0/8 reject\nhost all all 127.0.0.1/32 trust\n",
                vec!["host all all 127.0.0.1/32 trust"],
            ),
            (
                "local all all peer\nlocal replication all trust\n",
                vec!["local replication all trust"],
            ),
            (
                "hostssl all all 0.0.0.0/0 reject\nhost all all 0.0.0.0/0 trust # x",
                vec!["host all all 0.0.0.0/0 trust # x"],
            ),
            (
                "host a,b all 10.0.0.0 255.0.0.0 trust\n",
                vec!["host a,b all 10.0.0.0 255.0.0.0 trust"],
            ),
            (
                "host all all 0.0.0.0/0 md5\nhost all all 10.0.0.0/8 trust\n",
                vec![],
            ),
            (
                "host all all 10.0.0.0 255.0.0.0 md5\nhost all all 10.1.2.3/32 trust\n",
                vec![],
            ),
            (
                "host all all 10.1.0.0/16 md5\nhost all all 10.0.0.0/8 trust\n",
                vec!["host all all 10.0.0.0/8 trust"],
            ),
            (
                "host all all 0.0.0.0/0 md5\nhost all all ::/0 trust\n",
                vec!["host all all ::/0 trust"],
            ),
            (
                "host all all 10.0.0.0 255.0.255.0 md5\nhost all all 10.0.0.1/32 trust\n",
                vec!["host all all 10.0.0.1/32 trust"],
            ),
            ("local a,b all md5\nlocal b all trust\n", vec![]),
            ("local\nhost all\n\u{0}trust\n", vec![]),
        ] {
            assert_eq!(open(text), expected, "{text}");
        }
    }
}
