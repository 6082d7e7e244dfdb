//! How long and how often.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

/// What the environment says of it.
pub struct Plan {
    /// How long a cell runs.
    pub seconds: f64,
    /// How often each is measured.
    pub rounds: usize,
    /// How many connections are idle.
    pub connections: usize,
}

impl Plan {
    /// Two seconds, five rounds and ten thousand connections, unless the environment says otherwise.
    pub fn from_environment() -> Result<Self> {
        let seconds: f64 = number("BACKSTOP_BENCH_SECONDS", 2.0)?;
        let rounds = number("BACKSTOP_BENCH_ROUNDS", 5)?;
        let connections = number("BACKSTOP_BENCH_CONNECTIONS", 10_000)?;
        ensure!(
            seconds > 0.0 && seconds < 3600.0 && rounds > 0 && connections > 0,
            "a cell needs some time and a round, and an idle connection is at least one"
        );
        Ok(Self {
            seconds,
            rounds,
            connections,
        })
    }

    /// How long a cell runs.
    pub fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// The title of a table of so many rounds.
    pub fn title(&self, what: &str) {
        println!(
            "\n### {what}: {} rounds of {} s, medians; ratios are medians of each round's\n",
            self.rounds, self.seconds
        );
    }
}

fn number<N: std::str::FromStr>(name: &str, default: N) -> Result<N>
where
    N::Err: std::error::Error + Send + Sync + 'static,
{
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("`{name}` is `{text}`, not a number")),
        Err(_) => Ok(default),
    }
}
