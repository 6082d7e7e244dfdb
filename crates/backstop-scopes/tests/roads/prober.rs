//! Tries everything, really: becomes every role that can be become, and as each of them attacks every object with
//! every statement, each in a savepoint that is rolled back. What was lost is seen by the superuser in between.

use std::collections::{BTreeMap, BTreeSet};

use backstop_scopes::postgres::{Act, Object};
use tokio_postgres::{Client, SimpleQueryMessage};

/// Counts and digests of every table, and which columns and views are there.
const STATE: &str = "\
create schema probe; revoke all on schema probe from public; \
create function probe.state() returns table (kind text, schema name, name name, col name, state text) language plpgsql as $f$ \
declare r record; begin \
for r in select c.oid, c.relkind, n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace \
  where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'probe') loop \
  kind := case r.relkind when 'v' then 'view' else 'table' end; schema := r.nspname; name := r.relname; col := null; state := ''; \
  if r.relkind = 'r' then execute format('select count(*) || '' '' || coalesce(md5(string_agg(t::text, '','')), '''') from only %s t', r.oid::regclass) into state; end if; \
  if r.relkind = 'f' then execute format('select count(*) || '' '' || coalesce(md5(string_agg(t::text, '','')), '''') from %s t', r.oid::regclass) into state; end if; \
  return next; \
  if r.relkind <> 'v' then for col in select attname from pg_attribute where attrelid = r.oid and attnum > 0 and not attisdropped loop \
    kind := 'column'; state := ''; return next; end loop; end if; \
end loop; end $f$";

type State = BTreeMap<Object, (u64, String)>;

/// One thing to try.
#[derive(Debug, Clone)]
struct Attack {
    /// What it is meant to do; code does whatever it does.
    act: Option<Act>,
    /// The relation that it names.
    target: Option<Object>,
    sql: String,
}

/// What a role was seen to do.
#[derive(Debug, Default)]
pub struct Truth {
    /// The roles that it became.
    pub becomes: BTreeSet<String>,
    pub superuser: bool,
    /// Whether an act on an object succeeded, with the statement that did it.
    pub done: BTreeMap<(Act, Object), String>,
    /// The same for what code of the database did.
    pub by_code: BTreeMap<(Act, Object), String>,
    /// Whole tables of partitions, which lose what their partitions lose.
    pub wholes: BTreeMap<(Act, Object), String>,
}

