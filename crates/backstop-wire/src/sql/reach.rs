//! How far code reaches: whether a measurement of a transaction, taken before its COMMIT, would show all that a
//! function, trigger, rule or block did. It must take every name for whatever it could mean, and say so where it
//! stops: what it lets pass runs, and only what runs is measured.
//!
//! It reads tokens, not trees, as PL/pgSQL has no tree here: every name that stands in a piece of code is followed to
//! all functions and relations of that name, whatever their schema. What rollback does not take back and counters do
//! not show is known by the reviewed table of built-ins.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};

use pg_query::protobuf::{ScanToken, Token};

use super::builtins::{self, Rule};
use super::catalog::{Catalog, Function, ReferentialAction, Relation, Trigger, Volatility};
use super::walk::TRUSTED_EXTENSIONS;

/// How much code is followed from one place, in pieces and in bytes.
const MOST_PIECES: usize = 2_000;
const MOST_BYTES: usize = 4 * 1024 * 1024;
const TOO_FAR: &str = "reaches more code than is followed";

/// Why a measurement would not show all that a function does; `None`: it would.
pub(crate) fn of_function(catalog: &Catalog, function: &Function) -> Option<Arc<str>> {
    remembered(catalog, function.oid, |follow| follow.function(function))
}

/// As [`of_function`], by oid.
pub(crate) fn of_oid(catalog: &Catalog, oid: u32) -> Option<Arc<str>> {
    match catalog.function(oid) {
        Some(function) => of_function(catalog, function),
        None => Some("is not known to the gate".into()),
    }
}

/// As [`of_function`], for the function of a trigger, which may also wait for COMMIT.
pub(crate) fn of_trigger(catalog: &Catalog, trigger: &Trigger) -> Option<Arc<str>> {
    of_oid(catalog, trigger.function)
}

/// As [`of_function`], for a piece of SQL or PL/pgSQL.
pub(crate) fn of_text(catalog: &Catalog, text: &str) -> Option<Arc<str>> {
    let mut follow = Follow::new(catalog);
    follow.everywhere();
    follow.text(text);
    follow.run().map(Into::into)
}

/// Why a measurement would not show all that writing a relation sets off; `None`: it would.
pub(crate) fn of_relation(catalog: &Catalog, relation: &Relation) -> Option<Arc<str>> {
    remembered(catalog, relation.oid, |follow| follow.relation(relation))
}

fn remembered<'a>(
    catalog: &'a Catalog,
    oid: u32,
    begin: impl FnOnce(&mut Follow<'a>),
) -> Option<Arc<str>> {
    let known = catalog.reach.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = known.get(&oid) {
        return known.clone();
    }
    drop(known);
    let mut follow = Follow::new(catalog);
    follow.everywhere();
    begin(&mut follow);
    let found: Option<Arc<str>> = follow.run().map(Into::into);
    let mut known = catalog.reach.lock().unwrap_or_else(PoisonError::into_inner);
    known.insert(oid, found.clone());
    found
}

struct Follow<'a> {
    catalog: &'a Catalog,
    seen: HashSet<u32>,
    waiting: Vec<String>,
    bytes: usize,
    blind: Option<String>,
}

impl<'a> Follow<'a> {
    fn new(catalog: &'a Catalog) -> Self {
        Self {
            catalog,
            seen: HashSet::new(),
            waiting: vec![],
            bytes: 0,
            blind: None,
        }
    }

    fn run(mut self) -> Option<String> {
        while self.blind.is_none() {
            let Some(text) = self.waiting.pop() else {
                break;
            };
            self.bytes = self.bytes.saturating_add(text.len());
            if self.bytes > MOST_BYTES || self.seen.len() > MOST_PIECES {
                self.stop(TOO_FAR);
                break;
            }
            self.read(&text);
        }
        self.blind
    }

    fn stop(&mut self, why: impl Into<String>) {
        self.blind.get_or_insert_with(|| why.into());
    }

