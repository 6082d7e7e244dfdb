//! Clocks that jump: forward, and everything with an end has ended; back, and nothing lives longer for it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use backstop_core::entry::Event;
use backstop_core::hold::HoldState;
use backstop_store::{Clock, SystemClock};
use backstop_testing::clock::ManualClock;

use crate::inside::Site;
use crate::raw::{Login, Raw};

const MINUTE: Duration = Duration::from_secs(60);

/// The test's clock as the store's.
struct Hand(ManualClock);

impl Clock for Hand {
    fn now_ms(&self) -> i64 {
        self.0.unix_millis()
    }
}

/// A clock that shows the real time and then stands still.
fn now() -> ManualClock {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    ManualClock::at_unix_millis(i64::try_from(now.as_millis()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jump_forward_ends_leases_approvals_and_holds() {
    let site = Site::new();
    let clock = now();
    let life = site.live(Arc::new(Hand(clock.clone()))).await;
    let person = site.enrol(&life).await;
    let login = site.lease(&life, &person).await;
    let mut raw = Raw::ready(&login).await.unwrap();
    let approved = "insert into precious values (1)";
    assert_eq!(raw.ask(approved).await, Ok(vec!["BK001".to_owned()]));
    let hold = life.waiting().unwrap();
    site.approve(&life, &person, &hold).await.unwrap();
    let undecided = "insert into precious values (2)";
    assert_eq!(raw.ask(undecided).await, Ok(vec!["BK001".to_owned()]));
    let waiting = life.waiting().unwrap();

    // An approval is good for a quarter of an hour.
    clock.advance(16 * MINUTE);
    assert_eq!(raw.ask(approved).await, Ok(vec!["BK001".to_owned()]));
    life.store.tick().await.unwrap();
    let state = life.store.hold(&hold).unwrap().state;
    assert!(matches!(state, HoldState::Expired { .. }), "{state:?}");

    // The lease is good for an hour: open sessions end, new ones are refused.
    clock.advance(50 * MINUTE);
    assert_eq!(raw.ask("select 1").await, Err(vec!["BK004".to_owned()]));
    let refused = Raw::ready(&login).await.err().map(|e| e.to_string());
    assert_eq!(refused.as_deref(), Some("BK004"));

    // A hold waits for a day.
    clock.advance(25 * 60 * MINUTE);
    assert!(site.approve(&life, &person, &waiting).await.is_err());
    assert_eq!(site.count("precious"), 0);
    life.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_set_back_between_two_starts_brings_nothing_back() {
    let site = Site::new();
    let clock = now();
    let life = site.live(Arc::new(Hand(clock.clone()))).await;
    let person = site.enrol(&life).await;
    let login = site.lease(&life, &person).await;
    let mut raw = Raw::ready(&login).await.unwrap();
    let sql = "insert into precious values (1)";
    assert_eq!(raw.ask(sql).await, Ok(vec!["BK001".to_owned()]));
    let hold = life.waiting().unwrap();
    site.approve(&life, &person, &hold).await.unwrap();
    // The journal's last entry is five hours old when the machine's clock is set back to before it.
    clock.advance(5 * 60 * MINUTE);
    life.store.note(Event::Stopped).await.unwrap();
    drop(raw);
    life.end().await;

    let life = site.live(Arc::new(SystemClock::default())).await;
    assert!(life.store.now_ms() >= clock.unix_millis());
    let login = Login {
        port: life.gate.local_addrs()[0].port(),
        ..login
    };
    let refused = Raw::ready(&login).await.err().map(|e| e.to_string());
    assert_eq!(refused.as_deref(), Some("BK004"));
    let digest = life.store.hold(&hold).unwrap().hold.digest;
    assert!(life.store.consume(&hold, digest).await.is_err());
    assert_eq!(site.count("precious"), 0);
    life.end().await;
}
