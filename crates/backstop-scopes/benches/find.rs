//! How fast a workspace is looked through, and what memory that takes.
//!
//! Without arguments it makes a workspace of 100,000 files with 2 GB out of the sources in cargo's registry (as much
//! code as any workspace has, and at hand wherever this is built), and looks through it warm. With a path it looks
//! through that. `BACKSTOP_BENCH_FILES` makes it smaller; `--make DIR` only makes the workspace.

#![allow(clippy::expect_used, clippy::indexing_slicing, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use backstop_scopes::find::Look;

const ROUNDS: usize = 5;
/// Bytes of a file.
const AVERAGE: usize = 20_000;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    match arguments.as_slice() {
        [flag, path] if flag == "--make" => make(Path::new(path)),
        [path] => measure(Path::new(path)),
        _ => {
            let folder = tempfile::tempdir().expect("a folder for the workspace");
            make(folder.path());
            measure(folder.path());
        }
    }
}

/// Sources of the registry, one after the other, each followed by as many of the next as it takes to make 20 KB a file
/// on average.
fn make(into: &Path) {
    let wanted: usize = std::env::var("BACKSTOP_BENCH_FILES")
        .map_or(100_000, |files| files.parse().expect("a number"));
    let home = std::env::var_os("CARGO_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".cargo"),
        PathBuf::from,
    );
    let mut sources = Vec::new();
    files(&home.join("registry/src"), &mut sources);
    sources.sort();
    assert!(
        !sources.is_empty(),
        "no sources in cargo's registry; hint: build something first"
    );
    let mut bytes = 0;
    for number in 0..wanted {
        let source = &sources[number % sources.len()];
        let (round, name) = (
            number / sources.len(),
            source.file_name().expect("a file's name"),
        );
        let folder = into.join(format!("{round}/{}/{}", number / 1000 % 40, number / 50));
        fs::create_dir_all(&folder).expect("a folder");
        let mut text = fs::read(source).expect("a source");
        let mut more = number;
        while bytes + text.len() < (number + 1) * AVERAGE {
            more += 1;
            text.extend(fs::read(&sources[more % sources.len()]).expect("a source"));
        }
        text.extend_from_slice(format!("\n// copy {round}\n").as_bytes());
        bytes += text.len();
        let path = Some(folder.join(name))
            .filter(|path| !path.exists())
            .unwrap_or_else(|| folder.join(format!("{number}-{}", name.display())));
        fs::write(path, text).expect("a file");
    }
    println!("workspace: {wanted} files, {:.2} GB", bytes as f64 / 1e9);
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path(), into),
            // Nothing that is one test corpus of megabytes.
            Ok(kind)
                if kind.is_file()
                    && entry.metadata().is_ok_and(|found| found.len() < 2_000_000) =>
            {
                into.push(entry.path())
            }
            _ => {}
        }
    }
}

fn measure(path: &Path) {
    let mut times = Vec::new();
    for round in 0..=ROUNDS {
        let mut look = Look::new().expect("a salt");
        look.paths.push(path.to_owned());
        look.history = false;
        let begin = Instant::now();
        let report = look.run().expect("a report");
        let time = begin.elapsed().as_secs_f64();
        let doubtful = report
            .findings
            .iter()
            .filter(|finding| finding.confidence.is_doubtful())
            .count();
        let looked = &report.looked;
        println!(
            "{}: {time:.2} s, {} files, {:.2} GB of text, {} binary, {} found and {doubtful} with a doubt, {} given up",
            if round == 0 { "cold or warm" } else { "warm" },
            looked.files,
            looked.bytes as f64 / 1e9,
            looked.binary,
            report.findings.len() - doubtful,
            looked.given_up.count,
        );
        if round > 0 {
            times.push(time);
        } else if std::env::var_os("BACKSTOP_BENCH_SHOW").is_some() {
            for finding in report
                .findings
                .iter()
                .filter(|finding| !finding.confidence.is_doubtful())
            {
                println!(
                    "    {} {} {:?} {:?}",
                    finding.kind, finding.rule, finding.place, finding.facts
                );
            }
        }
    }
    times.sort_by(f64::total_cmp);
    println!(
        "median of {ROUNDS}: {:.2} s; at most {} MiB of memory",
        times[ROUNDS / 2],
        peak()
    );
}

/// The most memory that this process ever had, in MiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap_or_default();
    line.trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .unwrap_or(0)
        / 1024
}
