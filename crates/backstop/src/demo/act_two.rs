//! Act two: the same agent with a lease, through the gate. Every beat is checked past the gate, too.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use backstop_testing::rental;

use super::act_one::WIPE;
use super::agent::{Agent, Came};
use super::person::Person;
use super::scene::Scene;
use super::story::{Story, number};
use super::{broken, check, wait_for};
use crate::command::verify_log;
use crate::control::protocol::{Grant, LeaseAsk, Request};
use crate::failure::{Context, Failure, Outcome};
use crate::home::LOGS;
use crate::serve::{HoldRow, LeaseRow};

/// One row for a table that the lease names.
const SMALL_WRITE: &str =
    "INSERT INTO notes (id, body, n) VALUES (900001, 'checked the April invoices', 1)";
/// A harmless migration. Unnamed, so that running it twice would leave two.
const MIGRATION: &str = "CREATE INDEX ON reservations (starts_on)";
const COUNT_INDEXES: &str = "SELECT count(*) FROM pg_indexes WHERE tablename = 'reservations' AND indexdef LIKE '%(starts_on)'";
const NO: &str = "not today: fix the failing test instead, the data is not to blame";

/// How long a hold may be in coming.
const HOLD: Duration = Duration::from_secs(20);

/// The cast and where it stands.
pub(super) struct Play<'a> {
    pub(super) scene: &'a Scene,
    pub(super) story: &'a Story,
    pub(super) interrupted: &'a AtomicBool,
    pub(super) person: Person,
    /// A lease that was halted for a token that it found.
    pub(super) halted: Option<String>,
}

/// Plays it.
pub(super) fn play(scene: &Scene, story: &Story, interrupted: &AtomicBool) -> Outcome<Person> {
    story.act("act two: the same agent with a lease, through Backstop");
    let person = enrol(scene, story)?;
    let mut play = Play {
        scene,
        story,
        interrupted,
        person,
        halted: None,
    };
    let grant = play.lease()?;
    let agent = scene.agent(&grant.dsn)?;
    play.reads_and_small_writes(&agent)?;
    play.wipe_is_denied(&agent)?;
    play.wipe_again(&agent)?;
    play.migration(&agent)?;
    play.migration_again(&agent)?;
    play.foreign_credential(&agent, &grant)?;
    play.mistaken_yes()?;
    play.the_call()?;
    play.total_loss()?;
    play.reckoning()?;
    Ok(play.person)
}

fn enrol(scene: &Scene, story: &Story) -> Outcome<Person> {
    let link = scene
        .run
        .service
        .invitation()
        .ok_or_else(|| Failure::new("nobody can be invited"))?;
    story.scene("the person in this demo is a software authenticator; outside of it only a real passkey can decide");
    let person = Person::enrol(&link, "Sam (software authenticator)")
        .map_err(broken("cannot enrol the person"))?;
    story.fact("Sam enrolled at the console with two passkeys");
    Ok(person)
}

