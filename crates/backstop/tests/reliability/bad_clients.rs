//! Broken and hostile clients over a raw socket: each costs its own connection, and nothing else.
//!
//! Beside every one of them another agent goes on working, and the gate's memory is looked at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::raw::{Login, Raw, message, message_saying, parse, query, startup};
use crate::setup::{Setup, soak};
use crate::support::Serving;

/// How much the gate may grow under any of these, in KiB. A debug build's own needs are in it.
const GROWTH: u64 = 400 * 1024;

/// How long the bystander may wait for an answer that takes a millisecond: tests share two processors.
const STARVED: Duration = Duration::from_secs(5);

/// Somebody who works on, whatever others do.
struct Bystander {
    over: Arc<AtomicBool>,
    task: JoinHandle<(u32, Duration)>,
}

impl Bystander {
    async fn begin(login: &Login) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let mut raw = Raw::ready(login).await.unwrap();
        let stop = Arc::clone(&over);
        let task = tokio::spawn(async move {
            let mut done = 0;
            let mut slowest = Duration::ZERO;
            while !stop.load(Ordering::Relaxed) {
                let begun = Instant::now();
                raw.send(&query("select count(*) from cells"))
                    .await
                    .unwrap();
                let errors = raw.until(b'Z').await.unwrap();
                assert!(errors.is_empty(), "{errors:?}");
                slowest = slowest.max(begun.elapsed());
                done += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            (done, slowest)
        });
        Self { over, task }
    }

    /// Ends, and must have worked all the time.
    async fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        let (done, slowest) = self.task.await.unwrap();
        eprintln!("the bystander asked {done} times and waited {slowest:?} at most");
        assert!(done > 0, "the bystander could not work");
        assert!(slowest < STARVED, "the bystander waited {slowest:?}");
    }
}

/// A gate under attack.
struct Siege {
    setup: Setup,
    serving: Serving,
    before: u64,
    bystander: Bystander,
}

impl Siege {
    async fn lay() -> Self {
        let (setup, serving) = Setup::new();
        let bystander = Bystander::begin(&setup.login).await;
        let before = memory(&serving);
        Self {
            setup,
            serving,
            before,
            bystander,
        }
    }

    /// The gate stands: others work, new ones come in, and it has not grown fat.
    async fn lift(self) {
        let after = memory(&self.serving);
        let mut fresh = Raw::ready(&self.setup.login).await.unwrap();
        fresh.send(&query("select 1")).await.unwrap();
        assert!(fresh.until(b'Z').await.unwrap().is_empty());
        self.bystander.end().await;
        let (before, grown) = (self.before, after.saturating_sub(self.before));
        eprintln!("memory: {before} KiB before, {grown} KiB more at the worst");
        assert!(grown < GROWTH, "the gate grew by {grown} KiB");
        assert_eq!(self.serving.stop(), 0);
    }
}

