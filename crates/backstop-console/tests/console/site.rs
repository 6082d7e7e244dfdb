//! A console on a free port of 127.0.0.1 with a store whose journal is in memory.

use std::sync::{Arc, Mutex};

use backstop_console::{
    Alarm, Console, Deletions, DeletionsFuture, Limits, Notice, Notices, Options, Origin,
    Presented, Timeline, TimelineFuture, TimelinePage, TimelineQuery, TimelineRow, Tls, Weight,
    serve,
};
use backstop_core::action::{Ask, HttpBinding, SqlBinding};
use backstop_core::deletion::{Cancellation, Scheduled};
use backstop_core::digest::Digest;
use backstop_core::effect::{Analysis, Bound, Effect, EffectKind, Verb};
use backstop_core::entry::{Control, Event};
use backstop_core::hold::HoldText;
use backstop_core::lease::{Also, LeaseSpec};
use backstop_core::point::{Drill, Point};
use backstop_core::rehearsal::{Ended, Lock, Rehearsal, Rows, Undo};
use backstop_core::target::Environment;
use backstop_core::verdict::{Decision, Verdict};
use backstop_store::{
    Ledger, LedgerError, LedgerFuture, NewHold, Opened, SealKey, Store, SystemClock,
};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A control log in memory.
#[derive(Default)]
pub struct MemoryLedger {
    entries: Mutex<Vec<Control>>,
    texts: Mutex<Vec<(Digest, Vec<u8>)>>,
}

impl Ledger for MemoryLedger {
    fn append<'a>(&'a self, entry: &'a Control, texts: Vec<(Digest, Vec<u8>)>) -> LedgerFuture<'a> {
        Box::pin(async move {
            self.texts.lock().unwrap().extend(texts);
            let mut entries = self.entries.lock().unwrap();
            entries.push(entry.clone());
            Ok(entries.len() as u64 - 1)
        })
    }

    fn size(&self) -> u64 {
        self.entries.lock().unwrap().len() as u64
    }

    fn read(&self, index: u64) -> Result<Control, LedgerError> {
        let entries = self.entries.lock().unwrap();
        entries
            .get(usize::try_from(index).unwrap())
            .cloned()
            .ok_or_else(|| LedgerError("no such entry".into()))
    }

    fn text(&self, digest: Digest) -> Result<Option<Vec<u8>>, LedgerError> {
        let texts = self.texts.lock().unwrap();
        Ok(texts
            .iter()
            .find(|(name, _)| *name == digest)
            .map(|(_, text)| text.clone()))
    }
}

impl MemoryLedger {
    pub fn words(&self) -> Vec<&'static str> {
        self.entries
            .lock()
            .unwrap()
            .iter()
            .map(|entry| entry.event.word())
            .collect()
    }

    pub fn events(&self) -> Vec<Event> {
        self.entries
            .lock()
            .unwrap()
            .iter()
            .map(|entry| entry.event.clone())
            .collect()
    }
}

/// The same log as a timeline.
struct MemoryTimeline(Arc<MemoryLedger>);

impl Timeline for MemoryTimeline {
    fn page<'a>(&'a self, query: &'a TimelineQuery) -> TimelineFuture<'a> {
        Box::pin(async move {
            let entries = self.0.entries.lock().unwrap();
            let rows = entries
                .iter()
                .enumerate()
                .rev()
                .map(|(index, entry)| row(index, entry));
            let fits = |row: &TimelineRow| {
                query.kind.as_ref().is_none_or(|kind| *kind == row.kind)
                    && query
                        .lease
                        .as_ref()
                        .is_none_or(|lease| row.lease.as_ref() == Some(lease))
                    && query
                        .text
                        .as_ref()
                        .is_none_or(|text| row.summary.contains(text.as_str()))
                    && query.from_ms.is_none_or(|from| row.at_ms >= from)
            };
            Ok(TimelinePage {
                rows: rows.filter(fits).take(query.limit).collect(),
                older: None,
            })
        })
    }
}

fn row(index: usize, entry: &Control) -> TimelineRow {
    let (lease, hold, summary) = match &entry.event {
        Event::Held { hold, .. } => (
            hold.lease.clone(),
            Some(hold.id.clone()),
            hold.summary.clone(),
        ),
        Event::Decided { hold, decision } => (
            None,
            Some(hold.clone()),
            format!("{:?}", decision.challenge.answer),
        ),
        Event::LeaseGranted { lease, .. } => {
            (Some(lease.id.clone()), None, lease.spec.task.clone())
        }
        Event::Halted { lease, why, .. } => (lease.clone(), None, why.clone()),
        Event::Enrolled { person, .. } => (None, None, format!("{} can decide", person.name)),
        Event::Consumed { hold, .. } => (None, Some(hold.clone()), "released, once".to_owned()),
        other => (None, None, other.word().to_owned()),
    };
    TimelineRow {
        log: "control",
        index: index as u64,
        at_ms: entry.at_ms,
        kind: entry.event.word().to_owned(),
        summary,
        lease,
        target: None,
        hold,
    }
}

