//! The analysis with the catalogue of real servers, of every major that is installed: what views, triggers, rules,
//! cascades, keys, and names that shadow others make of a statement.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on stops"
)]

use std::process::Command;

use backstop_core::effect::{Analysis, Bound, EffectKind, Verb};
use backstop_testing::postgres::{Connection, Major, PostgresServer, Server};
use backstop_wire::sql::{self, Catalog, Created, Script, Session};

const SCHEMA: &str = r#"
create table customers (id bigint primary key, email text unique, name varchar(50), team int);
create table orders (id bigint primary key, customer_id bigint references customers on delete cascade on update cascade, total numeric);
create table payments (id bigint primary key, order_id bigint references orders on delete set null, amount numeric);
create table notes (customer_id bigint references customers, body text);
create table plain (a int, b int, unique (a, b));
create table base (id int primary key); create table heir (extra int) inherits (base);
create table events (id bigint, at date, primary key (id, at)) partition by range (at);
create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01');
create table audited (id int primary key, v int);
create function note_it() returns trigger language plpgsql as $$ begin return null; end $$;
create trigger audit after update or delete on audited for each row execute function note_it();
create table quiet (id int primary key);
create trigger off before insert on quiet for each row execute function note_it();
alter table quiet disable trigger off;
create trigger on_partition after insert on events_2024 for each row execute function note_it();
create function secret_work(int) returns int language sql volatile as 'select 1';
create table defaulted (id int default secret_work(1), n int default 1, s serial);
create table indexed (t text); create function norm(text) returns text language sql immutable as 'select $1';
create index on indexed (norm(t));
create table ruled (id int); create rule r as on insert to ruled do also notify x;
create view v_plain as select id, email from customers;
create view v_evil as select id, secret_work(1) as x from customers;
create view v_deep as select * from v_evil;
create view v_kill as select pg_terminate_backend(id::int) from customers;
create view v_users as select * from pg_catalog.pg_shadow;
create materialized view m_plain as select count(*) from customers;
create domain checked as int check (secret_work(value) > 0);
create domain positive as int check (value > 0);
create type mood as enum ('good', 'bad');
create table moody (m mood, p positive, c checked);
create table many (id int primary key, p positive, ps positive[], m mood);
create table pairs (a int, b int, unique (a, b));
create table of_pairs (y int, x int, foreign key (x, y) references pairs (a, b) on delete set null);
create table guarded (id int, tenant text); alter table guarded enable row level security;
create policy p on guarded using (tenant = current_setting('app.tenant'));
create table watched (id int); alter table watched enable row level security;
create policy w on watched using (secret_work(id) > 0);
create function lower(varchar) returns text language sql as 'select $1::text';
create function hidden(customers) returns int language sql as 'select 1';
create schema evil;
create function evil.eq(int, bigint) returns bool language sql as 'select true';
create operator evil.= (leftarg = int, rightarg = bigint, function = evil.eq);
create procedure tidy() language sql as 'delete from customers';
create function mood_text(mood) returns int language sql as 'select 1';
create cast (mood as int) with function mood_text(mood);
"#;

fn servers() -> Vec<Server> {
    Major::available()
        .expect("installed servers")
        .into_iter()
        .map(|major| {
            let server = PostgresServer::start(major).expect("a server");
            server.psql_as(&server.owner(), SCHEMA).expect("the schema");
            server
        })
        .collect()
}

/// The catalogue as a gate would read it, over COPY.
fn catalog(server: &Server) -> Catalog {
    let answers = Catalog::queries().iter().map(|query| {
        let body: String = query
            .sql
            .lines()
            .filter(|line| !line.starts_with("--"))
            .collect::<Vec<_>>()
            .join("\n");
        let script = format!("set search_path = '';\ncopy ({body}) to stdout;");
        let text = server.psql_as(&server.owner(), &script).expect(query.name);
        let rows = text
            .lines()
            .map(|line| line.split('\t').map(cell).collect())
            .collect();
        (query.name, rows)
    });
    Catalog::load(u16::try_from(server.major().number()).unwrap(), answers).expect("a catalogue")
}

fn cell(text: &str) -> Option<String> {
    if text == "\\N" {
        return None;
    }
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    Some(out)
}