    fn text(&mut self, text: &str) {
        self.waiting.push(text.to_owned());
    }

    /// What can run without being named: the functions of casts.
    fn everywhere(&mut self) {
        for cast in self.catalog.casts() {
            if let Some(function) = self.catalog.function(cast.function) {
                self.function(function);
            }
        }
    }

    fn function(&mut self, function: &Function) {
        if self.blind.is_some() || !self.seen.insert(function.oid) {
            return;
        }
        let trusted = || {
            let known = |e: &Arc<str>| TRUSTED_EXTENSIONS.contains(&&**e);
            function.extension.as_ref().is_some_and(known)
        };
        if function.is_system() {
            return self.built_in(function);
        }
        if function.extension.is_some()
            && builtins::extension_function(&function.name) == Some(Rule::Harmless)
        {
            return;
        }
        if trusted()
            && builtins::extension_function(&function.name).is_none()
            && function.volatility != Volatility::Volatile
        {
            return;
        }
        match &function.body {
            Some(body) => self.text(body),
            // An aggregate is made of functions, which its maker named; which ones is not loaded.
            None => self.stop(format!(
                "reaches {}.{}, whose code nobody can follow",
                function.schema, function.name
            )),
        }
    }

    fn built_in(&mut self, function: &Function) {
        let shown = match builtins::rule(&function.name) {
            None => function.volatility != Volatility::Volatile,
            Some(
                Rule::Harmless
                | Rule::Sequence
                | Rule::SetConfig
                | Rule::CurrentSetting
                | Rule::TableText,
            ) => true,
            Some(_) => false,
        };
        if !shown {
            self.stop(format!(
                "could call {}, which is not taken back",
                function.name
            ));
        }
    }

    /// Everything that reading or writing a relation can set off.
    fn relation(&mut self, relation: &Relation) {
        if self.blind.is_some() || !self.seen.insert(relation.oid) {
            return;
        }
        if relation.kind == super::catalog::RelationKind::Foreign {
            return self.stop(format!(
                "could write to another server through {}.{}",
                relation.schema, relation.name
            ));
        }
        for trigger in relation.triggers.iter().filter(|t| t.enabled) {
            match self.catalog.function(trigger.function) {
                Some(function) => self.function(function),
                None => self.stop("fires a trigger that the gate does not know"),
            }
        }
        for rule in relation.rules.iter().filter(|r| r.enabled) {
            self.text(&rule.definition);
        }
        for expression in &relation.expressions {
            self.text(&expression.text);
        }
        if let Some(definition) = &relation.definition {
            self.text(definition);
        }
        for (_, oid) in &relation.typed {
            if let Some(domain) = self.catalog.type_by_oid(*oid) {
                for check in &domain.checks {
                    self.text(check);
                }
            }
        }
        let acting = relation.referenced_by.iter().filter(|key| {
            (key.on_delete, key.on_update) != (ReferentialAction::Refuse, ReferentialAction::Refuse)
        });
        let reached = acting.map(|key| key.from).chain(relation.children.clone());
        for oid in reached.collect::<Vec<u32>>() {
            if let Some(other) = self.catalog.relation_by_oid(oid) {
                self.relation(other);
            }
        }
    }

    fn read(&mut self, text: &str) {
        // Of a text without a token pg_query 18.1 makes a slice at no address: there is always one, at the end.
        let Ok(mut tokens) = pg_query::scan_tokens(&format!("{text}\n;")) else {
            return self.stop("holds code that cannot be read");
        };
        tokens.pop();
        let tokens: Vec<ScanToken> = tokens
            .into_iter()
            .filter(|t| !matches!(t.token(), Token::SqlComment | Token::CComment))
            .collect();
        for at in 0..tokens.len() {
            if self.blind.is_some() {
                return;
            }
            self.token(text, &tokens, at);
        }
    }

