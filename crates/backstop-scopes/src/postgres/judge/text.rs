//! What a piece of SQL or PL/pgSQL names as its victims, read word by word.
//!
//! It proves nothing: code that names a table may never come there. It must not miss: what it cannot follow, it says.

use super::Move;

/// What was found in a text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// What is done to which name; the schema only where the text says it.
    pub(crate) acts: Vec<(Move, Option<String>, String)>,
    /// Why there may be more.
    pub(crate) unknown: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    /// A word as written without quotes, in lower case.
    Plain(String),
    /// A quoted name.
    Quoted(String),
    /// A constant.
    Text,
    Mark(char),
}

/// Built-ins that run a text, or destroy what is no table.
const RUNS_MORE: &[&str] = &[
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "lo_export",
    "lo_from_bytea",
    "lo_import",
    "lo_put",
    "lo_truncate",
    "lo_truncate64",
    "lo_unlink",
    "lowrite",
    "pg_drop_replication_slot",
    "pg_terminate_backend",
    "query_to_xml",
    "query_to_xml_and_xmlschema",
    "query_to_xmlschema",
    "ts_rewrite",
    "ts_stat",
];

/// Reads a text; `is_function` says whether a name is one of a function that people made.
pub(crate) fn read(text: &str, is_function: impl Fn(&str) -> bool) -> Found {
    let words = words(text);
    let mut found = Found::default();
    let plain = |at: usize| match words.get(at) {
        Some(Word::Plain(word)) => word.as_str(),
        _ => "",
    };
    // A name in another spelling, which is not read here.
    if text.contains("U&\"") || text.contains("u&\"") {
        found.stop("holds names in another spelling");
    }
    let mut inserted: Option<(Option<String>, String)> = None;
    for at in 0..words.len() {
        let before = at.checked_sub(1).map_or("", plain);
        match plain(at) {
            "delete" if plain(at + 1) == "from" => found.name(&words, at + 2, Move::Delete),
            "merge" if plain(at + 1) == "into" => {
                found.name(&words, at + 2, Move::Delete);
                found.name(&words, at + 2, Move::Update);
            }
            "update" if before == "do" => {
                if let Some((schema, name)) = inserted.clone() {
                    found.acts.push((Move::Update, schema, name));
                }
            }
            "update" if !matches!(before, "for" | "on" | "or" | "before" | "after" | "key") => {
                found.name(&words, at + 1, Move::Update);
            }
            "insert" if plain(at + 1) == "into" => {
                inserted = relation(&words, at + 2).map(|(schema, name, _)| (schema, name));
                found.name(&words, at + 2, Move::Insert);
            }
            "truncate" => {
                let from = if plain(at + 1) == "table" {
                    at + 2
                } else {
                    at + 1
                };
                found.list(&words, from, Move::Truncate);
            }
            "drop" => found.dropped(&words, at, &plain),
            "execute" if !matches!(plain(at + 1), "function" | "procedure") => {
                found.stop("runs texts that are put together at run time");
            }
            "create" | "grant" | "revoke" | "reassign" | "import" | "refresh" => {
                found.stop(&format!("uses {}", plain(at).to_uppercase()));
            }
            "alter" | "call" | "copy" | "do"
                if plain(at) != "do" || words.get(at + 1) == Some(&Word::Text) =>
            {
                found.stop(&format!("uses {}", plain(at).to_uppercase()));
            }
            _ => {}
        }
        if let Some(Word::Plain(name) | Word::Quoted(name)) = words.get(at)
            && words.get(at + 1) == Some(&Word::Mark('('))
            && (is_function(name) || RUNS_MORE.contains(&name.as_str()))
        {
            found.stop(&format!("calls `{name}`"));
        }
    }
    found
}

impl Found {
    fn stop(&mut self, why: &str) {
        self.unknown.get_or_insert_with(|| why.to_owned());
    }

    fn name(&mut self, words: &[Word], at: usize, act: Move) {
        if let Some((schema, name, _)) = relation(words, at) {
            self.acts.push((act, schema, name));
        }
    }

    fn list(&mut self, words: &[Word], mut at: usize, act: Move) {
        while let Some((schema, name, end)) = relation(words, at) {
            self.acts.push((act, schema, name));
            if words.get(end) != Some(&Word::Mark(',')) {
                return;
            }
            at = end + 1;
        }
    }

    fn dropped<'w>(&mut self, words: &[Word], at: usize, plain: &impl Fn(usize) -> &'w str) {
        match plain(at + 1) {
            "table" => {
                let from = if plain(at + 2) == "if" {
                    at + 4
                } else {
                    at + 2
                };
                self.list(words, from, Move::Drop);
            }
            "" => {}
            other => self.stop(&format!("uses DROP {}", other.to_uppercase())),
        }
    }
}

/// A relation's name at this place, and the place after it.
fn relation(words: &[Word], mut at: usize) -> Option<(Option<String>, String, usize)> {
    if words.get(at) == Some(&Word::Plain("only".to_owned())) {
        at += 1;
    }
    let part = |at: usize| match words.get(at) {
        Some(Word::Plain(name) | Word::Quoted(name)) => Some(name.clone()),
        _ => None,
    };
    let first = part(at)?;
    if words.get(at + 1) == Some(&Word::Mark('.')) {
        return Some((Some(first), part(at + 2)?, at + 3));
    }
    Some((None, first, at + 1))
}