struct At<'c> {
    catalog: &'c Catalog,
    path: Vec<String>,
    created: Vec<Created>,
    parameter_types: Vec<u32>,
}

impl<'c> At<'c> {
    fn new(catalog: &'c Catalog) -> Self {
        Self {
            catalog,
            path: vec!["public".into()],
            created: Vec::new(),
            parameter_types: Vec::new(),
        }
    }

    fn script(&self, sql: &str) -> Script {
        let session = Session {
            search_path: &self.path,
            role: "agent",
            own_roles: &["agent".to_owned()],
            created: &self.created,
            prepared: &|_| None,
            parameter_types: &self.parameter_types,
        };
        sql::analyse(sql, self.catalog, &session).expect(sql)
    }

    fn analysis(&self, sql: &str) -> Analysis {
        self.script(sql).statements.remove(0).analysis
    }

    fn bound(&self, sql: &str) -> Bound {
        let analysis = self.analysis(sql);
        assert!(analysis.is_complete(), "{sql}: {:?}", analysis.incomplete);
        analysis
            .effects
            .iter()
            .find(|e| e.kind >= EffectKind::Write)
            .map(|e| e.bound)
            .expect(sql)
    }

    fn has(&self, sql: &str, kind: EffectKind, verb: Verb, object: &str) -> bool {
        self.analysis(sql)
            .effects
            .iter()
            .any(|e| e.kind == kind && e.verb == verb && e.object.as_deref() == Some(object))
    }

    fn says(&self, sql: &str, words: &str) {
        let analysis = self.analysis(sql);
        assert!(
            analysis.incomplete.iter().any(|why| why.contains(words)),
            "{sql}: {:?}",
            analysis.incomplete
        );
    }

    fn reads(&self, sql: &str) {
        let analysis = self.analysis(sql);
        assert!(analysis.is_read(), "{sql}: {analysis:?}");
    }
}

#[test]
fn a_live_catalogue_decides() {
    for server in servers() {
        let catalog = catalog(&server);
        let at = At::new(&catalog);
        keys_bound_writes(&at);
        cascades_are_followed(&at);
        conditions_look_only(&at);
        reached_code_is_found(&at);
        names_that_shadow_are_found(&catalog);
        everyday_reads_pass(&at);
        drops_name_what_goes_along(&at);
        session_state_counts(&catalog);
        psql_may_look_around(&server, &catalog);
        the_fingerprint_moves(&server);
        the_reviewed_table_is_whole(&catalog);
    }
}

fn keys_bound_writes(at: &At<'_>) {
    for (sql, wanted) in [
        (
            "update customers set name = 'x' where id = 1",
            Bound::Rows(1),
        ),
        (
            "update customers c set name = 'x' where c.id = $1",
            Bound::Rows(1),
        ),
        (
            "update customers set name = 'x' where 1 = id and name = 'y'",
            Bound::Rows(1),
        ),
        (
            "update customers set name = 'x' where email = 'a@b'",
            Bound::Rows(1),
        ),
        (
            "update customers set name = 'x' where id in (1, 2, 3)",
            Bound::Rows(3),
        ),
        (
            "update customers set name = 'x' where id = any(array[1, 2])",
            Bound::Rows(2),
        ),
        (
            "update customers set name = 'x' where id = any('{1,2,3,4}'::bigint[])",
            Bound::Rows(4),
        ),
        (
            "update customers set name = 'x' where id = '7'::bigint",
            Bound::Rows(1),
        ),
        (
            "update plain set a = 1 where a = 1 and b in (1, 2)",
            Bound::Rows(2),
        ),
        (
            "delete from plain where a in (1, 2) and b in (1, 2)",
            Bound::Rows(4),
        ),
        (
            "update events set at = at where id = 1 and at = '2024-02-02'",
            Bound::Rows(1),
        ),
        (
            "update customers c set name = n.body from notes n where c.id = 5 and n.customer_id = c.id",
            Bound::Rows(1),
        ),
        (
            "update plain set a = 1 where ctid = '(0,1)'",
            Bound::Rows(1),
        ),
        // What does not bound.
        (
            "update customers set name = 'x' where id > 1",
            Bound::Unbounded,
        ),
        (
            "update customers set name = 'x' where id = 1 or id = 2",
            Bound::Unbounded,
        ),
        (
            "update customers set name = 'x' where id = any($1)",
            Bound::Unbounded,
        ),
        (
            "update customers set name = 'x' where not id = 1",
            Bound::Unbounded,
        ),
        (
            "update customers set name = 'x' where team = 1",
            Bound::Unbounded,
        ),
        ("update plain set a = 1 where a = 1", Bound::Unbounded),
        (
            "update customers c set name = n.body from notes n where c.id = n.customer_id",
            Bound::Unbounded,
        ),
        (
            "update customers set name = 'x' where id = 1::float8",
            Bound::Unbounded,
        ),
        (
            "update customers set name = 'x' where id = team",
            Bound::Unbounded,
        ),
        (
            "update customers set name = 'x' where id = null",
            Bound::Unbounded,
        ),
        ("update base set id = 2 where id = 1", Bound::Unbounded),
        ("update only base set id = 2 where id = 1", Bound::Rows(1)),
    ] {
        assert_eq!(at.bound(sql), wanted, "{sql}");
    }
    let declared = At {
        parameter_types: vec![701],
        ..At::new(at.catalog)
    };
    assert_eq!(
        declared.bound("update customers set name = 'x' where id = $1"),
        Bound::Unbounded
    );
}

