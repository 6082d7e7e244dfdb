//! What it was measured on, and what of it a process takes.
//!
//! It must not name the machine or its user: figures are published.

use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::numbers::median;

const SYNCS: usize = 400;

/// Processor, memory, kernel, disk.
pub struct Machine {
    processor: String,
    processors: usize,
    memory_gib: u64,
    kernel: String,
    disk: String,
    load: String,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let after = |text: &str, name: &str| {
            text.lines()
                .find(|line| line.starts_with(name))
                .and_then(|line| line.split_once(':'))
                .map_or_else(String::new, |(_, value)| value.trim().to_owned())
        };
        let kib = after(&read("/proc/meminfo"), "MemTotal");
        let kib: u64 = kib
            .split_whitespace()
            .next()
            .and_then(|n| n.parse().ok())
            .unwrap_or_default();
        Self {
            processor: after(&read("/proc/cpuinfo"), "model name"),
            processors: processors(),
            memory_gib: kib / 1024 / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            disk: file_system().unwrap_or_else(|error| format!("unknown ({error:#})")),
            load: read("/proc/loadavg")
                .split(' ')
                .take(3)
                .collect::<Vec<_>>()
                .join(" "),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "- machine: {} × {}, {} GiB, Linux {}; load average at the start {}",
            self.processors, self.processor, self.memory_gib, self.kernel, self.load
        )?;
        write!(f, "- disk: {}", self.disk)
    }
}

/// The file system that the journal lies on: `df` finds it from a path.
fn file_system() -> Result<String> {
    let output = std::process::Command::new("df")
        .args(["--output=fstype,source"])
        .arg(disk()?)
        .output()
        .context("running df")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = said.lines().nth(1).context("df says nothing")?;
    Ok(line.split_whitespace().collect::<Vec<_>>().join(" on "))
}

/// How long an append of 512 bytes and its fdatasync take, in microseconds: the median of many.
pub fn fdatasync_us() -> Result<f64> {
    let folder = tempfile::tempdir_in(disk()?)?;
    let mut file = File::create(folder.path().join("probe"))?;
    let mut taken = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let begun = Instant::now();
        file.write_all(&[b'x'; 512])?;
        file.sync_data()?;
        taken.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(&taken))
}

/// As `backstop serve` chooses: one thread for each processor, or as many as `BACKSTOP_BENCH_THREADS` says.
pub fn threads() -> usize {
    let told = std::env::var("BACKSTOP_BENCH_THREADS").ok();
    told.and_then(|n| n.parse().ok()).unwrap_or_else(processors)
}

/// How many processors there are.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// A folder on the disk that this program lies on: temporary folders may be in memory.
pub fn disk() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.parent().context("the program's folder")?;
    Ok(folder.to_owned())
}

/// The process's resident memory, as the kernel counts it.
pub fn resident_kib(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|kib| kib.parse().ok())
        .context("no VmRSS in the process's status")
}