fn words(text: &str) -> Vec<Word> {
    let mut all = vec![];
    let mut rest = text;
    // Whether the word before ends right here, as in E'…'.
    let mut escaped = false;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        rest = if let Some(comment) = rest.strip_prefix("--") {
            comment.split_once('\n').map_or("", |(_, rest)| rest)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            past_comment(comment)
        } else if c == '\'' {
            let escapes = all.last() == Some(&Word::Plain("e".to_owned())) && escaped;
            all.push(Word::Text);
            if escapes {
                past_escapes(after)
            } else {
                past(after, '\'')
            }
        } else if c == '"' {
            let end = past(after, '"');
            let length = after.len().saturating_sub(end.len() + 1);
            let name = after.get(..length).unwrap_or_default();
            all.push(Word::Quoted(name.replace("\"\"", "\"")));
            end
        } else if let Some(end) = past_dollars(rest) {
            all.push(Word::Text);
            end
        } else if c.is_alphabetic() || c == '_' {
            let end = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
                .unwrap_or(rest.len());
            let (word, end) = rest.split_at(end);
            all.push(Word::Plain(word.to_lowercase()));
            end
        } else {
            if !c.is_whitespace() {
                all.push(Word::Mark(c));
            }
            after
        };
        escaped = matches!(c, 'e' | 'E');
    }
    all
}

/// What follows a constant in which a backslash takes the next letter along.
fn past_escapes(text: &str) -> &str {
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let doubled = letter == '\'' && letters.peek().is_some_and(|(_, next)| *next == '\'');
        if letter == '\\' || doubled {
            letters.next();
        } else if letter == '\'' {
            return text.get(at + 1..).unwrap_or_default();
        }
    }
    ""
}

/// What follows a quoted piece; doubled quotes are part of it.
fn past(text: &str, quote: char) -> &str {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(quote) {
        match after.strip_prefix(quote) {
            Some(more) => rest = more,
            None => return after,
        }
    }
    ""
}

fn past_comment(text: &str) -> &str {
    let (mut depth, mut rest) = (1_usize, text);
    while depth > 0 {
        let Some(at) = rest.find(['*', '/']) else {
            return "";
        };
        rest = rest.get(at..).unwrap_or_default();
        if let Some(after) = rest.strip_prefix("*/") {
            (depth, rest) = (depth - 1, after);
        } else if let Some(after) = rest.strip_prefix("/*") {
            (depth, rest) = (depth + 1, after);
        } else {
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    rest
}

fn past_dollars(text: &str) -> Option<&str> {
    let end = text.strip_prefix('$')?.find('$')? + 2;
    let (tag, rest) = text.split_at_checked(end)?;
    let word = |c: char| c.is_alphanumeric() || c == '_';
    if !tag.trim_matches('$').chars().all(word)
        || tag.chars().nth(1).is_some_and(|c| c.is_ascii_digit())
    {
        return None;
    }
    rest.split_once(tag).map(|(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use backstop_wire::sql::{ident, qualified};

    fn named(schema: Option<&str>, name: &str) -> String {
        schema.map_or_else(|| ident(name), |schema| qualified(schema, name))
    }

    fn acts(text: &str) -> Vec<String> {
        let found = read(text, |name| name == "ours");
        let mut all: Vec<String> = found
            .acts
            .iter()
            .map(|(act, schema, name)| format!("{act:?} {}", named(schema.as_deref(), name)))
            .collect();
        all.extend(found.unknown);
        all
    }

    #[test]
    fn victims_are_named() {
        for (text, expected) in [
            (
                "begin delete from only a.\"B c\" where x = 1; end",
                vec!["Delete a.\"B c\""],
            ),
            (
                "truncate table a, b.c cascade",
                vec!["Truncate a", "Truncate b.c"],
            ),
            ("drop table if exists x, y", vec!["Drop x", "Drop y"]),
            (
                "insert into t values (1) on conflict do update set n = 2",
                vec!["Insert t", "Update t"],
            ),
            ("update t set n = 1", vec!["Update t"]),
            (
                "select * from t for update; -- delete from x\n /* drop table y /* z */ */ select 'truncate q'",
                vec![],
            ),
            ("select $$delete from x$$, $1", vec![]),
            (
                "execute 'drop ' || x",
                vec!["runs texts that are put together at run time"],
            ),
            ("perform ours(1)", vec!["calls `ours`"]),
            ("perform lower('x')", vec![]),
            (
                "for r in select 1 loop delete from t; end loop",
                vec!["Delete t"],
            ),
            ("drop schema x", vec!["uses DROP SCHEMA"]),
            (
                "select E'\\'', 'delete from a'; delete from b --'",
                vec!["Delete b"],
            ),
            ("select e'x''\\\\'; delete from b", vec!["Delete b"]),
            (
                "perform query_to_xml(x, true, true, '')",
                vec!["calls `query_to_xml`"],
            ),
            (
                "delete from u&\"\\0061\"",
                vec!["Delete u", "holds names in another spelling"],
            ),
            ("grant a to b", vec!["uses GRANT"]),
            ("do $$ begin end $$", vec!["uses DO"]),
        ] {
            assert_eq!(acts(text), expected, "{text}");
        }
    }
}
