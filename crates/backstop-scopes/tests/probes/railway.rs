//! Railway: queries held against the published schema, and what a token sees.

use std::collections::BTreeMap;

use backstop_scopes::probe::{Can, Provider, QUERIES};
use backstop_scopes::report::{Probed, Severity};
use backstop_testing::doubles::{AnsweringDouble, reply};
use serde_json::{Value, json};

use super::support::{ask, planted, reads_only};

/// Type and field to arguments and type.
fn schema() -> BTreeMap<String, (BTreeMap<String, String>, String)> {
    include_str!("railway-schema.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (head, kind) = line.rsplit_once("): ").unwrap();
            let (field, arguments) = head.split_once('(').unwrap();
            let arguments = arguments
                .split(", ")
                .filter_map(|a| a.split_once(": "))
                .map(|(name, kind)| (name.to_owned(), kind.to_owned()));
            (field.to_owned(), (arguments.collect(), kind.to_owned()))
        })
        .collect()
}

fn words(text: &str) -> Vec<String> {
    let spaced: String = text
        .chars()
        .flat_map(|c| {
            if "{}():,$!".contains(c) {
                vec![' ', c, ' ']
            } else {
                vec![c]
            }
        })
        .collect();
    spaced.split_whitespace().map(str::to_owned).collect()
}

fn bare(kind: &str) -> String {
    kind.replace(['[', ']', '!'], "")
}

/// Walks a selection and an answer to it, if there is one: fields, arguments, whether there is a selection where there
/// must be one, and that the answer has what was selected and nothing else.
fn walk(words: &[String], at: &mut usize, of: &str, answer: Option<&Value>) {
    let schema = schema();
    assert_eq!(words[*at], "{");
    *at += 1;
    let mut selected = vec![];
    while words[*at] != "}" {
        let name = words[*at].clone();
        *at += 1;
        let (arguments, kind) = schema
            .get(&format!("{of}.{name}"))
            .unwrap_or_else(|| panic!("{of} has no field {name}"));
        let mut given = vec![];
        if words[*at] == "(" {
            while words[*at] != ")" {
                if words[*at + 1] == ":" {
                    assert!(
                        arguments.contains_key(&words[*at]),
                        "{of}.{name}({})",
                        words[*at]
                    );
                    given.push(words[*at].clone());
                }
                *at += 1;
            }
            *at += 1;
        }
        for (argument, kind) in arguments {
            assert!(
                !kind.ends_with('!') || given.contains(argument),
                "{of}.{name} needs {argument}"
            );
        }
        let inner = bare(kind);
        let is_object = schema
            .keys()
            .any(|key| key.starts_with(&format!("{inner}.")));
        assert_eq!(words[*at] == "{", is_object, "{of}.{name}");
        let value = answer.map(|a| {
            a.get(&name)
                .unwrap_or_else(|| panic!("the double lacks {of}.{name}"))
        });
        if is_object {
            match value {
                Some(Value::Array(all)) if !all.is_empty() => {
                    let begin = *at;
                    for one in all {
                        *at = begin;
                        walk(words, at, &inner, Some(one));
                    }
                }
                Some(value) if value.is_object() => walk(words, at, &inner, Some(value)),
                _ => walk(words, at, &inner, None),
            }
        }
        selected.push(name);
    }
    *at += 1;
    if let Some(Value::Object(object)) = answer {
        assert!(
            object.keys().all(|key| selected.contains(key)),
            "{object:?} {selected:?}"
        );
    }
}

fn check(query: &str, answer: Option<&Value>) {
    let words = words(query);
    assert_eq!(words[0], "query");
    let mut at = words.iter().position(|w| w == "{").unwrap();
    walk(&words, &mut at, "Query", answer);
    assert_eq!(at, words.len());
}

#[test]
fn every_query_is_one_of_the_published_schema() {
    assert_eq!(QUERIES.len(), 6);
    for query in QUERIES {
        check(query, None);
    }
}

fn node(id: &str, name: &str) -> Value {
    json!({ "node": { "id": id, "name": name } })
}

