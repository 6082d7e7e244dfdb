//! What these tests share: a throwaway server, a session that acts, a picture of a whole database.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Result, ensure};
use backstop_core::secret::Secret;
use backstop_testing::postgres::{Connection, Installation, Major, Server};
use backstop_vault::points::objects::{
    Act, Address, Closure, Copied, Patience, closure, confirm, copy, hold_still,
};
use backstop_vault::points::{PointError, Question, Session, Source, Tls, Tools};

/// Every major version here whose own client programs are here too, oldest first.
pub fn majors() -> Vec<Major> {
    let (found, lacking): (Vec<Major>, Vec<Major>) = Major::available()
        .unwrap()
        .into_iter()
        .partition(|major| Installation::find(*major).unwrap().whole().is_some());
    if !lacking.is_empty() {
        eprintln!(
            "WARNING: NOT TESTED against {lacking:?}: their client programs are not installed"
        );
    }
    assert!(!found.is_empty());
    found
}

/// A client program of a server's own version.
fn program(server: &Server, name: &str) -> PathBuf {
    let installation = Installation::find(server.major()).unwrap();
    installation.whole().unwrap().join(name)
}

/// Where a throwaway server's database is, for PostgreSQL's own tools.
pub async fn source(server: &Server, connection: &Connection) -> Source {
    let bin = program(server, "");
    Source {
        host: connection.host.clone(),
        port: connection.port,
        user: connection.user.clone(),
        password: Some(Secret::new(connection.password.clone())),
        database: connection.database.clone(),
        tls: Tls::Off,
        tools: Tools::at(&bin, server.major().number()).await.unwrap(),
    }
}