pub struct Prober {
    client: Client,
    attacks: Vec<Attack>,
    /// Tries all of them, takes each back, and says which went through and how the others failed.
    sieve: String,
    roles: Vec<(String, bool)>,
    before: State,
    /// What was tried as each role.
    tried: BTreeMap<String, Truth>,
    /// Partitioned tables, by their partitions.
    wholes: BTreeMap<Object, Vec<Object>>,
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Prober {
    pub async fn new(client: Client) -> Self {
        client.batch_execute(STATE).await.unwrap();
        let mut prober = Self {
            client,
            attacks: vec![],
            sieve: String::new(),
            roles: vec![],
            before: State::new(),
            tried: BTreeMap::new(),
            wholes: BTreeMap::new(),
        };
        prober.before = prober.state().await;
        prober.roles = prober
            .rows("select rolname, rolsuper from pg_roles where rolname <> 'postgres' order by 1")
            .await
            .into_iter()
            .map(|r| (r[0].clone(), r[1] == "t"))
            .collect();
        prober.attacks = prober.prepare().await;
        prober.sieve = sieve(prober.attacks.iter().map(|a| &a.sql));
        prober
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    async fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let answers = self.client.simple_query(sql).await.unwrap();
        let rows = answers.into_iter().filter_map(|m| match m {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        rows.map(|r| {
            (0..r.len())
                .map(|n| r.get(n).unwrap_or_default().to_owned())
                .collect()
        })
        .collect()
    }

    async fn state(&self) -> State {
        let mut state = State::new();
        for row in self.rows("select * from probe.state()").await {
            let [kind, schema, name, col, text] = row.try_into().unwrap();
            let object = match kind.as_str() {
                "view" => Object::View { schema, name },
                "column" => Object::Column {
                    schema,
                    table: name,
                    name: col,
                },
                _ => Object::Table { schema, name },
            };
            let count = text.split(' ').next().unwrap().parse().unwrap_or(0);
            state.insert(object, (count, text));
        }
        state
    }

    /// Every statement that could destroy something, made from what is there.
    async fn prepare(&mut self) -> Vec<Attack> {
        let mut all = vec![];
        let relations = "select n.nspname, c.relname, c.relkind, \
             coalesce((select string_agg(quote_ident(conname), ',') from pg_constraint p where p.conrelid = c.oid and p.contype in ('p', 'u')), '') \
             from pg_class c join pg_namespace n on n.oid = c.relnamespace \
             where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'probe') order by 1, 2";
        for row in self.rows(relations).await {
            let [schema, name, kind, keys] = row.try_into().unwrap();
            let full = format!("{}.{}", quoted(&schema), quoted(&name));
            let object = match kind.as_str() {
                "v" => Object::View {
                    schema: schema.clone(),
                    name: name.clone(),
                },
                _ => Object::Table {
                    schema: schema.clone(),
                    name: name.clone(),
                },
            };
            let help = vec![
                format!("grant usage on schema {} to current_user", quoted(&schema)),
                format!("grant all on {full} to current_user"),
                format!("alter table {full} disable row level security"),
            ];
            let word = match kind.as_str() {
                "v" => "view",
                "m" => "materialized view",
                "f" => "foreign table",
                _ => "table",
            };
            let mut add = |act, help: &[String], sql: String| {
                all.push(Attack {
                    act,
                    target: Some(object.clone()),
                    sql: with_help(help, &sql),
                });
            };
            add(
                Some(Act::Drop),
                &help[..1],
                format!("drop {word} {full} cascade"),
            );
            if kind == "m" {
                continue;
            }
            add(Some(Act::Delete), &help, format!("delete from {full}"));
            let mut more = help.clone();
            more.extend(
                keys.split(',')
                    .filter(|k| !k.is_empty())
                    .map(|k| format!("alter table {full} drop constraint {k} cascade")),
            );
            if kind != "v" {
                add(Some(Act::Delete), &more, format!("delete from {full}"));
            }
            add(None, &help, format!("insert into {full} default values"));
            if matches!(kind.as_str(), "r" | "p") {
                add(
                    Some(Act::Truncate),
                    &help,
                    format!("truncate {full} cascade"),
                );
                add(Some(Act::Truncate), &help, format!("truncate {full}"));
                add(
                    Some(Act::Truncate),
                    &more,
                    format!("truncate {full} cascade"),
                );
            }
            let columns = format!(
                "select quote_ident(attname) from pg_attribute where attrelid = '{}'::regclass and attnum > 0 and not attisdropped and atttypid = 23",
                full.replace('\'', "''")
            );
            for column in self.rows(&columns).await {
                add(
                    Some(Act::Update),
                    &help,
                    format!("update {full} set {} = 7777", column[0]),
                );
            }
        }
        for (sql, act) in [
            (
                "select format('drop schema %I cascade', nspname) from pg_namespace where nspname !~ '^pg_' and nspname not in ('information_schema', 'probe')",
                Some(Act::Drop),
            ),
            (
                "select distinct format('drop owned by %I cascade', rolname) from pg_roles where oid in (select relowner from pg_class union select typowner from pg_type union select extowner from pg_extension) and rolname <> 'postgres'",
                Some(Act::Drop),
            ),
            (
                "select format('drop type %s cascade', t.oid::regtype) from pg_type t left join pg_class c on c.oid = t.typrelid where t.oid >= 16384 and typcategory <> 'A' and typtype <> 'd' and (typrelid = 0 or relkind = 'c') \
              and not exists (select from pg_depend where objid = t.oid and deptype = 'e')",
                Some(Act::Drop),
            ),
            (
                "select format('drop function %s cascade', p.oid::regprocedure) from pg_proc p join pg_namespace n on n.oid = pronamespace where p.oid >= 16384 and n.nspname <> 'probe' and prokind = 'f' \
              and not exists (select from pg_depend where objid = p.oid and deptype = 'e')",
                Some(Act::Drop),
            ),
            (
                "select format('drop collation %s cascade', oid::regcollation) from pg_collation where oid >= 16384",
                Some(Act::Drop),
            ),
            (
                "select format('drop domain %s cascade', t.oid::regtype) from pg_type t where t.oid >= 16384 and typtype = 'd'",
                Some(Act::Drop),
            ),
            (
                "select format('drop extension %I cascade', extname) from pg_extension where extname <> 'plpgsql'",
                Some(Act::Drop),
            ),
            (
                "select format('select %s(%s)', p.oid::regproc, (select string_agg('null', ',') from generate_series(1, pronargs))) from pg_proc p join pg_namespace n on n.oid = pronamespace \
              where p.oid >= 16384 and n.nspname <> 'probe' and prokind = 'f' and prorettype not in ('trigger'::regtype, 'event_trigger'::regtype) and not exists (select from pg_depend where objid = p.oid and deptype = 'e')",
                None,
            ),
        ] {
            for row in self.rows(sql).await {
                all.push(Attack {
                    act,
                    target: None,
                    sql: row[0].clone(),
                });
            }
        }
        all.push(Attack {
            act: None,
            target: None,
            sql: "create temp table harmless ()".to_owned(),
        });
        let parts = "select pn.nspname, p.relname, n.nspname, c.relname from pg_class p join pg_namespace pn on pn.oid = p.relnamespace \
             cross join lateral pg_partition_tree(p.oid) t join pg_class c on c.oid = t.relid join pg_namespace n on n.oid = c.relnamespace where p.relkind = 'p' and t.isleaf";
        for row in self.rows(parts).await {
            let [ps, p, s, c] = row.try_into().unwrap();
            let whole = Object::Table {
                schema: ps,
                name: p,
            };
            self.wholes
                .entry(Object::Table { schema: s, name: c })
                .or_default()
                .push(whole);
        }
        all
    }

    /// Everything that `role` can do, itself and as every role that it can become.
    pub async fn truth(&mut self, role: &str) -> Truth {
        let mut truth = Truth::default();
        let chains = self.identities(role).await;
        truth.becomes = chains.keys().cloned().collect();
        let boss = self
            .roles
            .iter()
            .find(|(name, is)| *is && chains.contains_key(name));
        truth.superuser = boss.is_some();
        // As a superuser everything works; once is enough.
        let all: Vec<String> = match boss {
            Some((name, _)) => vec![name.clone()],
            None => chains.keys().cloned().collect(),
        };
        for name in all {
            if !self.tried.contains_key(&name) {
                let tried = self.attack(&chains[&name]).await;
                self.tried.insert(name.clone(), tried);
            }
            let tried = &self.tried[&name];
            truth.done.extend(tried.done.clone());
            truth.by_code.extend(tried.by_code.clone());
            truth.wholes.extend(tried.wholes.clone());
        }
        truth
    }

    /// Everything at once, as the role that these statements lead to: what it can do is the same whoever became it.
    async fn attack(&self, chain: &str) -> Truth {
        let mut truth = Truth::default();
        let begin = format!("begin; {chain}; savepoint here");
        self.client.batch_execute(&begin).await.unwrap();
        self.client.batch_execute(&self.sieve).await.unwrap();
        let found = self.rows("select current_setting('probe.found')").await;
        for one in found[0][0].split_whitespace() {
            let (at, code) = one.split_once(':').unwrap();
            let attack = &self.attacks[at.parse::<usize>().unwrap()];
            match (code, attack.act, &attack.target) {
                (DONE, _, _) => self.look(attack, &mut truth).await,
                // It was let in, and rows of others stood in the way.
                ("23503" | "23505" | "23502" | "23514", Some(act), Some(target)) => {
                    truth.done.insert((act, target.clone()), attack.sql.clone());
                }
                _ => {}
            }
        }
        self.client.batch_execute("rollback").await.unwrap();
        truth
    }

    /// Does what worked once more, and looks at what is left.
    async fn look(&self, attack: &Attack, truth: &mut Truth) {
        self.client.batch_execute(&attack.sql).await.unwrap();
        self.client
            .batch_execute("reset session authorization")
            .await
            .unwrap();
        let after = self.state().await;
        self.compare(attack, &after, truth);
        self.client
            .batch_execute("rollback to savepoint here")
            .await
            .unwrap();
    }

    fn compare(&self, attack: &Attack, after: &State, truth: &mut Truth) {
        for (object, (count, text)) in &self.before {
            let act = match after.get(object) {
                None => Act::Drop,
                Some((left, _)) if left < count => match attack.act {
                    Some(Act::Truncate) => Act::Truncate,
                    _ => Act::Delete,
                },
                Some((_, now)) if now != text && attack.act != Some(Act::Truncate) => {
                    // Nor is it an update that a column went.
                    if columns(&self.before, object) != columns(after, object) {
                        continue;
                    }
                    // What was put in is no loss.
                    if after.get(object).is_some_and(|(left, _)| left > count) {
                        continue;
                    }
                    Act::Update
                }
                Some(_) => continue,
            };
            // A column that went with its table is no loss of its own.
            if let Object::Column { schema, table, .. } = object {
                let table = Object::Table {
                    schema: schema.clone(),
                    name: table.clone(),
                };
                if !after.contains_key(&table) {
                    continue;
                }
            }
            let found = if attack.act.is_some() {
                &mut truth.done
            } else {
                &mut truth.by_code
            };
            found.insert((act, object.clone()), attack.sql.clone());
            for whole in self.wholes.get(object).into_iter().flatten() {
                truth
                    .wholes
                    .insert((act, whole.clone()), attack.sql.clone());
                if attack.target.as_ref() == Some(whole) {
                    truth.done.insert((act, whole.clone()), attack.sql.clone());
                }
            }
        }
    }

    /// The roles that `role` can be, each with the statements that lead there.
    async fn identities(&self, role: &str) -> BTreeMap<String, String> {
        let begin = format!("set session authorization {}", quoted(role));
        let mut known = BTreeMap::from([(role.to_owned(), begin.clone())]);
        let mut waiting = vec![role.to_owned()];
        while let Some(name) = waiting.pop() {
            let chain = known[&name].clone();
            let role = quoted(role);
            let mut ways: Vec<(String, [String; 3])> = vec![];
            for (other, _) in self
                .roles
                .iter()
                .filter(|(other, _)| !known.contains_key(other))
            {
                let to = quoted(other);
                let grant = format!("grant {to} to {role}; set role none; set role {to}");
                let make = format!(
                    "create role fresh; grant {to} to fresh; reset session authorization; set session authorization fresh; set role {to}"
                );
                ways.push((other.clone(), [format!("set role {to}"), grant, make]));
            }
            let begin = format!("begin; {chain}");
            self.client.batch_execute(&begin).await.unwrap();
            self.client
                .batch_execute(&sieve(ways.iter().flat_map(|(_, w)| w)))
                .await
                .unwrap();
            let found = self.rows("select current_setting('probe.found')").await;
            self.client.batch_execute("rollback").await.unwrap();
            for one in found[0][0].split_whitespace() {
                let (at, code) = one.split_once(':').unwrap();
                let at: usize = at.parse().unwrap();
                let (other, way) = &ways[at / 3];
                if code == DONE && !known.contains_key(other) {
                    known.insert(other.clone(), format!("{chain}; {}", way[at % 3]));
                    waiting.push(other.clone());
                }
            }
        }
        known
    }
}

/// Runs what helps where it can, and then the statement itself, all as whoever runs it.
fn with_help(help: &[String], sql: &str) -> String {
    let help: String = help
        .iter()
        .map(|h| format!("begin execute $q${h}$q$; exception when others then null; end; "))
        .collect();
    format!("do $attack$ begin {help} execute $q${sql}$q$; end $attack$")
}

/// The columns of a table that are there.
fn columns(state: &State, table: &Object) -> BTreeSet<String> {
    let columns = state.keys().filter_map(|object| match (object, table) {
        (
            Object::Column {
                schema,
                table: of,
                name,
            },
            Object::Table { schema: s, name: t },
        ) if (schema, of) == (s, t) => Some(name.clone()),
        _ => None,
    });
    columns.collect()
}

/// What an attack that went through ends with, to be taken back.
const DONE: &str = "ZZ000";

/// Tries each of these, takes it back, and leaves in `probe.found` which went through and how others failed.
fn sieve<'s>(each: impl Iterator<Item = &'s String>) -> String {
    let each: String = each
        .enumerate()
        .map(|(at, sql)| {
            format!(
                "begin {}; raise exception using errcode = '{DONE}'; \
                 exception when others then if sqlstate <> '42501' then found := found || ' {at}:' || sqlstate; end if; end;\n",
                executes(sql)
            )
        })
        .collect();
    format!(
        "do $sieve$ declare found text := ''; begin {each} perform set_config('probe.found', found, true); end $sieve$"
    )
}

/// One EXECUTE for each statement; those of a DO are its own affair.
fn executes(sql: &str) -> String {
    let parts: Vec<&str> = if sql.starts_with("do ") {
        vec![sql]
    } else {
        sql.split("; ").collect()
    };
    let parts: Vec<String> = parts
        .iter()
        .map(|part| format!("execute $s${part}$s$"))
        .collect();
    parts.join("; ")
}