/// The most memory that the gate ever had, in KiB.
fn memory(serving: &Serving) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", serving.child.id())).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_cost_their_own_connection_only() {
    let siege = Siege::lay().await;
    let port = siege.setup.login.port;
    let user = siege.setup.login.user.clone();
    let long = "x".repeat(9_000);
    let begun = startup(&[("user", &user), ("database", "app")]);
    let mut bad: Vec<Vec<u8>> = vec![
        vec![0, 0, 0, 0],
        vec![0, 0, 0, 3],
        vec![0, 0, 0, 4],
        vec![0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0],
        vec![0xff; 64],
        vec![0; 4096],
        [&[0, 0, 0, 9, 0, 3, 0, 0][..], b"u"].concat(),
        startup(&[]),
        startup(&[("user", "")]),
        startup(&[("user", &long)]),
        startup(&[("database", "app")]),
        startup(&[("user", &user), ("options", "-c client_encoding=SQL_ASCII")]),
        startup(&[("user", &user), ("replication", "true")]),
        startup(&[("user", &user), ("bad\u{1}name", "x")]),
        [&begun[..], &message(b'Q', b"select 1\0")].concat(),
        [&begun[..], &message(b'p', b"\0\0")].concat(),
        [
            &begun[..],
            &message(b'p', b"SCRAM-SHA-256\0\xff\xff\xff\xff"),
        ]
        .concat(),
        [
            &begun[..],
            &message(b'p', b"SCRAM-SHA-256\0\x7f\xff\xff\xffn,,n=,r=x"),
        ]
        .concat(),
        [
            &begun[..],
            &message(b'p', b"SCRAM-SHA-256\0\0\0\0\x09n,,n=,r=\0"),
        ]
        .concat(),
        [&begun[..], &message_saying(b'p', 0, b"")].concat(),
        [&begun[..], &message_saying(b'p', 0x7fff_ffff, b"xxxx")].concat(),
        [
            &[0, 0, 0, 8, 4, 210, 22, 47][..],
            &[22, 3, 1, 255, 255],
            &[7; 300],
        ]
        .concat(),
    ];
    for seed in 0..150 {
        bad.push(noise(seed, 64 + usize::try_from(seed).unwrap() * 7));
        let mut torn = begun.clone();
        let at = usize::try_from(seed).unwrap() % torn.len();
        torn[at] ^= 1 << (seed % 8);
        bad.push(torn);
    }
    for bytes in bad {
        let mut raw = Raw::connect(port).await.unwrap();
        // It may be closed while it is still being written to.
        let _ = raw.send(&bytes).await;
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut raw.stream).await;
        raw.until_closed().await;
    }
    siege.lift().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_strangers_are_shown_the_door() {
    let siege = Siege::lay().await;
    let packet = startup(&[("user", &siege.setup.login.user), ("database", "app")]);
    let mut slow = vec![];
    for _ in 0..200 {
        slow.push(
            TcpStream::connect(("127.0.0.1", siege.setup.login.port))
                .await
                .unwrap(),
        );
    }
    let begun = Instant::now();
    let mut byte = packet.iter().cycle();
    // One byte now and then, for longer than anybody may take to say who they are.
    while begun.elapsed() < Duration::from_secs(22) {
        let next = *byte.next().unwrap();
        for stream in &slow {
            let _ = stream.try_write(&[next.min(1)]);
        }
        let mut fresh = Raw::ready(&siege.setup.login).await.unwrap();
        fresh.send(&query("select 1")).await.unwrap();
        fresh.until(b'Z').await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for stream in slow {
        let mut raw = Raw::over(stream);
        raw.until_closed().await;
    }
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "{:?}",
        begun.elapsed()
    );
    siege.lift().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_say_nothing_keep_nobody_out() {
    let siege = Siege::lay().await;
    let port = siege.setup.login.port;
    let connect = || TcpStream::connect(("127.0.0.1", port));
    let mut silent = vec![];
    for _ in 0..400 {
        silent.push(connect().await.unwrap());
    }
    let login = siege.setup.login.clone();
    let dsn = format!(
        "postgresql://{}:{}@127.0.0.1:{port}/{}?sslmode=disable",
        login.user, login.secret, login.database
    );
    let begun = Instant::now();
    siege.setup.installation.psql(&dsn, "select 1").fine();
    let mut fresh = Raw::ready(&login).await.unwrap();
    assert_eq!(fresh.ask("select 1").await, Ok(vec![]));
    eprintln!(
        "with 400 silent ones, two logins took {:?}",
        begun.elapsed()
    );
    assert!(begun.elapsed() < STARVED, "{:?}", begun.elapsed());

    // The oldest went, no more than had to, and nobody waited for their time to be over. Two threads take the
    // connections in turn, so that which are the oldest is exact only to what one of them lags behind.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let gone: Vec<bool> = silent
        .iter()
        .map(|s| matches!(s.try_read(&mut [0]), Ok(0)))
        .collect();
    let count = gone.iter().filter(|g| **g).count();
    assert!((144..=148).contains(&count), "{count} went");
    assert!(!gone[300..].contains(&true), "a new one went: {gone:?}");

    // New ones all the time do not help them either.
    let over = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&over);
    let flood = tokio::spawn(async move {
        while !stop.load(Ordering::Relaxed) {
            for _ in 0..20 {
                silent.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
            }
            let surplus = silent.len().saturating_sub(400);
            silent.drain(..surplus);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    for _ in 0..3 {
        let begun = Instant::now();
        Raw::ready(&login).await.unwrap();
        assert!(begun.elapsed() < STARVED, "{:?}", begun.elapsed());
    }
    over.store(true, Ordering::Relaxed);
    flood.await.unwrap();
    siege.lift().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_messages_of_an_agent_cost_its_own_connection_only() {
    let siege = Siege::lay().await;
    let mut bad: Vec<Vec<u8>> = vec![];
    for kind in *b"QPBEDCSHFdcfpX" {
        for length in [0, 3, 4, 5, 0x7fff_ffff, 0xffff_ffff] {
            bad.push(message_saying(kind, length, b""));
        }
        bad.push(message(kind, &[0xff; 40]));
        bad.push(message(kind, &[0; 40]));
        bad.push(message(kind, b"no end"));
    }
    bad.extend(
        (0..=255)
            .filter(|k| !b"QPBEDCSHFdcfpX".contains(k))
            .map(|k| message(k, b"x\0")),
    );
    bad.extend((0..60).map(|seed| noise(seed, 400)));
    bad.push(message(b'Q', b"select 'a\0b'\0"));
    bad.push(message(b'Q', b"select '\xff\xfe'\0"));
    bad.push(query(&format!("select '{}'", "x".repeat(3 << 20))));
    // Sixty-five thousand parameters that are not there.
    bad.push(message(b'B', b"\0\0\0\0\xff\xff"));
    for bytes in bad {
        let mut raw = Raw::ready(&siege.setup.login).await.unwrap();
        let _ = raw.send(&bytes).await;
        let _ = raw.send(&message(b'S', b"")).await;
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut raw.stream).await;
        raw.until_closed().await;
    }
    siege.lift().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deep_nesting_is_refused_and_the_session_goes_on() {
    let siege = Siege::lay().await;
    let deep = 100_000;
    let mut raw = Raw::ready(&siege.setup.login).await.unwrap();
    for sql in [
        format!("select {}1{}", "(".repeat(deep), ")".repeat(deep)),
        format!("select {} true", "not ".repeat(deep)),
        format!("select 1{}", "+1".repeat(deep)),
        format!("select {}1{}", "array[".repeat(deep), "]".repeat(deep)),
        format!("select {} 1", "(select ".repeat(deep)),
        format!("select {}1{}", "abs(".repeat(deep), ")".repeat(deep)),
        format!("select 1 {}", "union select 1 ".repeat(deep / 2)),
        // Reading it costs the square of its length, as it does PostgreSQL.
        format!("select {}", "/*".repeat(deep / 50)),
    ] {
        let shown: String = sql.chars().take(20).collect();
        raw.send(&query(&sql)).await.unwrap();
        let errors = raw.until(b'Z').await.unwrap();
        assert_eq!(errors.len(), 1, "{shown}");
        raw.send(&query("select 1")).await.unwrap();
        assert!(raw.until(b'Z').await.unwrap().is_empty(), "{shown}");
    }
    siege.lift().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_parameters_stream_through() {
    let siege = Siege::lay().await;
    let size: u32 = 64 << 20;
    let mut raw = Raw::ready(&siege.setup.login).await.unwrap();
    let text = vec![b'x'; usize::try_from(size).unwrap()];
    let head = [b"\0\0\0\0\0\x01".as_slice(), &size.to_be_bytes()].concat();
    let all = [
        parse("", "select length($1::text)"),
        message(b'B', &[&head[..], &text, b"\0\0"].concat()),
        message(b'E', b"\0\0\0\0\0"),
        message(b'S', b""),
    ]
    .concat();
    raw.send(&all).await.unwrap();
    let mut answer = vec![];
    loop {
        match raw.next().await.unwrap() {
            (b'Z', _) => break,
            (b'D', body) => answer = body,
            (b'E', body) => panic!("{}", String::from_utf8_lossy(&body)),
            _ => {}
        }
    }
    assert!(answer.ends_with(size.to_string().as_bytes()));
    siege.lift().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parses_without_end_are_bounded() {
    parses(24_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: a million Parses"]
async fn a_million_parses_are_bounded() {
    parses(soak(1_000_000)).await;
}

/// Sends so many statements to be prepared, each with a name of its own, and as many without one.
async fn parses(count: usize) {
    let siege = Siege::lay().await;
    let mut raw = Raw::ready(&siege.setup.login).await.unwrap();
    let mut refused = 0;
    for batch in 0..count.div_ceil(500) {
        // In series of their own: after the first refused name the rest of a series is skipped unread.
        let unnamed = |n: usize| parse("", &format!("select {batch}, {n}"));
        let mut out: Vec<u8> = (0..250).flat_map(unnamed).collect();
        out.extend(message(b'S', b""));
        raw.send(&out).await.unwrap();
        assert!(raw.until(b'Z').await.unwrap().is_empty());
        let named = |n: usize| parse(&format!("s{batch}_{n}"), &format!("select {n} + $1"));
        let mut out: Vec<u8> = (0..250).flat_map(named).collect();
        out.extend(message(b'S', b""));
        raw.send(&out).await.unwrap();
        refused += usize::from(!raw.until(b'Z').await.unwrap().is_empty());
    }
    // Names are bounded; what has none replaces the one before.
    assert!(refused > 0, "so many names, and none was refused");
    siege.lift().await;
}

/// Bytes that mean nothing, the same each time.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()[0]
        })
        .collect()
}