/// The whole database as `pg_dump` writes it, without what differs from run to run.
pub fn picture(server: &Server) -> String {
    let owner = server.superuser();
    let output = std::process::Command::new(program(server, "pg_dump"))
        .env_clear()
        .envs([
            ("PGHOST", owner.host.clone()),
            ("PGPORT", owner.port.to_string()),
            ("PGUSER", owner.user.clone()),
            ("PGPASSWORD", owner.password.clone()),
            ("PGDATABASE", owner.database.clone()),
        ])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A session in which `statement` is about to run, as the owner.
pub async fn acting(source: &Source) -> Session {
    let mut session = Session::open(source).await.unwrap();
    session.ask("BEGIN READ WRITE").await.unwrap();
    session
}

/// The OID of a relation.
pub async fn oid(session: &mut Session, name: &str) -> u32 {
    let rows = session
        .ask(&format!(
            "SELECT '{name}'::pg_catalog.regclass::pg_catalog.oid"
        ))
        .await
        .unwrap();
    rows[0][0].clone().unwrap().parse().unwrap()
}

/// Copies what `statement` takes, then runs it, all in one transaction.
pub async fn destroy(
    source: &Source,
    act: Act,
    roots: &[Address],
    statement: &str,
) -> Result<(Closure, Copied, Vec<u8>), PointError> {
    let mut session = acting(source).await;
    let found = closure(&mut session, act, roots).await?;
    let (held, snapshot) = hold_still(&mut session, &found, Patience::default()).await?;
    let mut script = Vec::new();
    let copied = copy(&held, source, &snapshot, &mut script).await?;
    confirm(&mut session, &held, Patience::default()).await?;
    session.ask(statement).await?;
    session.ask("COMMIT").await?;
    session.close().await;
    Ok((held, copied, script))
}

/// Runs a script with `psql` alone, as anybody could.
pub fn psql_alone(server: &Server, connection: &Connection, script: &[u8]) -> Result<()> {
    use std::io::Write;
    let mut child = std::process::Command::new(program(server, "psql"))
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-1", "-o", "/dev/null"])
        .env_clear()
        .envs([
            ("PGHOST", connection.host.clone()),
            ("PGPORT", connection.port.to_string()),
            ("PGUSER", connection.user.clone()),
            ("PGPASSWORD", connection.password.clone()),
            ("PGDATABASE", connection.database.clone()),
        ])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().unwrap().write_all(script)?;
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Everything that a table can have and others can have of it.
pub const COMPANY: &str = r#"
CREATE ROLE reader; CREATE ROLE "odd ""role""";
CREATE SCHEMA "Odd ""schema""";
CREATE TYPE public.mood AS ENUM ('glad', 'sad');
CREATE DOMAIN public.positive AS integer CHECK (VALUE > 0);
CREATE FUNCTION public.twice(integer) RETURNS integer IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 2';
CREATE FUNCTION public.noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    NEW.note := coalesce(NEW.note, 'x') || '!'; RETURN NEW; END $$;
CREATE TABLE public.customers (
    id integer GENERATED BY DEFAULT AS IDENTITY (START 100) PRIMARY KEY,
    serial_number serial,
    name text COLLATE "C" NOT NULL DEFAULT 'nobody',
    note text,
    mood public.mood,
    score public.positive,
    doubled integer GENERATED ALWAYS AS (public.twice(score)) STORED,
    data bytea, tags text[], at timestamptz, ratio double precision, span interval,
    CONSTRAINT named CHECK (name <> ''),
    EXCLUDE USING btree (serial_number WITH =)
) WITH (fillfactor = 70);
ALTER TABLE public.customers ALTER COLUMN note SET STORAGE EXTERNAL, ALTER COLUMN name SET STATISTICS 50;
CREATE UNIQUE INDEX by_name ON public.customers (lower(name), public.twice(score)) WHERE score < 1000000;
ALTER TABLE public.customers REPLICA IDENTITY USING INDEX customers_pkey;
CREATE STATISTICS public.together (dependencies) ON name, note FROM public.customers;
CREATE TRIGGER noted BEFORE INSERT ON public.customers FOR EACH ROW EXECUTE FUNCTION public.noted();
CREATE TRIGGER silent BEFORE UPDATE ON public.customers FOR EACH ROW EXECUTE FUNCTION public.noted();
ALTER TABLE public.customers DISABLE TRIGGER silent;
ALTER TABLE public.customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON public.customers FOR SELECT TO reader USING (score > 1);
GRANT SELECT ON public.customers TO reader;
GRANT UPDATE (name) ON public.customers TO "odd ""role""";
COMMENT ON TABLE public.customers IS 'who pays';
COMMENT ON COLUMN public.customers.name IS 'it''s a name';
INSERT INTO public.customers (name, note, mood, score, data, tags, at, ratio, span) VALUES
    ('Ada', E'tab\tnew\nline \\ back\\.', 'glad', 1, '\x00ff5c', '{"a,b",NULL,"\"q\""}', '2026-04-01 12:00:00.123456+02', 'NaN', '1 mon -2 days 3:04:05.678'),
    ('Bob', NULL, NULL, NULL, '', '{}', 'infinity', '-Infinity', NULL),
    ('\.', '\.', 'sad', 7, NULL, NULL, '-infinity', 0.1, '-1 year');
"#;

/// What others have of it.
pub const REST: &str = r#"
INSERT INTO public.customers (name, score, ratio) SELECT 'n' || g, g, g / 3.0 FROM pg_catalog.generate_series(10, 500) g;
SELECT pg_catalog.setval('public.customers_serial_number_seq', 90000);
CREATE TABLE "Odd ""schema"""."orders; -- " (
    "id "" x" bigint PRIMARY KEY, customer integer,
    CONSTRAINT of FOREIGN KEY (customer) REFERENCES public.customers ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    next bigint DEFAULT pg_catalog.nextval('public.customers_serial_number_seq'));
INSERT INTO "Odd ""schema"""."orders; -- " SELECT 1, min(id) FROM public.customers;
CREATE VIEW public.glad AS SELECT id, name FROM public.customers WHERE mood = 'glad';
CREATE VIEW "Odd ""schema""".gladder WITH (security_barrier) AS SELECT * FROM public.glad;
GRANT SELECT ON public.glad TO reader;
CREATE MATERIALIZED VIEW public.names AS SELECT name, count(*) AS n FROM public.customers GROUP BY name;
CREATE UNIQUE INDEX ON public.names (name);
CREATE MATERIALIZED VIEW public.unfilled AS SELECT name FROM public.names WITH NO DATA;
CREATE RULE also AS ON DELETE TO "Odd ""schema"""."orders; -- " DO ALSO DELETE FROM public.glad WHERE false;
CREATE TABLE public.parts (id integer, at date) PARTITION BY RANGE (at);
CREATE TABLE public.parts_old PARTITION OF public.parts FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE TABLE public.parts_new PARTITION OF public.parts FOR VALUES FROM ('2026-01-01') TO (MAXVALUE)
    PARTITION BY LIST (id);
CREATE TABLE public.parts_one PARTITION OF public.parts_new FOR VALUES IN (1);
ALTER TABLE public.parts ADD PRIMARY KEY (id, at);
CREATE INDEX parts_at ON public.parts (at);
INSERT INTO public.parts VALUES (1, '2025-01-01'), (1, '2026-02-02'), (2, '2025-05-05');
CREATE TABLE public.of_parts (id integer, at date, FOREIGN KEY (id, at) REFERENCES public.parts);
INSERT INTO public.of_parts VALUES (1, '2026-02-02');
CREATE FUNCTION public.first_customer() RETURNS public.customers LANGUAGE sql AS 'SELECT * FROM public.customers LIMIT 1';
CREATE PUBLICATION news FOR TABLE public.customers (id, name) WHERE (id > 3), public.parts;
"#;

/// Compares two pictures by their lines: the order of a dump's entries follows OIDs, which are new.
pub fn assert_same(before: &str, after: &str, what: &str) {
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text
            .lines()
            .filter(|line| !matches!(*line, "" | "--"))
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines
    };
    let (old, new) = (sorted(before), sorted(after));
    let lost: Vec<&String> = old.iter().filter(|line| !new.contains(line)).collect();
    let surplus: Vec<&String> = new.iter().filter(|line| !old.contains(line)).collect();
    assert!(old == new, "{what}\nlost: {lost:#?}\nsurplus: {surplus:#?}");
}
