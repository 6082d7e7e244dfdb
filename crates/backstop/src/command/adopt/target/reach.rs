//! What a login may read and write, as the scopes of the lease that stands in for it.

use std::collections::BTreeMap;

use backstop_core::scope::{Scope, ScopeVerb};

use super::super::plan::Login;
use crate::config::Dsn;
use crate::failure::{Context, Failure, Outcome};
use crate::serve::connect_with;

/// More are not understood by who approves them.
const MOST_SCOPES: usize = 64;

/// What the login's role may read and write: the lease that stands in for it gets that, and no more.
pub(super) async fn reach(dsn: &Dsn, login: &Login) -> Outcome<Vec<Scope>> {
    const ASK: &str = "select n.nspname::pg_catalog.text, c.relname::pg_catalog.text, \
        pg_catalog.has_table_privilege(c.oid, 'select'), pg_catalog.has_table_privilege(c.oid, 'insert'), \
        pg_catalog.has_table_privilege(c.oid, 'update'), pg_catalog.has_table_privilege(c.oid, 'delete') \
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace \
        where c.relkind operator(pg_catalog.=) any (array['r','p','v','m','f']::pg_catalog.\"char\"[]) \
        and not n.nspname operator(pg_catalog.~) '^pg_' \
        and not n.nspname operator(pg_catalog.=) 'information_schema' \
        and pg_catalog.has_schema_privilege(n.oid, 'usage') order by 1, 2";
    let doing = || format!("cannot ask what {dsn} may do");
    let upstream = connect_with(dsn, login.password.clone())?;
    let client = crate::command::doctor::way(&upstream)
        .connect()
        .await
        .doing(doing())?;
    let rows = client.query(ASK, &[]).await.doing(doing())?;
    let mut schemas: BTreeMap<String, Vec<(String, Vec<ScopeVerb>)>> = BTreeMap::new();
    for row in &rows {
        let get = |n: usize| row.try_get::<_, bool>(n).unwrap_or(false);
        let text = |n: usize| row.try_get::<_, String>(n).unwrap_or_default();
        let verbs = [
            ScopeVerb::Read,
            ScopeVerb::Insert,
            ScopeVerb::Update,
            ScopeVerb::Delete,
        ];
        let has = (2..)
            .zip(verbs)
            .filter(|(n, _)| get(*n))
            .map(|(_, verb)| verb);
        schemas
            .entry(text(0))
            .or_default()
            .push((text(1), has.collect()));
    }
    let scopes = scopes(schemas);
    if scopes.is_empty() || scopes.len() > MOST_SCOPES {
        let why = match scopes.len() {
            0 => "it may read and write nothing that is there yet".to_owned(),
            n => format!("{n} scopes would be needed to say it table by table"),
        };
        return Err(Failure::new(format!(
            "what a lease in place of {dsn} may do has to be said"
        ))
        .because(why)
        .hint("say it with --scope, as in `--scope read --scope write:public.orders`"));
    }
    Ok(scopes)
}

/// One scope for a schema in which all is alike, otherwise one for each relation.
fn scopes(schemas: BTreeMap<String, Vec<(String, Vec<ScopeVerb>)>>) -> Vec<Scope> {
    let mut all = vec![];
    for (schema, relations) in schemas {
        let scope = |verbs: &[ScopeVerb], name| Scope {
            verbs: verbs.iter().copied().collect(),
            schema: Some(schema.clone()),
            name,
        };
        let first = relations
            .first()
            .map(|(_, verbs)| verbs.clone())
            .unwrap_or_default();
        if relations.iter().all(|(_, verbs)| *verbs == first) {
            all.extend((!first.is_empty()).then(|| scope(&first, None)));
            continue;
        }
        let some = relations.iter().filter(|(_, verbs)| !verbs.is_empty());
        all.extend(some.map(|(name, verbs)| scope(verbs, Some(name.clone()))));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_gets_what_the_login_had_and_no_more() {
        let read = vec![ScopeVerb::Read];
        let both = vec![ScopeVerb::Read, ScopeVerb::Insert];
        let schemas = BTreeMap::from([
            (
                "alike".to_owned(),
                vec![
                    ("a".to_owned(), both.clone()),
                    ("b".to_owned(), both.clone()),
                ],
            ),
            (
                "mixed".to_owned(),
                vec![
                    ("a".to_owned(), both),
                    ("b".to_owned(), vec![]),
                    ("c".to_owned(), read),
                ],
            ),
            ("none".to_owned(), vec![("a".to_owned(), vec![])]),
        ]);
        let shown: Vec<String> = scopes(schemas).iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            ["read,insert:alike.*", "read,insert:mixed.a", "read:mixed.c"]
        );
    }
}
