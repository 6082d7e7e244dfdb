//! Random statements over a random schema: the agent's, and others'.

use super::random::Random;
use super::schema::{Column, Key, OTHERS, Schema, Table};

/// One thing that an agent sends.
#[derive(Debug, Clone)]
pub enum Step {
    Sql(String),
    /// With one parameter, by the extended protocol.
    With(String, i32),
    /// COPY, and its data.
    Copy(String, String),
}

/// What an agent does to one table.
pub fn step(r: &mut Random, schema: &Schema) -> Step {
    let table = r.pick(&schema.tables);
    let name = &table.name;
    let i = 1 + r.below(30);
    let new = 50 + r.below(4_000);
    let plain: Vec<&Column> = table.columns.iter().filter(|c| !c.generated).collect();
    let column = *r.pick(&plain);
    let c = &column.name;
    let value = not_null(table, column, column.value(r));
    Step::Sql(match r.below(26) {
        0 | 1 => insert(r, table, new),
        2 => format!("{} on conflict do nothing", insert(r, table, i)),
        3 if matches!(
            table.key,
            Key::Primary | Key::Unique | Key::IdentityAlways | Key::IdentityByDefault
        ) =>
        {
            let id = if r.once_in(2) { i } else { new };
            format!(
                "{} on conflict (id) do update set note = excluded.note || 'u', {c} = {value}",
                insert(r, table, id)
            )
        }
        4..=6 => format!("update {name} set {c} = {value} where id = {i}"),
        7 => format!("update {name} set {c} = {value}, note = note || 'y' where id <= {i}"),
        8 => format!(
            "update {name} set note = repeat(coalesce(note, 'n'), 2) where id between {i} and {}",
            i + 9
        ),
        9 | 10 => format!("delete from {name} where id = {i}"),
        11 => format!(
            "delete from {name} where id between {i} and {}",
            i + r.below(6)
        ),
        12 if table.key != Key::IdentityAlways => {
            format!("update {name} set id = id + 7000 where id = {i}")
        }
        13 if table.parent.is_some() => format!(
            "update {name} set ref = {} where id <= {i}",
            1 + r.below(14)
        ),
        14 => format!("select purge_{name}({i})"),
        15 => format!("call shift_{name}({i})"),
        16 => format!(
            "do $$ begin begin delete from public.{name} where id = {i}; raise exception 'x'; exception when raise_exception then null; end; update public.{name} set note = 'do' where id = {}; end $$",
            i + 1
        ),
        17 => format!(
            "do $$ declare row record; begin for row in select id from public.{name} where id <= {i} loop \
             begin update public.{name} set note = note || 'l' where id = row.id; \
             if row.id % 3 = 0 then raise exception 'no'; end if; exception when raise_exception then null; end; end loop; end $$"
        ),
        18 => format!(
            "merge into {name} as t using (values ({i}), ({new})) s(id) on t.id = s.id \
             when matched and s.id % 2 = 0 then delete when matched then update set note = 'merged'"
        ),
        19 => format!(
            "with gone as (delete from {name} where id = {i} returning id) update counted set n = n + 1 where id in (select id % 5 from gone)"
        ),
        20 => format!(
            "update {name} set note = 'a' where id = {i}; update {name} set note = 'b' where id = {i}; delete from {name} where id = {i}"
        ),
        21 => {
            return Step::With(
                format!("update {name} set note = note || 'p' where id = $1"),
                i32::try_from(i).unwrap(),
            );
        }
        22 => {
            return Step::With(
                format!("delete from {name} where id = $1"),
                i32::try_from(i).unwrap(),
            );
        }
        23 if table.key != Key::IdentityAlways => {
            let rows: Vec<String> = (0..1 + r.below(5))
                .map(|n| format!("{}\tcopied\\t{n}\n", new + n))
                .collect();
            return Step::Copy(format!("copy {name} (id, note) from stdin"), rows.concat());
        }
        24 => format!(
            "select id from {name} where id <= {i} order by id for {}",
            r.of(&["update", "key share", "share", "no key update"])
        ),
        _ => format!(
            "update {name} as a set note = b.note from {name} b where b.id = a.id + 1 and a.id = {i}"
        ),
    })
}

fn insert(r: &mut Random, table: &Table, id: u64) -> String {
    let plain: Vec<&Column> = table.columns.iter().filter(|c| !c.generated).collect();
    let names: Vec<&str> = plain.iter().map(|c| c.name.as_str()).collect();
    let values: Vec<String> = plain
        .iter()
        .map(|c| not_null(table, c, c.value(r)))
        .collect();
    let own = if table.key == Key::IdentityAlways && r.once_in(2) {
        // The server gives it its number.
        return format!(
            "insert into {} ({}) values ({})",
            table.name,
            names.join(", "),
            values.join(", ")
        );
    } else {
        "overriding system value "
    };
    format!(
        "insert into {} (id, {}) {own}values ({id}, {})",
        table.name,
        names.join(", "),
        values.join(", ")
    )
}

fn not_null(table: &Table, column: &Column, value: String) -> String {
    if table.key == Key::Composite && column.name == "c0" {
        format!("left(coalesce({value}, 'k'), 900)")
    } else {
        value
    }
}

/// What somebody else does meanwhile, in rows of their own of the same tables.
pub fn others(r: &mut Random, schema: &Schema) -> String {
    let table = r.pick(&schema.tables);
    let name = &table.name;
    let i = OTHERS + r.below(40);
    match r.below(4) {
        0 | 1 => format!(
            "insert into {name} (id, note) overriding system value values ({i}, 'o') on conflict do nothing"
        ),
        2 => format!("update {name} set note = left(note || 'o', 40) where id = {i}"),
        _ => format!("delete from {name} where id = {i}"),
    }
}