fn cascades_are_followed(at: &At<'_>) {
    let delete = "delete from customers where id = 1";
    assert!(at.has(delete, EffectKind::Write, Verb::Delete, "public.customers"));
    assert!(at.has(delete, EffectKind::Write, Verb::Delete, "public.orders"));
    assert!(at.has(delete, EffectKind::Write, Verb::Update, "public.payments"));
    assert!(!at.has(delete, EffectKind::Write, Verb::Delete, "public.notes"));
    let update = "update customers set id = 2 where id = 1";
    assert!(at.has(update, EffectKind::Write, Verb::Update, "public.orders"));
    assert!(!at.has(
        "update customers set name = 'x' where id = 1",
        EffectKind::Write,
        Verb::Update,
        "public.orders"
    ));
    let view = "delete from v_plain where id = 1";
    assert!(at.has(view, EffectKind::Write, Verb::Delete, "public.customers"));
    assert!(at.has(view, EffectKind::Write, Verb::Delete, "public.orders"));
    assert!(at.has(
        "truncate customers cascade",
        EffectKind::Destroy,
        Verb::Truncate,
        "public.payments"
    ));
    assert!(at.has(
        "truncate events",
        EffectKind::Destroy,
        Verb::Truncate,
        "public.events_2024"
    ));
    assert!(at.has(
        "delete from customers",
        EffectKind::Destroy,
        Verb::Delete,
        "public.orders"
    ));
}

fn reached_code_is_found(at: &At<'_>) {
    at.says(
        "update audited set v = 1 where id = 1",
        "fires trigger audit on public.audited",
    );
    at.says("delete from audited where id = 1", "fires trigger audit");
    assert!(
        at.analysis("insert into audited values (1, 1)")
            .is_complete()
    );
    assert!(at.analysis("insert into quiet values (1)").is_complete());
    at.says(
        "insert into events values (1, '2024-02-02')",
        "fires trigger on_partition on public.events_2024",
    );
    at.says(
        "insert into defaulted (n) values (1)",
        "calls public.secret_work",
    );
    at.says("insert into indexed values ('x')", "calls public.norm");
    at.says("insert into ruled values (1)", "rule r on public.ruled");
    at.says("select * from v_evil", "calls public.secret_work");
    at.says("select * from v_deep", "calls public.secret_work");
    at.says(
        "select 1 from customers where id in (select id from v_deep)",
        "calls public.secret_work",
    );
    assert_eq!(
        at.analysis("select * from v_kill").worst(),
        EffectKind::Escape
    );
    assert_eq!(
        at.analysis("select * from v_users").worst(),
        EffectKind::Reveal
    );
    at.says("select '1'::checked", "calls public.secret_work");
    at.says(
        "insert into moody values ('good', 1, 1)",
        "calls public.secret_work",
    );
    at.says("select 'good'::mood::int", "mood_text");
    at.says("select * from watched", "calls public.secret_work");
    at.says(
        "delete from watched where id = 1",
        "calls public.secret_work",
    );
    at.says("call tidy()", "procedure");
    at.says("select secret_work(1)", "calls public.secret_work");
    at.says("select * from secret_work(1)", "calls public.secret_work");
    at.says("select c.hidden from customers c", "public.hidden");
    at.says("explain select norm('x')", "calls public.norm");
    let set = at.analysis("set app.tenant = 'other'");
    assert_eq!(set.worst(), EffectKind::Admin, "a policy reads it");
}