    fn token(&mut self, text: &str, tokens: &[ScanToken], at: usize) {
        let Some(token) = tokens.get(at) else { return };
        let Some(word) = slice(text, token) else {
            return self.stop("holds code that cannot be read");
        };
        let next = tokens.get(at + 1);
        match token.token() {
            Token::Uident => self.stop("holds names in another spelling"),
            Token::Execute => self.dynamic(text, tokens, at),
            Token::Do
                if next.is_some_and(|t| matches!(t.token(), Token::Sconst | Token::Language)) =>
            {
                self.stop("runs a block of code within code");
            }
            Token::Notify => self.stop("could send a message to every listener"),
            Token::Commit | Token::Rollback | Token::Prepare => {
                // ROLLBACK and COMMIT in a procedure end the transaction that is measured.
                self.stop("could end its transaction by itself");
            }
            Token::Constraints => self.stop("could put off checks and triggers to COMMIT"),
            Token::Hold => self.stop("could leave a query to run at COMMIT"),
            Token::Copy | Token::Load | Token::ImportP => {
                self.stop("could reach files or other servers");
            }
            Token::Create | Token::Alter | Token::Drop | Token::Grant | Token::Revoke
                if !self.catalog.event_triggers.is_empty() =>
            {
                self.stop("could fire an event trigger");
            }
            Token::Op => self.operator(word),
            Token::Sconst => {}
            _ => self.word(word, next.is_some_and(|t| t.token() == Token::Ascii40)),
        }
    }

    fn operator(&mut self, name: &str) {
        for operator in self.catalog.operators_named(name) {
            if let Some(function) = self.catalog.function(operator.function) {
                self.function(function);
            }
        }
    }

    /// A name: of whatever has that name.
    fn word(&mut self, word: &str, called: bool) {
        let name = match word.strip_prefix('"') {
            Some(quoted) => quoted
                .strip_suffix('"')
                .unwrap_or(quoted)
                .replace("\"\"", "\""),
            None if word.starts_with(|c: char| c.is_alphabetic() || c == '_' || !c.is_ascii()) => {
                word.to_ascii_lowercase()
            }
            None => return self.operator(word),
        };
        let catalog = self.catalog;
        for function in catalog.functions_named(&name) {
            // A built-in is called with parentheses; as a column it is a name like any other.
            if called || !function.is_system() {
                self.function(function);
            }
        }
        for relation in catalog.relations_named(&name) {
            if relation.schema != "pg_catalog" && relation.schema != "information_schema" {
                self.relation(relation);
            }
        }
    }

    /// EXECUTE of a text: followed where the text stands there, or where `format` puts nothing into it but names and
    /// values.
    fn dynamic(&mut self, text: &str, tokens: &[ScanToken], at: usize) {
        const WHY: &str = "runs a text that is put together at run time";
        let kind = |n: usize| tokens.get(n).map(|t| t.token());
        let word = |n: usize| {
            tokens
                .get(n)
                .and_then(|t| slice(text, t))
                .unwrap_or_default()
        };
        let (constant, end, holes) = match kind(at + 1) {
            // CREATE TRIGGER ... EXECUTE FUNCTION f(): the name is followed.
            Some(Token::Function | Token::Procedure) => return,
            Some(Token::Sconst) => (at + 1, at + 2, false),
            _ if word(at + 1).eq_ignore_ascii_case("format")
                && kind(at + 2) == Some(Token::Ascii40) =>
            {
                match closing(tokens, at + 2) {
                    Some(end) => (at + 3, end + 1, true),
                    None => return self.stop(WHY),
                }
            }
            _ => return self.stop(WHY),
        };
        let ends = match kind(end) {
            None | Some(Token::Ascii59 | Token::Into | Token::Using) => true,
            _ => word(end).eq_ignore_ascii_case("loop"),
        };
        let inner = (kind(constant) == Some(Token::Sconst))
            .then(|| unquoted(word(constant)))
            .flatten();
        match inner {
            Some(inner) if ends && !holes => self.text(&inner),
            Some(inner) if ends => match filled(&inner) {
                // Any relation may be meant by a name that is put in.
                Some(sql) => {
                    self.text(&sql);
                    let all: Vec<&Relation> = self.catalog.relations().collect();
                    for relation in all {
                        if relation.schema != "pg_catalog"
                            && relation.schema != "information_schema"
                        {
                            self.relation(relation);
                        }
                    }
                }
                None => self.stop(WHY),
            },
            _ => self.stop(WHY),
        }
    }
}