#[derive(Default)]
pub struct Alarms(pub Mutex<Vec<Presented>>);

impl Alarm for Alarms {
    fn lease_at_console(&self, presented: Presented) {
        self.0.lock().unwrap().push(presented);
    }
}

struct NotIsolated;

impl Notices for NotIsolated {
    fn now(&self) -> Vec<Notice> {
        vec![Notice {
            weight: Weight::Note,
            text: "not isolated: the journal lies on the gate's own machine".to_owned(),
        }]
    }
}

/// The deletions of a vault that takes anybody's word: the vault's own tests show that the real one does not.
#[derive(Default)]
pub struct Vault {
    pub open: Mutex<Vec<Scheduled>>,
    pub cancelled: Mutex<Vec<Cancellation>>,
    /// Why it does not answer, if it does not.
    pub away: Mutex<Option<String>>,
}

impl Deletions for Vault {
    fn scheduled(&self) -> DeletionsFuture<'_, (String, Vec<Scheduled>)> {
        Box::pin(async {
            match &*self.away.lock().unwrap() {
                Some(why) => Err(why.clone()),
                None => Ok((
                    "vault.test+1+key".to_owned(),
                    self.open.lock().unwrap().clone(),
                )),
            }
        })
    }

    fn cancel(&self, signed: Cancellation) -> DeletionsFuture<'_, ()> {
        Box::pin(async move {
            let mut open = self.open.lock().unwrap();
            open.retain(|one| one.request != signed.challenge.request);
            self.cancelled.lock().unwrap().push(signed);
            Ok(())
        })
    }
}

/// A running console.
pub struct Site {
    pub store: Store,
    pub ledger: Arc<MemoryLedger>,
    pub origin: String,
    pub port: u16,
    pub alarms: Arc<Alarms>,
    pub vault: Arc<Vault>,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<std::io::Result<()>>>,
    _folder: tempfile::TempDir,
}

impl Site {
    pub async fn start() -> Self {
        let quick = Limits {
            ceremony_burst: 500,
            recovery_burst: 500,
            ..Limits::default()
        };
        Self::start_with(quick, backstop_store::Limits::default(), "http", None).await
    }