/// Conditions that can be asked with more rights than the agent's.
fn conditions_look_only(at: &At<'_>) {
    let of = |sql: &str| {
        let all = sql::conditions(sql, &at.script(sql), at.catalog);
        let all: Vec<_> = all
            .into_iter()
            .map(|c| {
                let table = at.catalog.relation_by_oid(c.relation).expect("a table");
                (table.name.clone(), c.sql.to_lowercase(), c.parameters)
            })
            .collect();
        all
    };
    let one = |table: &str, sql: &str, parameters: &[usize]| {
        (table.to_owned(), sql.to_owned(), parameters.to_vec())
    };
    assert_eq!(
        of("update public.quiet q set id = $3 where q.id = $2 or id = any ($1) or $2 < id"),
        [one("quiet", "id = $1 or id = any($2) or $1 < id", &[1, 0])]
    );
    assert_eq!(
        of("delete from customers where id = 5; update notes set body = '' where body like 'a%'"),
        [
            one("customers", "id = 5", &[]),
            one(
                "orders",
                "(customer_id) in (select id from public.customers where id = 5)",
                &[]
            ),
            one(
                "payments",
                "(order_id) in (select id from public.orders where (customer_id) in \
                 (select id from public.customers where id = 5))",
                &[]
            ),
            one("notes", "body like 'a%'", &[]),
        ]
    );
    // Columns are paired as the key pairs them.
    assert_eq!(
        of("delete from pairs where a = $1")[1],
        one(
            "of_pairs",
            "(x, y) in (select a, b from public.pairs where a = $1)",
            &[0]
        )
    );
    assert_eq!(
        of(
            "insert into plain (b, a) values ($1, $2), (3, 4) on conflict (a, b) do update set a = 1"
        ),
        [one(
            "plain",
            "(a = $1 and b = $2) or (a = 4 and b = 3)",
            &[1, 0]
        )]
    );
    for sql in [
        // A literal or a parameter of another type runs the checks and the code of that type.
        "update many set m = 'bad' where ps = '{1}'",
        "update many set m = 'bad' where p = 1",
        "update many set m = 'bad' where m = 'good'",
        "update many set m = 'bad' where id = 1::public.positive",
        "update many set m = 'bad' where ctid = '(0,1)'",
        "update many set m = 'bad' where many = null",
        "insert into many values (1, 1) on conflict (p) do update set m = 'bad'",
        // Code, and other tables.
        "update quiet set id = 2 where id = abs(1)",
        "update quiet set id = 2 where id = (select 1)",
        "update quiet set id = 2 where id in (select id from base)",
        "update quiet set id = 2 where id operator(evil.=) 1::bigint",
        "update quiet set id = 2 where case when id = 1 then true end",
        "update quiet set id = 2 where current_user = 'x'",
        "update quiet q set id = 2 from base b where b.id = q.id",
        "with w as (select 1) delete from quiet where id = 1",
        "delete from quiet using base where quiet.id = 1",
        "delete from quiet",
        // What the text does not show.
        "update ruled set id = 1 where id = 2",
        "delete from v_plain where id = 1",
        "insert into plain values (1, 2) on conflict do nothing",
        "insert into plain select 1, 2 on conflict (a, b) do update set a = 1",
        "insert into plain values (default, 2) on conflict (a, b) do update set a = 1",
        "insert into plain values (1, abs(2)) on conflict (a, b) do update set a = 1",
        "insert into indexed values ('x') on conflict (norm(t)) do update set t = 'y'",
        "truncate quiet",
        "select 1",
    ] {
        assert_eq!(of(sql), [], "{sql}");
    }
}