impl Play<'_> {
    /// The lease is asked for, a person approves exactly that, and the agent gets a connection string.
    pub(super) fn lease(&mut self) -> Outcome<Grant> {
        let scopes = ["read:public.*", "insert,update:public.notes"];
        let request = Request::LeaseCreate(LeaseAsk {
            target: "prod".into(),
            task: "find out why the invoice test fails".into(),
            ttl_seconds: 600,
            scopes: scopes
                .iter()
                .map(|s| s.parse())
                .collect::<Result<_, _>>()
                .map_err(Failure::new)?,
            also: vec![],
            wait: true,
            standing: false,
        });
        self.story.scene(&format!(
            "a lease is asked for: {}, ten minutes",
            scopes.join(" ")
        ));
        let mut client = self.scene.client()?;
        let (story, person) = (self.story, &mut self.person);
        let value = client.ask_held(&request, |held| {
            story.person(&format!(
                "reads what is asked, and approves {} with a passkey",
                held.hold
            ));
            person
                .approve(&held.hold)
                .map_err(broken("cannot approve the lease"))?;
            Ok(true)
        })?;
        let grant: Grant = serde_json::from_value(value.unwrap_or_default())
            .doing("the lease came in another form")?;
        self.story.beat(grant.dsn.contains("sslmode=verify-full"), &format!("{} was granted; the agent gets its DSN, with TLS verify-full and SCRAM, and no other credential", grant.lease));
        Ok(grant)
    }

    fn reads_and_small_writes(&self, agent: &Agent) -> Outcome {
        let read =
            "SELECT status, count(*), sum(total) FROM reservations GROUP BY status ORDER BY status";
        let came = self.say(agent, read)?;
        let direct = self.scene.look(read)?;
        self.story.beat(
            came.done && came.out.trim() == direct.trim(),
            "reads pass, and say what the database itself says",
        );
        let came = self.say(agent, SMALL_WRITE)?;
        let there = self
            .scene
            .look("SELECT body FROM notes WHERE id = 900001")?;
        self.story.beat(
            came.done && there.contains("April"),
            "a small write that the lease names passes",
        );
        Ok(())
    }

    fn wipe_is_denied(&mut self, agent: &Agent) -> Outcome {
        self.story.agent(WIPE);
        let known = self.waiting()?;
        let underway = agent.send(WIPE)?;
        let hold = self.new_hold(&known)?;
        self.story.beat(
            hold.lease.is_some(),
            &format!("held: {} ({})", hold.summary, hold.reason),
        );
        self.story
            .person(&format!("denies {} with a passkey: \"{NO}\"", hold.hold));
        self.person
            .deny(&hold.hold, NO)
            .map_err(broken("cannot deny"))?;
        let came = underway.finish()?;
        self.story.answer(&came.shown());
        self.story.beat(
            !came.done && came.err.contains(NO),
            "the agent was refused at once, and reads the person's words",
        );
        Ok(())
    }

    /// It does not take no for an answer.
    fn wipe_again(&mut self, agent: &Agent) -> Outcome {
        self.story.agent(WIPE);
        let known = self.waiting()?;
        let underway = agent.send(WIPE)?;
        let hold = self.new_hold(&known)?;
        let came = underway.finish()?;
        self.story.answer(&came.shown());
        self.story.beat(!came.done && came.err.contains(&hold.hold), "the repeat is held anew; nobody answered, so after the pause the agent is told to wait for a person");
        Ok(())
    }

    fn migration(&mut self, agent: &Agent) -> Outcome {
        self.story.agent(MIGRATION);
        let known = self.waiting()?;
        let underway = agent.send(MIGRATION)?;
        let hold = self.new_hold(&known)?;
        self.story.person(&format!(
            "sees that it loses nothing, and approves {} with a passkey",
            hold.hold
        ));
        self.person
            .approve(&hold.hold)
            .map_err(broken("cannot approve"))?;
        let came = underway.finish()?;
        self.story.answer(&came.shown());
        let count = self.scene.look(COUNT_INDEXES)?;
        self.story.beat(
            came.done && count.trim() == "1",
            "the approved migration ran, once, while the agent waited",
        );
        Ok(())
    }

    fn migration_again(&mut self, agent: &Agent) -> Outcome {
        self.story.agent(MIGRATION);
        let known = self.waiting()?;
        let underway = agent.send(MIGRATION)?;
        let hold = self.new_hold(&known)?;
        let came = underway.finish()?;
        self.story.answer(&came.shown());
        let count = self.scene.look(COUNT_INDEXES)?;
        self.story.beat(
            !came.done && count.trim() == "1" && hold.state == "waiting",
            "the same statement again is held again: an approval is for one action, once",
        );
        Ok(())
    }

    /// What began the incident: a credential found in a file, and used.
    fn foreign_credential(&self, agent: &Agent, grant: &Grant) -> Outcome {
        self.story
            .scene("the agent finds the owner's credential in a file, and uses it");
        let came = if self.scene.has_dblink {
            let owner = self.scene.server().owner().url();
            self.say(
                agent,
                &format!("SELECT dblink_exec('{owner}', 'DROP TABLE customers CASCADE')"),
            )?
        } else {
            self.story.agent("connect as owner");
            let as_owner = agent
                .dsn()
                .replace(&format!("//{}:", grant.lease), "//owner:");
            let came = agent.with(&as_owner).run("SELECT 1")?;
            self.story.answer(&came.shown());
            came
        };
        let lease = self.lease_row(&grant.lease)?;
        let why = lease.why.unwrap_or_default();
        self.story.beat(
            !came.done && lease.state == "halted",
            &format!("the lease is {}: {why}", lease.state),
        );
        let came = self.say(agent, "SELECT 1")?;
        self.story.beat(
            !came.done,
            "the agent can do nothing more, not even read, until a person resumes it",
        );
        Ok(())
    }

    fn reckoning(&self) -> Outcome {
        self.story.act("the reckoning");
        let after =
            rental::counts(&self.scene.server()).map_err(broken("cannot count the rows"))?;
        let mut expected = self.scene.before.clone();
        // The one row that the agent was allowed to write.
        expected.entry("notes".into()).and_modify(|n| *n += 1);
        // And the last one, where another point was taken before the loss.
        let mut with_last = expected.clone();
        with_last.entry("notes".into()).and_modify(|n| *n += 1);
        let total: u64 = after.values().sum();
        self.story.beat(
            after == expected || after == with_last,
            &format!(
                "{} rows: all of the beginning, and what the agent was allowed to write before the last point",
                number(total)
            ),
        );
        for (log, journal) in LOGS.iter().zip(self.scene.run.service.journals()) {
            journal
                .checkpoint_now()
                .doing(format!("cannot seal the {log} log"))?;
            let report = verify_log(&self.scene.home(), log, &[])?;
            let root = report.root.map_or_else(String::new, |r| r.to_string());
            let what = format!(
                "the {log} log verifies: {} entries, root {root}",
                report.entries
            );
            self.story
                .beat(report.is_sound() && report.entries > 0, &what);
        }
        Ok(())
    }

    pub(super) fn say(&self, agent: &Agent, sql: &str) -> Outcome<Came> {
        check(self.interrupted)?;
        self.story.agent(sql);
        let came = agent.run(sql)?;
        self.story.answer(&came.shown());
        Ok(came)
    }

    pub(super) fn waiting(&self) -> Outcome<Vec<String>> {
        check(self.interrupted)?;
        let rows: Vec<HoldRow> = self.scene.client()?.ask(&Request::Holds { all: true })?;
        Ok(rows.into_iter().map(|r| r.hold).collect())
    }

    pub(super) fn new_hold(&self, known: &[String]) -> Outcome<HoldRow> {
        let mut client = self.scene.client()?;
        wait_for("a hold", HOLD, self.interrupted, || {
            let rows: Vec<HoldRow> = client.ask(&Request::Holds { all: false })?;
            Ok(rows.into_iter().find(|r| !known.contains(&r.hold)))
        })
    }

    pub(super) fn lease_row(&self, id: &str) -> Outcome<LeaseRow> {
        let rows: Vec<LeaseRow> = self.scene.client()?.ask(&Request::Leases { all: true })?;
        rows.into_iter()
            .find(|r| r.lease == id)
            .ok_or_else(|| Failure::new("the lease is not listed"))
    }
}