fn slice<'t>(text: &'t str, token: &ScanToken) -> Option<&'t str> {
    let start = usize::try_from(token.start).ok()?;
    text.get(start..usize::try_from(token.end).ok()?)
}

/// The place of the parenthesis that closes the one at `open`.
fn closing(tokens: &[ScanToken], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.token() {
            Token::Ascii40 => depth += 1,
            Token::Ascii41 => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// What a plain or dollar-quoted constant stands for; `None` for the kinds with escapes.
fn unquoted(constant: &str) -> Option<String> {
    if let Some(inner) = constant.strip_prefix('\'') {
        return Some(inner.strip_suffix('\'')?.replace("''", "'"));
    }
    let tag_end = constant.strip_prefix('$')?.find('$')? + 2;
    let (tag, rest) = constant.split_at_checked(tag_end)?;
    rest.strip_suffix(tag).map(str::to_owned)
}

/// A template of `format` with a name for every `%I` and a value for every `%L`; `None` if it has anything else.
fn filled(template: &str) -> Option<String> {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find('%') {
        out.push_str(rest.get(..at)?);
        rest = rest.get(at + 1..)?;
        let digits = rest.chars().take_while(char::is_ascii_digit).count();
        if digits > 0 {
            rest = rest.get(digits..)?.strip_prefix('$')?;
        }
        let mut chars = rest.chars();
        match chars.next()? {
            'I' => out.push_str("\"\u{1}\""),
            'L' => out.push_str("''"),
            '%' if digits == 0 => out.push('%'),
            _ => return None,
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blind(text: &str) -> Option<Arc<str>> {
        of_text(&Catalog::stock(15), text)
    }

    #[test]
    fn what_counters_show_is_seen() {
        for text in [
            "begin update t set n = n + 1 where id = old.id; return old; end",
            "begin perform set_config('a.b', 'c', true); new.at := now(); return new; end",
            "begin execute format('insert into %I select ($1).*', tg_table_name) using new; return null; end",
            "begin execute 'delete from t where id = $1' using old.id; end",
            "begin for r in execute format($$select * from %1$I where a = %L$$, 'x', 1) loop null; end loop; end",
            "begin raise notice 'notify commit'; end -- notify",
        ] {
            assert_eq!(blind(text), None, "{text}");
        }
    }

    #[test]
    fn what_they_do_not_show_is_not() {
        for text in [
            "begin perform pg_notify('a', 'b'); end",
            "begin perform \"pg_notify\"('a', 'b'); end",
            "begin notify a; end",
            "begin perform lo_unlink(5); end",
            "begin perform setval('s', 1); end",
            "begin commit; end",
            "begin set constraints all deferred; end",
            "begin execute 'select 1' || x; end",
            "begin execute x; end",
            "begin execute format('select %s', x); end",
            "begin execute format(x, y); end",
            "begin execute format('insert into %I', a) || b; end",
            "begin execute E'\\x6eotify a'; end",
            "begin execute 'notify a'; end",
            "begin execute format('declare c cursor with hold for select %L', 1); end",
            "begin execute 'do ''begin end'''; end",
            "begin perform query_to_xml('select 1', true, true, ''); end",
            "begin perform U&\"pg\\005fnotify\"('a', 'b'); end",
            "copy t to program 'x'",
        ] {
            assert!(blind(text).is_some(), "{text}");
        }
    }
}
