//! What the gate does for a request and for a host, without any socket: judging, and certificates.
//!
//! It must not time a wrong answer: each is checked.

use std::time::{Instant, SystemTime};

use anyhow::{Result, anyhow, bail, ensure};
use backstop_core::lease::{Lease, LeaseSpec};
use backstop_core::policy::{Asker, Policy};
use backstop_core::target::Environment;
use backstop_core::verdict::Decision;
use backstop_gates::http::{Authority, Leaves};
use backstop_wire::http::{Raw, RawBody, Request, Scheme, Version, presented, read};
use backstop_wire::providers;
use backstop_wire::secrets::Engine;

use crate::asks::query;
use crate::numbers::{median, verdict};

const SAMPLES: usize = 500;
/// What takes less than the clock's own step is measured in batches.
const BATCH: usize = 20;
const GOAL_JUDGED_US: f64 = 20.0;
const GOAL_LEAF_US: f64 = 1000.0;
const HOST: &str = "backboard.railway.com";

/// The table.
pub fn measure() -> Result<()> {
    println!("\n### Judging and certificates, medians of {SAMPLES}\n");
    println!("| what | µs | goal |");
    println!("| --- | ---: | --- |");
    certificates()?;
    judging()
}

fn certificates() -> Result<()> {
    let leaves = Leaves::new(Authority::generate("bench", &[], SystemTime::now())?)?;
    let now = SystemTime::now();
    let hosts: Vec<String> = (0..SAMPLES).map(|n| format!("{n}.example")).collect();
    let new = each(1, &hosts, |host| Ok(leaves.of(host, now).map(drop)?))?;
    let kept = each(BATCH, &hosts, |host| Ok(leaves.of(host, now).map(drop)?))?;
    row(
        "a certificate for a host met for the first time",
        new,
        Some(GOAL_LEAF_US),
    );
    row("one that was made before", kept, None);
    Ok(())
}

fn judging() -> Result<()> {
    let judge = Judge::new()?;
    let same = vec![query(""); SAMPLES];
    let each_another: Vec<String> = (0..SAMPLES).map(|n| query(&format!(" # {n}"))).collect();
    let bytes = same.first().map_or(0, String::len);
    let again = each(BATCH, &same, |body| judge.judged(body))?;
    let first = each(1, &each_another, |body| judge.judged(body))?;
    let searched = each(BATCH, &same, |body| judge.searched(body))?;
    row(
        &format!(
            "a GraphQL body of {bytes} bytes, its document met before: read, understood by Railway's pack, judged"
        ),
        again,
        Some(GOAL_JUDGED_US),
    );
    row(
        "the same, its document met for the first time",
        first,
        Some(GOAL_JUDGED_US),
    );
    row(
        "the same body read and searched for credentials that look like some",
        searched,
        None,
    );
    Ok(())
}

/// What a gate has at hand for one lease.
struct Judge {
    policy: Policy,
    lease: Lease,
    engine: &'static Engine,
}

impl Judge {
    fn new() -> Result<Self> {
        let spec = LeaseSpec {
            target: "railway".into(),
            environment: Environment::Production,
            task: "to be measured".into(),
            ttl_seconds: 3600,
            scopes: vec!["read".parse().map_err(|e: String| anyhow!(e))?],
            also: vec![],
            parent: None,
        };
        Ok(Self {
            policy: Policy::with("")?,
            lease: Lease {
                id: "lease_0123456789abcdef".into(),
                spec,
                person: "person".into(),
                created_ms: 0,
                expires_ms: i64::MAX,
                verifier: String::new(),
            },
            engine: Engine::shared().map_err(|e| anyhow!("{e}"))?,
        })
    }

    /// Reads, understands and judges.
    fn judged(&self, body: &str) -> Result<()> {
        with_raw(body, |_, request| {
            let reading = providers::read(&request, Some("railway"));
            let asker = Asker {
                lease: Some(&self.lease),
                target: "railway",
                environment: Environment::Production,
                limits: None,
            };
            let verdict = self.policy.judge(asker, &reading.analysis);
            ensure!(verdict.decision == Decision::Allow, "{verdict:?}");
            Ok(())
        })
    }

    /// Reads and searches.
    fn searched(&self, body: &str) -> Result<()> {
        with_raw(body, |raw, request| {
            let found = presented(self.engine, &request, raw);
            ensure!(found.presented.is_empty(), "a credential where none is");
            Ok(())
        })
    }
}

/// The request as it comes out of the tunnel, its placeholder taken out.
fn with_raw<T>(body: &str, act: impl FnOnce(&Raw<'_>, Request) -> Result<T>) -> Result<T> {
    let length = body.len().to_string();
    let headers: [(&str, &[u8]); 6] = [
        ("host", HOST.as_bytes()),
        ("accept", b"application/json"),
        ("user-agent", b"backstop-bench/1"),
        ("content-type", b"application/json"),
        ("accept-encoding", b"gzip, deflate, br"),
        ("content-length", length.as_bytes()),
    ];
    let raw = Raw {
        method: "POST",
        version: Version::Http11,
        scheme: Scheme::Https,
        authority: None,
        target: "/graphql/v2",
        headers: &headers,
        tls_name: Some(HOST),
        tunnel: Some("backboard.railway.com:443"),
        reverse: None,
        body: RawBody::Whole(body.as_bytes()),
    };
    match read(&raw) {
        Ok(request) => act(&raw, request),
        Err(refused) => bail!("refused: {}", refused.what),
    }
}

/// Microseconds for one of these, the median over all: each is done `batch` times in a row.
fn each<T>(batch: usize, all: &[T], mut act: impl FnMut(&T) -> Result<()>) -> Result<f64> {
    let mut taken = Vec::with_capacity(all.len());
    for one in all {
        let begun = Instant::now();
        for _ in 0..batch {
            act(std::hint::black_box(one))?;
        }
        #[allow(clippy::cast_precision_loss)] // a few
        taken.push(begun.elapsed().as_secs_f64() * 1e6 / batch as f64);
    }
    Ok(median(&taken))
}

fn row(what: &str, us: f64, goal: Option<f64>) {
    let goal = goal.map_or_else(String::new, |most| {
        format!("< {most}: {}", verdict(us < most))
    });
    println!("| {what} | {us:.1} | {goal} |");
}
