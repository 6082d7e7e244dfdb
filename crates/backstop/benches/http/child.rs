//! Processes of the benchmark's own: this program again, told by a mark in its environment what to be.
//!
//! Own threads and memory, so that nothing of the measuring is measured. A process gets its order as one line of JSON,
//! answers with another when it is ready, and ends when its input does.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, Command, Stdio};

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The environment variable that says what this process is.
pub const MARK: &str = "BACKSTOP_BENCH_HTTP";

/// A process; dropping it ends it.
pub struct Child {
    process: std::process::Child,
    input: Option<ChildStdin>,
}

impl Child {
    /// Starts one with its order, and waits for what it says when it is ready.
    pub fn start<Order: Serialize, Answer: DeserializeOwned>(
        role: &str,
        order: &Order,
    ) -> Result<(Self, Answer)> {
        let mut process = Command::new(std::env::current_exe()?)
            .env(MARK, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting the {role}"))?;
        let input = process.stdin.take();
        let output = process.stdout.take().context("a pipe from a process")?;
        let mut child = Self { process, input };
        let input = child.input.as_mut().context("a pipe to a process")?;
        writeln!(input, "{}", serde_json::to_string(order)?)?;
        let mut said = String::new();
        BufReader::new(output).read_line(&mut said)?;
        let answer = serde_json::from_str(&said)
            .with_context(|| format!("the {role} said `{}`", said.trim_end()))?;
        Ok((child, answer))
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.input.take();
        let _ = self.process.wait();
    }
}

/// This process's order.
pub fn order<Order: DeserializeOwned>() -> Result<Order> {
    let line = std::io::stdin().lines().next().context("no order came")??;
    Ok(serde_json::from_str(&line)?)
}

/// Says that this process is ready, and waits for its end. Only the calling thread waits.
pub fn ready<Answer: Serialize>(answer: &Answer) -> Result<()> {
    println!("{}", serde_json::to_string(answer)?);
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}