    pub async fn start_with(
        limits: Limits,
        holds: backstop_store::Limits,
        scheme: &str,
        tls: Option<Tls>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let origin = format!("{scheme}://localhost:{port}");
        let ledger = Arc::new(MemoryLedger::default());
        let store = Store::open(backstop_store::Options {
            index: folder.path().join("index"),
            ledger: ledger.clone(),
            clock: Arc::new(SystemClock::default()),
            key: SealKey::generate().unwrap(),
            limits: holds,
        })
        .unwrap();
        let installed = Event::Installed {
            installation: "installation_test".into(),
            rp_id: "localhost".into(),
            origin: origin.clone(),
        };
        store.note(installed).await.unwrap();
        store
            .note(Event::Started {
                version: "test".into(),
                policy: Digest::of(b"policy"),
            })
            .await
            .unwrap();
        let alarms = Arc::new(Alarms::default());
        let vault = Arc::new(Vault::default());
        let console = Console::new(Options {
            store: store.clone(),
            origin: Origin::parse(&origin).unwrap(),
            timeline: Arc::new(MemoryTimeline(ledger.clone())),
            alarm: alarms.clone(),
            notices: Arc::new(NotIsolated),
            deletions: Some(vault.clone()),
            limits,
        })
        .unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(serve(listener, tls, console, async {
            let _ = stopped.await;
        }));
        Self {
            store,
            ledger,
            origin,
            port,
            alarms,
            vault,
            stop: Some(stop),
            task: Some(task),
            _folder: folder,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Stops it and waits until it has.
    pub async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.task.take().unwrap().await.unwrap().unwrap();
    }

    /// A lease, granted past the people: the tests of the store show that nobody else can.
    pub async fn lease(&self, task: &str, environment: Environment) -> String {
        let id = backstop_core::id::make(
            "lease",
            Digest::of(task.as_bytes()).0[..10].try_into().unwrap(),
        );
        let now = self.store.now_ms();
        let spec = LeaseSpec {
            target: "prod".into(),
            environment,
            task: task.into(),
            ttl_seconds: 3600,
            scopes: vec![
                "read:*.*".parse().unwrap(),
                "insert,update,delete:public.payments".parse().unwrap(),
            ],
            also: vec![],
            parent: None,
        };
        let person = self
            .store
            .state()
            .people
            .keys()
            .next()
            .cloned()
            .unwrap_or_default();
        let lease = backstop_core::lease::Lease {
            id: id.clone(),
            spec,
            person,
            created_ms: now,
            expires_ms: now + 3_600_000,
            verifier: "SCRAM-SHA-256$none".into(),
        };
        self.store
            .note(Event::LeaseGranted { lease, hold: None })
            .await
            .unwrap();
        id
    }

    /// Points of a target, one every so many hours until now, of which each third was drilled.
    pub async fn points(&self, target: &str, count: u8, hours: i64) {
        let now = self.store.now_ms();
        let hour = 3_600_000;
        for n in 1..=count {
            let name = Digest::of(format!("{target} {n}").as_bytes());
            let taken_ms = now - i64::from(count - n) * hours * hour - hour / 2;
            let point = Point {
                name,
                parts: vec![],
                taken_ms,
                milliseconds: 42_000,
                stored: 1 << 20,
                bytes: 1 << 24,
                tables: 12,
                rows: 1_000 + u64::from(n),
                manifest: name,
                figures: name,
            };
            let target = target.to_owned();
            let event = Event::PointTaken { target, point };
            self.store.note(event).await.unwrap();
            if n % 3 == 0 {
                self.drill(name, "prod", taken_ms + hour / 4, None).await;
            }
        }
    }

    /// A drill, and what came of it.
    pub async fn drill(&self, point: Digest, target: &str, started_ms: i64, failure: Option<&str>) {
        let drill = Drill {
            point,
            target: target.to_owned(),
            manifest: failure.is_none().then_some(point),
            started_ms,
            milliseconds: 90_000,
            restore_ms: 20_000 + started_ms.unsigned_abs() / 1_000_000 % 7_000,
            tables: 12,
            rows: 1_000,
            differences: 0,
            first: vec![],
            left_out: 0,
            failure: failure.map(str::to_owned),
        };
        let event = Event::Drilled {
            drill,
            report: "backstop.drill/1".to_owned(),
            key: "drill+0+x".to_owned(),
        };
        self.store.note(event).await.unwrap();
    }

    /// A hold for what a person asks, as the command line and the console open it.
    pub async fn ask(&self, ask: Ask) -> String {
        let new = backstop_console::own_ask(ask, &self.store.state()).unwrap();
        let (Opened::Waiting(record) | Opened::Approved(record)) =
            self.store.open_hold(new).await.unwrap();
        record.hold.id
    }

    /// A lease that somebody asks for, with a name in it that deceives the eye.
    pub fn lease_ask(task: &str) -> Ask {
        let also = |target: &str, environment, scope: &str| Also {
            target: target.into(),
            environment,
            scopes: vec![scope.parse().unwrap()],
        };
        Ask::GrantLease {
            spec: LeaseSpec {
                target: "prod".into(),
                environment: Environment::Production,
                task: task.into(),
                ttl_seconds: 5_400,
                scopes: vec![
                    "read:*.*".parse().unwrap(),
                    "update:public.p\u{430}yments".parse().unwrap(),
                ],
                also: vec![
                    also("railway", Environment::Production, "write"),
                    also("pinned", Environment::Staging, "tunnel"),
                ],
                parent: None,
            },
        }
    }

    /// A held statement.
    /// A hold's action was run on a copy that is of this point, where everything is called `name`.
    pub async fn rehearsed(&self, hold: &str, point: Digest, name: &str) {
        let told = Rehearsal {
            point: Some(point),
            end: Ended::Ran,
            milliseconds: 1_234,
            locks: vec![Lock {
                relation: name.to_owned(),
                mode: "AccessExclusiveLock".to_owned(),
            }],
            tables: vec![Rows {
                table: name.to_owned(),
                inserted: 0,
                updated: 2,
                deleted: 1_900_000,
            }],
            gone: vec![name.to_owned()],
            gone_more: 7,
            undo: Undo::Took {
                milliseconds: 300_000,
            },
        };
        self.store.rehearsed(hold, told).await.unwrap();
    }

    /// The call of the incident.
    pub async fn http_hold(&self, lease: &str) -> String {
        let volume = "volume.\"a3f1c9d2-5b7e-4c80-9e21-6f4d8b0a7c35\"";
        let statement = "POST https://backboard.railway.com/graphql/v2\ncontent-type: application/json\n\n{\"query\":\"mutation { volumeDelete(volumeId: \\\"a3f1c9d2-5b7e-4c80-9e21-6f4d8b0a7c35\\\") }\"}";
        let opened = self
            .store
            .open_hold(NewHold {
                ask: Ask::Http {
                    binding: HttpBinding {
                        method: "POST".into(),
                        origin: "https://backboard.railway.com:443".into(),
                        resource: Digest::of(b"/graphql/v2"),
                        headers: Digest::of(b"headers"),
                        body: Digest::of(statement.as_bytes()),
                        operations: vec!["volumeDelete".into()],
                    },
                },
                lease: Some(lease.into()),
                target: Some("railway".into()),
                environment: Environment::Production,
                summary: "volumeDelete at railway".into(),
                analysis: Analysis {
                    effects: vec![
                        Effect::new(EffectKind::Destroy, Verb::Drop, Some(volume.into())),
                        Effect::new(EffectKind::Destroy, Verb::Drop, Some("volume_backup.\"*\"".into()))
                            .bounded(Bound::Unbounded),
                    ],
                    incomplete: vec![],
                    unseen: vec![],
                    transactional: false,
                },
                verdict: Verdict {
                    decision: Decision::Hold,
                    rule: "production-safeguards".into(),
                    reason: "this takes away what would bring data back".into(),
                    people: 2,
                },
                recoverable: format!(
                    "`{volume}` holds the database of `prod`; its newest drilled recovery point is of 2026-11-29T09:12:44Z"
                ),
                whole: String::new(),
                policy: Digest::of(b"policy"),
                text: HoldText {
                    statement: statement.into(),
                    known: vec![
                        "volumeDelete: Deletes a persistent volume in a project (reviewed)".into(),
                        "with it goes: every environment's instance of the volume and its data".into(),
                        "with it goes: all backups of the volume".into(),
                    ],
                    ..HoldText::default()
                },
            })
            .await
            .unwrap();
        match opened {
            Opened::Waiting(record) | Opened::Approved(record) => record.hold.id,
        }
    }

    pub async fn hold(&self, lease: &str, new: Held<'_>) -> String {
        let binding = SqlBinding {
            text: Digest::of(new.statement.as_bytes()),
            parameters: Digest::of(b""),
            copy_data: None,
            extended: !new.parameters.is_empty(),
            role: lease.into(),
            search_path: vec!["public".into()],
            settings: vec![],
            objects: new.objects.iter().map(|o| (*o).to_owned()).collect(),
            earlier: None,
        };
        let record = self.store.lease(lease).unwrap();
        let verdict = Verdict {
            decision: Decision::Hold,
            rule: new.rule.into(),
            reason: new.reason.into(),
            people: new.people,
        };
        let opened = self
            .store
            .open_hold(NewHold {
                ask: Ask::Sql { binding },
                lease: Some(lease.into()),
                target: Some("prod".into()),
                environment: record.lease.spec.environment,
                summary: new.summary.into(),
                analysis: Analysis {
                    effects: new.effects,
                    incomplete: new.incomplete,
                    unseen: vec![],
                    transactional: true,
                },
                verdict,
                recoverable: "nothing is recoverable yet".into(),
                whole: String::new(),
                policy: Digest::of(b"policy"),
                text: HoldText {
                    statement: new.statement.into(),
                    destructive: new.destructive,
                    parameters: new.parameters,
                    earlier: new.earlier,
                    known: vec![],
                    agent_words: new.agent_words.into(),
                },
            })
            .await
            .unwrap();
        match opened {
            Opened::Waiting(record) | Opened::Approved(record) => record.hold.id,
        }
    }
}

/// What a test's hold is about.
pub struct Held<'a> {
    pub statement: &'a str,
    pub destructive: Vec<(usize, usize)>,
    pub summary: &'a str,
    pub effects: Vec<Effect>,
    pub incomplete: Vec<String>,
    pub parameters: Vec<Option<String>>,
    pub earlier: Vec<String>,
    pub objects: &'a [&'a str],
    pub agent_words: &'a str,
    pub rule: &'a str,
    pub reason: &'a str,
    pub people: u8,
}

/// A plain destructive one.
pub fn wipe(statement: &str) -> Held<'_> {
    Held {
        statement,
        destructive: vec![(0, statement.len())],
        summary: "DELETE on public.payments",
        effects: vec![
            Effect::new(
                EffectKind::Destroy,
                Verb::Delete,
                Some("public.payments".to_owned()),
            )
            .bounded(Bound::Unbounded),
        ],
        incomplete: vec![],
        parameters: vec![],
        earlier: vec![],
        objects: &["16412 public.payments"],
        agent_words: "application_name: billing-agent",
        rule: "production-destroy",
        reason: "it deletes rows without a bound, and there is no recovery point",
        people: 1,
    }
}
