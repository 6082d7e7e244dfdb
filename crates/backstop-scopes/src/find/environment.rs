//! Environments: this process's own, and those of others that may be read; and what stands in their arguments, which
//! everyone may read.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use backstop_wire::secrets::{self, Class, Hit, Name, Text};
use zeroize::Zeroizing;

use super::finding::{Finding, Fingerprint, Place};
use super::look::Look;
use super::reader::{Shared, finding};
use super::seen::Seen;
use super::sift;

/// An environment is no longer than this; the kernel's own bound is near.
const LONGEST: usize = 4 << 20;

/// Every credential in an environment. One that many processes inherited is one finding, with their number.
pub(crate) fn look(shared: Shared<'_>, look: &Look) -> Vec<Finding> {
    let mut found = Found::default();
    let own = std::process::id();
    if look.environment && look.identity.is_none() {
        let mut block = Zeroizing::new(Vec::new());
        for (name, value) in std::env::vars_os() {
            block.extend_from_slice(name.as_bytes());
            block.push(b'=');
            block.extend_from_slice(value.as_bytes());
            block.push(0);
        }
        shared.counts.add(Seen::Processes);
        found.block(shared, own, &block);
    }
    if look.processes {
        let Ok(listing) = std::fs::read_dir("/proc") else {
            return found.all;
        };
        let mut processes: Vec<u32> = listing
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        processes.sort_unstable();
        for process in processes.into_iter().filter(|process| *process != own) {
            found.process(shared, process, look);
        }
    }
    found.all
}

#[derive(Default)]
struct Found {
    all: Vec<Finding>,
    /// Which finding a variable's secret already is.
    known: HashMap<(Name, Option<Fingerprint>), usize>,
}

impl Found {
    fn process(&mut self, shared: Shared<'_>, process: u32, look: &Look) {
        let folder = Path::new("/proc").join(process.to_string());
        // Their arguments everyone may read; their environment only who is the same user.
        if let Some(arguments) = read(&folder.join("cmdline")) {
            let line: Zeroizing<Vec<u8>> = Zeroizing::new(
                arguments
                    .iter()
                    .map(|byte| if *byte == 0 { b' ' } else { *byte })
                    .collect(),
            );
            let text = Text {
                bytes: &line,
                path: b"",
                class: Class::Settings,
            };
            for hit in sift::best(shared.engine.find(text).hits) {
                self.add(shared, process, Name::from("(arguments)"), hit);
            }
        }
        let others = look.identity.as_ref().is_some_and(|who| {
            who.uid != 0 && std::fs::metadata(&folder).map_or(true, |found| found.uid() != who.uid)
        });
        match read(&folder.join("environ")).filter(|_| !others) {
            Some(block) => {
                shared.counts.add(Seen::Processes);
                self.block(shared, process, &block);
            }
            None => shared.counts.add(Seen::ClosedProcesses),
        }
    }

    fn block(&mut self, shared: Shared<'_>, process: u32, block: &[u8]) {
        let host = |wanted: &[u8]| {
            block
                .split(|byte| *byte == 0)
                .find_map(|pair| pair.strip_prefix(wanted))
                .unwrap_or_default()
                .to_vec()
        };
        for pair in block.split(|byte| *byte == 0) {
            let Some(sign) = pair.iter().position(|byte| *byte == b'=') else {
                continue;
            };
            let (name, value) = (
                pair.get(..sign).unwrap_or_default(),
                pair.get(sign + 1..).unwrap_or_default(),
            );
            let text = Text {
                bytes: value,
                path: b"",
                class: Class::Settings,
            };
            let mut hits = shared.engine.find(text).hits;
            hits.extend(secrets::variable(name, value).map(|hit| {
                if name == b"PGPASSWORD" {
                    hit.with("host", &host(b"PGHOST="))
                        .with("port", &host(b"PGPORT="))
                        .with("user", &host(b"PGUSER="))
                        .with("database", &host(b"PGDATABASE="))
                } else {
                    hit
                }
            }));
            // Rules that go by a name beside the value need to see it.
            let with_name = Text {
                bytes: pair,
                ..text
            };
            let beside = shared.engine.find(with_name).hits;
            let known = !hits.is_empty();
            hits.extend(beside.into_iter().filter(|_| !known));
            for hit in sift::best(hits) {
                self.add(shared, process, Name::new(name), hit);
            }
        }
    }

    fn add(&mut self, shared: Shared<'_>, process: u32, variable: Name, hit: Hit) {
        let fingerprint = Some(shared.salt.fingerprint(&hit.secret));
        let key = (variable.clone(), fingerprint);
        if let Some(finding) = self.known.get(&key).and_then(|at| self.all.get_mut(*at)) {
            let many = finding
                .facts
                .get("processes")
                .and_then(|many| many.parse::<u64>().ok())
                .unwrap_or(1);
            finding
                .facts
                .insert("processes".to_owned(), (many + 1).to_string());
            return;
        }
        let place = Place::Environment {
            process,
            command: command(process),
            variable,
        };
        self.known.insert(key, self.all.len());
        self.all.push(finding(shared.salt, hit, place, None));
    }
}

fn command(process: u32) -> Name {
    let comm = std::fs::read(format!("/proc/{process}/comm")).unwrap_or_default();
    Name::new(comm.trim_ascii_end())
}

/// A file of the kernel's, as far as it goes.
fn read(path: &Path) -> Option<Zeroizing<Vec<u8>>> {
    use std::io::Read as _;
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 << 10));
    std::fs::File::open(path)
        .ok()?
        .take(LONGEST as u64)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}