fn names_that_shadow_are_found(catalog: &Catalog) {
    let at = At::new(catalog);
    at.says(
        "select lower(name) from customers",
        "`lower` could be captured by public.lower",
    );
    at.reads("select pg_catalog.lower(name) from customers");
    at.reads("select upper(name) from customers where id = 1");
    let beside = At {
        path: vec!["evil".into(), "public".into()],
        ..At::new(catalog)
    };
    beside.says("select 1 where 1 = 2", "evil");
    beside.says("select 1 from customers where id in (1, 2)", "evil");
    beside.says("select 1 from customers join orders using (id)", "evil");
    beside.says("select case id when 1 then 2 end from customers", "evil");
    beside.says(
        "select id from customers where id in (select id from orders)",
        "evil",
    );
    beside.says("select nullif(id, 1) from customers", "evil");
    beside.reads("select 1 where 1 operator(pg_catalog.=) 2");
    at.says("select 1 where 1 operator(evil.=) 2", "evil");
}

fn everyday_reads_pass(at: &At<'_>) {
    for sql in [
        "select * from customers where email = 'x'",
        "select * from v_plain",
        "select * from m_plain",
        "select * from events where at > now()",
        "select * from guarded",
        "select 'good'::mood, '5'::numeric",
        "select count(*) from moody_missing",
        "select no_such_function(1)",
        "select * from information_schema.tables",
        "select c.name from customers c join orders o on o.customer_id = c.id",
    ] {
        // The type `checked` stands in no column of these.
        at.reads(sql);
    }
    let missing = at.script("select no_such_function(1) from no_such_table");
    assert_eq!(
        missing.statements[0].unresolved,
        ["public.no_such_table", "no_such_function"]
    );
}

fn drops_name_what_goes_along(at: &At<'_>) {
    let drop = "drop table customers cascade";
    for gone in [
        "public.customers",
        "public.v_plain",
        "public.v_evil",
        "public.v_deep",
        "public.m_plain",
    ] {
        assert!(
            at.has(drop, EffectKind::Destroy, Verb::Drop, gone),
            "{gone}"
        );
    }
    assert!(at.has(drop, EffectKind::Destroy, Verb::Alter, "public.orders"));
    assert!(at.has(
        "drop schema public cascade",
        EffectKind::Destroy,
        Verb::Drop,
        "public.payments"
    ));
}

fn session_state_counts(catalog: &Catalog) {
    let made = Created {
        schema: None,
        name: "scratch".into(),
        body: None,
        until_commit: false,
    };
    let at = At {
        created: vec![
            made,
            Created {
                schema: None,
                name: "customers".into(),
                body: None,
                until_commit: false,
            },
        ],
        ..At::new(catalog)
    };
    let own = at.analysis("delete from scratch");
    assert!(
        own.effects
            .iter()
            .all(|e| e.own && e.kind == EffectKind::Write),
        "{own:?}"
    );
    // The permanent table wins: the temporary one may be gone again.
    assert!(at.has(
        "delete from customers",
        EffectKind::Destroy,
        Verb::Delete,
        "public.customers"
    ));
}

/// Runs psql's own commands against the server and judges the queries that they send.
fn psql_may_look_around(server: &Server, catalog: &Catalog) {
    let queries = hidden_queries(server, &server.owner());
    assert!(queries.len() > 40, "{}", queries.len());
    let at = At {
        path: vec!["owner".into(), "public".into()],
        ..At::new(catalog)
    };
    for sql in queries {
        let script = at.script(&sql);
        for statement in &script.statements {
            assert!(
                statement.analysis.is_read(),
                "{sql}\n{:?}",
                statement.analysis
            );
            assert!(
                statement.unresolved.is_empty(),
                "{sql}\n{:?}",
                statement.unresolved
            );
        }
    }
}

