//! Random roles, memberships, grants, keys, children, views and code: the audit against what really happens.

use std::fmt::Write as _;

use backstop_testing::postgres::{Major, PostgresServer};

use crate::truth::{agree, give_passwords};
use crate::world::two;

/// A small generator of its own, so that a seed says everything.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

const ROLES: u64 = 8;
const TABLES: u64 = 9;

/// Keys that act have a row to act on; those that refuse have none, so that no row stands in a road that the
/// catalogue shows.
fn script(chance: &mut Chance, major: Major) -> String {
    let mut sql = String::new();
    for n in 0..ROLES {
        let inherit = chance.pick(&["inherit", "inherit", "noinherit"]);
        let maker = if chance.one_in(9) { "createrole" } else { "" };
        let over = if chance.one_in(6) { "bypassrls" } else { "" };
        writeln!(sql, "create role r{n} login {inherit} {maker} {over};").unwrap();
    }
    for _ in 0..7 {
        let (a, b) = (chance.below(ROLES), chance.below(ROLES));
        // Always from the lower to the higher: no circles.
        if a == b {
            continue;
        }
        let (role, member) = (a.min(b), a.max(b));
        let admin = if chance.one_in(4) { "true" } else { "false" };
        if major >= Major::V16 {
            let (inherit, set) = (
                chance.pick(&["true", "false"]),
                chance.pick(&["true", "true", "false"]),
            );
            writeln!(
                sql,
                "grant r{role} to r{member} with admin {admin}, inherit {inherit}, set {set};"
            )
            .unwrap();
        } else if admin == "true" {
            writeln!(sql, "grant r{role} to r{member} with admin option;").unwrap();
        } else {
            writeln!(sql, "grant r{role} to r{member};").unwrap();
        }
    }
    if chance.one_in(3) {
        let who = chance.below(ROLES);
        writeln!(sql, "grant pg_write_all_data to r{who};").unwrap();
    }
    for n in 0..2 {
        let owner = chance.below(ROLES);
        writeln!(
            sql,
            "create schema s{n} authorization r{owner}; grant usage on schema s{n} to public;"
        )
        .unwrap();
    }
    for n in 0..TABLES {
        let (schema, owner) = (chance.below(2), chance.below(ROLES));
        let full = format!("s{schema}.t{n}");
        writeln!(
            sql,
            "create table {full} (id int primary key, n int); insert into {full} values (1, 1);"
        )
        .unwrap();
        writeln!(
            sql,
            "create view s{schema}.v{n} as select id, n from {full};"
        )
        .unwrap();
        let viewer = chance.below(ROLES);
        writeln!(sql, "alter view s{schema}.v{n} owner to r{viewer};").unwrap();
        for (what, acts) in [
            (
                full.clone(),
                "delete|update|truncate|update (n)|update (id)|insert",
            ),
            (format!("s{schema}.v{n}"), "delete|update"),
        ] {
            for act in acts.split('|') {
                if chance.one_in(5) {
                    let who = chance.below(ROLES);
                    writeln!(sql, "grant {act} on {what} to r{who};").unwrap();
                }
            }
        }
        if n > 0 && chance.one_in(2) {
            let to = chance.below(n);
            let (row, on) = match chance.below(3) {
                0 => ("1", "on delete cascade on update cascade"),
                1 => ("1", "on delete set null on update set null"),
                _ => ("null", ""),
            };
            writeln!(sql, "alter table {full} add p int; update {full} set p = {row}; \
                 do $$ begin execute format('alter table {full} add foreign key (p) references %s {on}', \
                 (select oid::regclass from pg_class where relname = 't{to}' and relkind = 'r')); end $$;").unwrap();
        } else if n > 0 && chance.one_in(4) {
            let parent = chance.below(n);
            writeln!(sql, "do $$ begin execute format('create table s{schema}.c{n} () inherits (%s)', \
                 (select oid::regclass from pg_class where relname = 't{parent}' and relkind = 'r')); end $$; \
                 insert into s{schema}.c{n} (id, n) values (2, 2); alter table s{schema}.c{n} owner to r{};", chance.below(ROLES)).unwrap();
        }
        if chance.one_in(4) {
            writeln!(sql, "alter table {full} enable row level security;").unwrap();
            if chance.one_in(2) {
                let (who, act) = (
                    chance.below(ROLES),
                    chance.pick(&["all", "delete", "update"]),
                );
                writeln!(
                    sql,
                    "create policy p on {full} for {act} to r{who} using (true);"
                )
                .unwrap();
            }
        }
        writeln!(sql, "alter table {full} owner to r{owner};").unwrap();
        if chance.one_in(4) {
            let (by, runs) = (chance.below(ROLES), chance.below(ROLES));
            writeln!(sql, "create function s{schema}.f{n}() returns void language sql security definer as 'delete from {full}'; \
                 alter function s{schema}.f{n} owner to r{by}; revoke execute on function s{schema}.f{n} from public; \
                 grant execute on function s{schema}.f{n} to r{runs};").unwrap();
        }
    }
    sql
}

fn rounds(majors: &[Major], count: u64) {
    let first = match std::env::var("BACKSTOP_TEST_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => std::time::UNIX_EPOCH.elapsed().unwrap().as_secs(),
    };
    for round in 0..count {
        for major in majors {
            let seed = first + round;
            eprintln!("{major}, BACKSTOP_TEST_SEED={seed}");
            let server = PostgresServer::start(*major).unwrap();
            let sql = script(&mut Chance(seed), *major);
            server.psql(&sql).unwrap_or_else(|e| panic!("{e}\n{sql}"));
            give_passwords(&server);
            agree(&server, &["owner"]);
        }
    }
}

#[test]
fn random_roles_and_grants_agree_too() {
    rounds(&two(), 1);
}

#[test]
#[ignore = "soak: many random worlds on every version"]
fn many_random_worlds_agree() {
    let percent: u64 = std::env::var("BACKSTOP_SOAK_PERCENT").map_or(100, |p| p.parse().unwrap());
    rounds(&Major::available().unwrap(), (40 * percent / 100).max(1));
}