/// Answers as the schema has them; each answer is held against it, too.
fn answer(query: &str, variables: &Value, project: bool) -> Value {
    let denied = json!({ "errors": [{ "message": "Not Authorized" }], "data": null });
    let data = match query.split([' ', '(']).nth(1).unwrap() {
        "projectToken" if project => {
            json!({ "projectToken": { "name": "ci", "projectId": "p1", "environmentId": "e1" } })
        }
        "me" if !project => {
            json!({ "me": { "name": "Ann", "email": "ann@example.com", "workspaces": [{ "id": "w", "name": "Shop" }] } })
        }
        "projects" if !project => match variables["after"].as_str() {
            None => {
                json!({ "projects": { "edges": [node("p1", "shop")], "pageInfo": { "hasNextPage": true, "endCursor": "c" } } })
            }
            Some("c") => {
                json!({ "projects": { "edges": [node("p2", "blog")], "pageInfo": { "hasNextPage": false, "endCursor": null } } })
            }
            other => panic!("{other:?}"),
        },
        "project" => {
            json!({ "project": { "id": variables["id"], "name": if variables["id"] == "p1" { "shop" } else { "blog" }, "environments": { "edges": if variables["id"] == "p1" { vec![node("e1", "production")] } else { vec![] }, "pageInfo": { "hasNextPage": false } } } })
        }
        "environment" => {
            json!({ "environment": { "id": "e1", "name": "production", "volumeInstances": { "edges": [
            { "node": { "id": "v1", "mountPath": "/data", "currentSizeMB": 512.5, "state": "READY", "volume": { "name": "postgres-data" } } },
            { "node": { "id": "v2", "mountPath": "/x", "currentSizeMB": 1.0, "state": "READY", "volume": { "name": "cache" } } },
        ], "pageInfo": { "hasNextPage": false } } } })
        }
        "volumeInstanceBackupList" => match variables["volume"].as_str() {
            Some("v1") => json!({ "volumeInstanceBackupList": [
                { "id": "b1", "createdAt": "2026-01-02T03:04:05.000Z", "expiresAt": null },
                { "id": "b2", "createdAt": "2026-02-02T03:04:05.000Z", "expiresAt": null },
            ] }),
            _ => json!({ "volumeInstanceBackupList": [] }),
        },
        _ => return denied,
    };
    check(query, Some(&data));
    json!({ "data": data })
}

fn double(project: bool) -> AnsweringDouble {
    AnsweringDouble::start(move |request| {
        let header = if project {
            "project-access-token"
        } else {
            "authorization"
        };
        assert!(request.header(header).is_some());
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let answer = answer(body["query"].as_str().unwrap(), &body["variables"], project);
        Ok(reply(
            200,
            &[("content-type", "application/json")],
            &answer.to_string(),
        ))
    })
    .unwrap()
}

fn uuid() -> String {
    ["7d1f6a52", "3c0b", "4e91", "9a44", "b0c5d2e81f37"].join("-")
}

#[test]
fn a_project_token_sees_its_environment() {
    let double = double(true);
    let folder = planted(&[(".env", &format!("RAILWAY_TOKEN={}\n", uuid()))]);
    let asked = ask(folder.path(), &[(Provider::Railway, &double.url())]);
    reads_only(&double.requests());
    let found = asked.one("railway.project");
    assert_eq!(found.severity, Severity::Critical);
    assert!(
        found.sentence.contains("project `shop`: 2 volumes"),
        "{}",
        found.sentence
    );
    assert!(
        found
            .backups_say
            .contains("Your backups die with your data.")
    );
    assert!(
        found.backups_say.contains("1 of 2 volumes have any"),
        "{}",
        found.backups_say
    );
    let stores = &found.provider.as_ref().unwrap().stores;
    assert_eq!(
        stores[0].backups[0].newest.as_deref(),
        Some("2026-02-02T03:04:05Z")
    );
    assert_eq!(stores[0].backups[0].destroyed, Can::Yes);
    assert!(stores[1].backups.is_empty());
}

#[test]
fn an_account_token_sees_every_page_of_projects() {
    let double = double(false);
    let folder = planted(&[(".env", &format!("RAILWAY_API_TOKEN={}\n", uuid()))]);
    let asked = ask(folder.path(), &[(Provider::Railway, &double.url())]);
    reads_only(&double.requests());
    let found = asked.one("railway.token");
    assert!(
        found
            .sentence
            .contains("As `Ann` of Railway it can delete 2 projects: 2 volumes"),
        "{}",
        found.sentence
    );
}

#[test]
fn a_dead_token_stays_unknown() {
    let double = double(false);
    let folder = planted(&[(".env", &format!("RAILWAY_TOKEN={}\n", uuid()))]);
    // It is a project's token by its name, and the double knows accounts' only: it wants another header.
    let asked = ask(folder.path(), &[(Provider::Railway, &double.url())]);
    let found = asked.one("railway.project");
    assert!(matches!(found.probed, Probed::Failed { .. }));
    assert_eq!(found.severity, Severity::Critical);
}
