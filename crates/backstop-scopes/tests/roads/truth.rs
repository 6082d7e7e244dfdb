//! The audit's answer against what happened, both ways: no road missed, no false alarm.

use std::collections::BTreeSet;

use backstop_scopes::postgres::{Act, Audit, By, Certainty, Object, Road, audit};
use backstop_testing::postgres::{Major, PostgresServer, Server};

use crate::prober::{Prober, Truth};
use crate::world::{two, way};

pub const PASSWORD: &str = "x";

/// What only depends, and did not happen: code that names a table and never comes there.
const DEPENDS_IN_VAIN: &[(&str, Act, &str)] = &[];

/// Prepares one server with the roles of every kind.
pub fn server(major: Major) -> Server {
    let server = PostgresServer::start(major).unwrap();
    server.psql(include_str!("fixture.sql")).unwrap();
    let more = if major >= Major::V16 {
        "create role unset login; grant owner_a to unset with set false, inherit true; \
         create role unheld login; grant owner_a to unheld with set false, inherit false; \
         create role set_only login; grant owner_a to set_only with set true, inherit false; \
         create role admin_only login; grant owner_a to admin_only with admin true, set false, inherit false; \
         create role admin_by_set login; grant admin_only to admin_by_set with inherit false, set true"
    } else {
        "create role precise_in_vain login"
    };
    server.psql(more).unwrap();
    if major >= Major::V18 {
        server
            .psql("create table s.unenforced (id int references s.parent on delete cascade not enforced); insert into s.unenforced values (1); alter table s.unenforced owner to keeper")
            .unwrap();
    }
    give_passwords(&server);
    server
}

pub fn give_passwords(server: &Server) {
    let logins = "select string_agg(format('alter role %I password ''x''', rolname), ';') from pg_roles where rolcanlogin and rolname not in ('postgres', 'owner')";
    server.psql(&server.psql(logins).unwrap()).unwrap();
}

fn is_relation(object: &Object) -> bool {
    matches!(
        object,
        Object::Table { .. } | Object::View { .. } | Object::Column { .. }
    )
}

fn by_code(road: &Road) -> bool {
    matches!(road.by, By::Function | By::Trigger | By::Rule)
}

/// Everything in which the audit and the truth differ, in words.
pub fn differences(audit: &Audit, truth: &Truth) -> Vec<String> {
    let mut all = vec![];
    let told: BTreeSet<String> = audit.becomes.iter().cloned().collect();
    // Whoever becomes a superuser is everybody.
    if !truth.superuser && told != truth.becomes {
        let less: Vec<_> = truth.becomes.difference(&told).collect();
        let more: Vec<_> = told.difference(&truth.becomes).collect();
        all.push(format!("becomes: missed {less:?}, wrongly {more:?}"));
    }
    let roads: Vec<&Road> = audit
        .roads
        .iter()
        .filter(|r| is_relation(&r.object))
        .collect();
    let unjudged = audit.roads.iter().any(|r| r.act == Act::RunAs);
    for ((act, object), sql) in &truth.done {
        let found = roads
            .iter()
            .any(|r| r.object == *object && (r.act == *act || by_code(r) && r.act.destroys()));
        // A superuser's columns and foreign tables go with all the rest.
        let with_all = truth.superuser && !matches!(object, Object::Table { .. });
        if !found && !with_all {
            all.push(format!("missed: {act:?} {object:?} by {sql}"));
        }
    }
    for ((act, object), sql) in &truth.by_code {
        let found = roads
            .iter()
            .any(|r| r.object == *object && r.act.destroys());
        if !found && !unjudged && !truth.superuser {
            all.push(format!("missed, by code: {act:?} {object:?} by {sql}"));
        }
    }
    for road in roads {
        let happened = |act: Act| {
            let key = (act, road.object.clone());
            truth.done.contains_key(&key)
                || truth.by_code.contains_key(&key)
                || truth.wholes.contains_key(&key)
        };
        let any = [Act::Delete, Act::Truncate, Act::Update, Act::Drop];
        let fine = happened(road.act) || by_code(road) && any.into_iter().any(happened);
        let in_vain = road.certainty == Certainty::Depends
            && DEPENDS_IN_VAIN.iter().any(|(role, act, table)| {
                *role == audit.role
                    && *act == road.act
                    && matches!(&road.object, Object::Table { name, .. } if name == table)
            });
        if !fine && !in_vain {
            all.push(format!(
                "false alarm: {:?} {:?} by {:?}: {}",
                road.act,
                road.object,
                road.by,
                road.chain.join("; ")
            ));
        }
    }
    all
}

/// Compares for every role that may log in, each audited by a connection of its own.
pub fn agree(server: &Server, skip: &[&str]) -> usize {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let roles = server
        .psql("select rolname from pg_roles where rolcanlogin and rolname <> 'postgres' order by 1")
        .unwrap();
    runtime.block_on(async {
        let mut prober = Prober::new(way(&server.superuser()).connect().await.unwrap()).await;
        let (mut wrong, mut roads) = (vec![], 0);
        for role in roles.lines().filter(|r| !skip.contains(r)) {
            let mut connection = server.owner();
            if role != "owner" {
                connection = connection.as_role(role, PASSWORD);
            }
            let own = audit(&way(&connection).connect().await.unwrap(), None)
                .await
                .unwrap();
            // Whoever asks, the answer is the same.
            let asked = audit(prober.client(), Some(role)).await.unwrap();
            let still = |a: &Audit| -> Vec<Road> {
                let moving = |r: &&Road| !matches!(r.object, Object::Sessions { .. });
                a.roads
                    .iter()
                    .filter(moving)
                    .map(|r| Road {
                        bytes: None,
                        rows: None,
                        ..r.clone()
                    })
                    .collect()
            };
            assert_eq!(still(&own), still(&asked), "{role}");
            roads += own.roads.len();
            let begun = std::time::Instant::now();
            let truth = prober.truth(role).await;
            eprintln!(
                "{role}: {} roads, {} ms to try",
                own.roads.len(),
                begun.elapsed().as_millis()
            );
            wrong.extend(
                differences(&own, &truth)
                    .into_iter()
                    .map(|d| format!("{role}: {d}")),
            );
        }
        assert!(
            wrong.is_empty(),
            "{}: {} differences\n{}",
            server.major(),
            wrong.len(),
            wrong.join("\n")
        );
        roads
    })
}

#[test]
fn the_oldest_agrees_with_what_really_happens() {
    assert!(agree(&server(two()[0]), &[]) > 100);
}

#[test]
fn the_newest_agrees_with_what_really_happens() {
    assert!(agree(&server(*two().last().unwrap()), &[]) > 100);
}

#[test]
#[ignore = "soak: every version"]
fn every_version_agrees_with_what_really_happens() {
    for major in Major::available().unwrap() {
        assert!(agree(&server(major), &[]) > 100);
    }
}