fn hidden_queries(server: &Server, connection: &Connection) -> Vec<String> {
    let commands = [
        "\\d",
        "\\d+",
        "\\d customers",
        "\\d+ customers",
        "\\d+ orders",
        "\\d+ events",
        "\\d+ events_2024",
        "\\d v_plain",
        "\\d+ m_plain",
        "\\d+ moody",
        "\\d guarded",
        "\\d+ heir",
        "\\d defaulted_s_seq",
        "\\d customers_pkey",
        "\\da",
        "\\dA",
        "\\db",
        "\\dc",
        "\\dC",
        "\\dd",
        "\\dD",
        "\\ddp",
        "\\dE",
        "\\des",
        "\\det",
        "\\deu",
        "\\dew",
        "\\df",
        "\\df+",
        "\\dF",
        "\\dFd",
        "\\dFp",
        "\\dFt",
        "\\dg",
        "\\di+",
        "\\dl",
        "\\dL",
        "\\dm",
        "\\dn+",
        "\\do",
        "\\dO",
        "\\dp",
        "\\dP+",
        "\\drds",
        "\\dRp",
        "\\dRs",
        "\\ds",
        "\\dt+",
        "\\dT+",
        "\\du+",
        "\\dv",
        "\\dx",
        "\\dX",
        "\\dy",
        "\\l",
        "\\l+",
        "\\sf note_it",
        "\\sv v_plain",
        "\\z",
        "\\dconfig",
        "\\dAc",
        "\\dAf",
    ];
    let mut psql = Command::new(server.installation().client("psql").expect("psql"));
    psql.args(["--no-psqlrc", "--echo-hidden", "--quiet"]);
    for command in commands {
        psql.args(["--command", command]);
    }
    let output = psql
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("PGHOST", &connection.host)
        .env("PGPORT", connection.port.to_string())
        .env("PGUSER", &connection.user)
        .env("PGPASSWORD", &connection.password)
        .env("PGDATABASE", &connection.database)
        .output()
        .expect("psql runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let mut queries = Vec::new();
    let mut query: Option<String> = None;
    for line in text.lines() {
        if (line.starts_with("********* QUERY") || line.starts_with("/******** QUERY"))
            && query.is_none()
        {
            query = Some(String::new());
        } else if line.starts_with("*********") || line.starts_with("/*********") {
            queries.extend(query.take());
        } else if let Some(query) = &mut query {
            query.push_str(line);
            query.push('\n');
        }
    }
    queries
}

fn the_fingerprint_moves(server: &Server) {
    let ask = || {
        server
            .psql_as(&server.owner(), Catalog::fingerprint_query())
            .expect("a fingerprint")
    };
    let mut last = ask();
    assert_eq!(last, ask(), "nothing changed");
    for change in [
        "create function f9() returns int language sql as 'select 1'",
        "create or replace function f9() returns int language sql as 'select 2'",
        "create table t9 (a int)",
        "alter table t9 add column b int",
        "alter table t9 rename column b to c",
        "alter table t9 drop column c",
        "create unique index i9 on t9 (a)",
        "create trigger g9 after insert on t9 for each row execute function note_it()",
        "alter table t9 disable trigger g9",
        "alter table t9 enable row level security",
        "create policy p9 on t9 using (true)",
        "create view v9 as select 1 as x",
        "create or replace view v9 as select 2 as x",
        "create schema s9",
        "alter table t9 alter a set default 7",
        "alter table t9 add check (a > 0)",
        "create domain d9 as int check (value > 1)",
        "alter domain d9 add check (value > 2)",
    ] {
        server.psql_as(&server.owner(), change).expect(change);
        let now = ask();
        assert_ne!(last, now, "{change}");
        last = now;
    }
}

/// The stock data may be older than the server at hand: what it has must be reviewed all the same.
fn the_reviewed_table_is_whole(catalog: &Catalog) {
    let at = At::new(catalog);
    let volatile = catalog.functions().filter(|f| {
        &*f.schema == "pg_catalog"
            && f.volatility == backstop_wire::sql::catalog::Volatility::Volatile
    });
    for function in volatile {
        let arguments = vec!["null"; usize::from(function.least)].join(", ");
        let sql = format!("select pg_catalog.\"{}\"({arguments})", function.name);
        let analysis = at.analysis(&sql);
        assert!(
            analysis
                .incomplete
                .iter()
                .all(|why| !why.contains("is not reviewed")),
            "{sql}"
        );
    }
}
