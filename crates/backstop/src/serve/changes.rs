//! What a changed configuration changes: which keys wait for the next start, and which targets are others now.
//!
//! Names of keys only, never their values: these go into logs.

use backstop_core::entry::{Changed, TargetChange};
use backstop_gates::postgres::Reopened;

use backstop_gates::http::gate::config::Placing;

use crate::config::{Api, Config, Console, Gate, Http, Target, Tls};

/// The keys that cannot change while serving and did, as people know them from the file.
pub(super) fn at_the_next_start(running: &Config, new: &Config) -> Vec<String> {
    let mut names = vec![];
    if running.data_dir != new.data_dir {
        names.push("data_dir".to_owned());
    }
    let mut section = |name: &str, keys: &[(&str, bool)]| {
        let changed = keys.iter().filter(|(_, changed)| *changed);
        names.extend(changed.map(|(key, _)| format!("[{name}] {key}")));
    };
    section("gate", &gate(&running.gate, &new.gate));
    section("console", &console(&running.console, &new.console));
    section("limits", &limits(&running.limits, &new.limits));
    match (&running.http, &new.http) {
        (Some(before), Some(now)) => section("http", &http(before, now)),
        (None, None) => {}
        (Some(_), None) | (None, Some(_)) => names.push("[http]".to_owned()),
    }
    names
}

// Each takes the old values apart by name, so that a new key cannot be forgotten here.

fn gate(old: &Gate, new: &Gate) -> [(&'static str, bool); 9] {
    let Gate {
        listen,
        unix_socket,
        require_tls,
        identity,
        hosts,
        ca_file,
        pause,
        worker_threads,
        connections_per_lease,
    } = old;
    [
        ("listen", *listen != new.listen),
        ("unix_socket", *unix_socket != new.unix_socket),
        ("require_tls", *require_tls != new.require_tls),
        ("certificate and key", *identity != new.identity),
        ("hosts", *hosts != new.hosts),
        ("ca_file", *ca_file != new.ca_file),
        ("pause", *pause != new.pause),
        ("worker_threads", *worker_threads != new.worker_threads),
        (
            "connections_per_lease",
            *connections_per_lease != new.connections_per_lease,
        ),
    ]
}

fn http(old: &Http, new: &Http) -> [(&'static str, bool); 3] {
    let Http {
        listen,
        // Taken up at once.
        allow: _,
        judged,
        ca_file,
    } = old;
    [
        ("listen", *listen != new.listen),
        ("judged", *judged != new.judged),
        ("ca_file", *ca_file != new.ca_file),
    ]
}

fn console(old: &Console, new: &Console) -> [(&'static str, bool); 3] {
    let Console {
        listen,
        origin,
        identity,
    } = old;
    [
        ("listen", *listen != new.listen),
        ("origin", *origin != new.origin),
        ("certificate and key", *identity != new.identity),
    ]
}

fn limits(old: &backstop_store::Limits, new: &backstop_store::Limits) -> [(&'static str, bool); 6] {
    let backstop_store::Limits {
        open_holds,
        holds_per_hour,
        denials_before_halt,
        decide_within_ms,
        execute_within_ms,
        delay_ms,
        // Not a key of the file.
        challenge_ms: _,
    } = old;
    [
        ("open_holds", *open_holds != new.open_holds),
        ("holds_per_hour", *holds_per_hour != new.holds_per_hour),
        (
            "denials_before_halt",
            *denials_before_halt != new.denials_before_halt,
        ),
        ("decide_within", *decide_within_ms != new.decide_within_ms),
        (
            "execute_within",
            *execute_within_ms != new.execute_within_ms,
        ),
        ("alone_delay", *delay_ms != new.delay_ms),
    ]
}

/// What became of the targets. The gate has opened `opened` anew, which tells of what is not in the file: the
/// sealed password, and what stands in the file of CAs.
pub(super) fn of_targets(old: &[Target], new: &[Target], opened: &[Reopened]) -> Vec<TargetChange> {
    let named = |all: &[Target], name: &str| all.iter().find(|t| t.name == name).cloned();
    let mut changes = vec![];
    let mut push = |name: &str, what, keys: Vec<&str>| {
        changes.push(TargetChange {
            name: name.to_owned(),
            what,
            keys: keys.into_iter().map(str::to_owned).collect(),
        });
    };
    for target in new {
        match named(old, &target.name) {
            None => push(&target.name, Changed::Added, vec![]),
            Some(before) => {
                let mut keys = target_keys(&before, target);
                match opened.iter().find(|o| o.name == target.name) {
                    Some(Reopened { password: true, .. }) => keys.push("password"),
                    Some(_) if keys.is_empty() => keys.push("ca"),
                    _ => {}
                }
                if !keys.is_empty() {
                    push(&target.name, Changed::Changed, keys);
                }
            }
        }
    }
    for target in old {
        if named(new, &target.name).is_none() {
            push(&target.name, Changed::Removed, vec![]);
        }
    }
    changes
}

/// What became of the HTTP APIs.
pub(super) fn of_apis(old: &[Api], new: &[Api]) -> Vec<TargetChange> {
    let named = |all: &[Api], name: &str| all.iter().find(|api| api.name == name).cloned();
    let told = |name: &str, what, keys: Vec<&str>| TargetChange {
        name: name.to_owned(),
        what,
        keys: keys.into_iter().map(str::to_owned).collect(),
    };
    let mut changes = vec![];
    for api in new {
        match named(old, &api.name).map(|before| api_keys(&before, api)) {
            None => changes.push(told(&api.name, Changed::Added, vec![])),
            Some(keys) if !keys.is_empty() => {
                changes.push(told(&api.name, Changed::Changed, keys));
            }
            Some(_) => {}
        }
    }
    let gone = old.iter().filter(|api| named(new, &api.name).is_none());
    changes.extend(gone.map(|api| told(&api.name, Changed::Removed, vec![])));
    changes
}

fn api_keys(old: &Api, new: &Api) -> Vec<&'static str> {
    let Api {
        name: _,
        environment,
        url,
        hosts,
        pack,
        own,
        placing,
        ca,
        private,
        everyone,
        reverse,
        lives,
    } = old;
    let all = [
        ("environment", *environment != new.environment),
        ("url", *url != new.url),
        ("hosts", *hosts != new.hosts),
        ("pack", *pack != new.pack || *own != new.own),
        (
            "opaque",
            (*placing == Placing::Opaque) != (new.placing == Placing::Opaque),
        ),
        ("credential", *placing != new.placing),
        ("ca", *ca != new.ca),
        ("private", *private != new.private),
        ("everyone", *everyone != new.everyone),
        ("reverse", *reverse != new.reverse),
        ("lives", *lives != new.lives),
    ];
    all.iter()
        .filter(|(_, changed)| *changed)
        .map(|(key, _)| *key)
        .collect()
}

fn target_keys(old: &Target, new: &Target) -> Vec<&'static str> {
    let Target {
        name: _,
        environment,
        dsn,
        points,
        pg_bin,
    } = old;
    let place =
        |d: &crate::config::Dsn| (d.host.clone(), d.port, d.database.clone(), d.user.clone());
    let mut keys = vec![];
    if *environment != new.environment {
        keys.push("environment");
    }
    if place(dsn) != place(&new.dsn) {
        keys.push("dsn");
    }
    match (&dsn.tls, &new.dsn.tls) {
        (before, now) if before == now => {}
        (Tls::Verify { .. }, Tls::Verify { .. }) => keys.push("ca"),
        (Tls::Pinned(_), _) | (_, Tls::Pinned(_)) => keys.push("pin"),
        _ => keys.push("tls"),
    }
    if *points != new.points {
        keys.push("points");
    }
    if *pg_bin != new.pg_bin {
        keys.push("pg_bin");
    }
    keys
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(text: &str) -> Config {
        let text = format!("data_dir = \"d\"\n{text}");
        Config::parse(Path::new("/etc/backstop.toml"), &text).unwrap()
    }

    #[test]
    fn keys_that_wait_are_named_and_others_are_not() {
        let running = config("[gate]\npause = \"45s\"\n[limits]\nopen_holds = 5\n");
        let new = config(
            "[gate]\npause = \"30s\"\nhosts = [\"a\"]\n[console]\nlisten = \"127.0.0.1:1\"\norigin = \"http://localhost:7480\"\n[limits]\nopen_holds = 6\nalone_delay = \"1h\"\n[journal]\nkeep_traffic = \"forever\"\n",
        );
        assert_eq!(
            at_the_next_start(&running, &new),
            [
                "[gate] hosts",
                "[gate] pause",
                "[console] listen",
                "[limits] open_holds",
                "[limits] alone_delay"
            ]
        );
        assert!(at_the_next_start(&running, &running).is_empty());
    }

    #[test]
    fn changes_of_apis_are_told_by_their_keys() {
        let api = |name: &str, more: &str| {
            format!(
                "[[target]]\nkind = \"http\"\nname = \"{name}\"\nurl = \"https://{name}.example\"\n{more}\n"
            )
        };
        let http = "[http]\nlisten = \"127.0.0.1:1\"\n";
        let old = config(&format!(
            "{http}{}{}{}",
            api("a", ""),
            api("b", ""),
            api("c", "")
        ));
        let other = "environment = \"staging\"\ncredential = \"token\"\neveryone = true";
        let new = config(&format!(
            "[http]\nlisten = \"127.0.0.1:2\"\n{}{}{}",
            api("a", other),
            api("b", ""),
            api("d", "")
        ));
        let told: Vec<String> = of_apis(&old.apis, &new.apis)
            .iter()
            .map(|c| format!("{} {:?} {}", c.name, c.what, c.keys.join(",")))
            .collect();
        assert_eq!(
            told,
            [
                "a Changed environment,credential,everyone",
                "d Added ",
                "c Removed "
            ]
        );
        assert_eq!(at_the_next_start(&old, &new), ["[http] listen"]);
    }

    #[test]
    fn changes_of_targets_are_told_by_their_keys() {
        let target = |name: &str, dsn: &str, more: &str| {
            format!("[[target]]\nname = \"{name}\"\ndsn = \"postgresql://{dsn}\"\n{more}\n")
        };
        let old = config(
            &[
                target("a", "u@h/db", ""),
                target("b", "u@h/db", ""),
                target("c", "u@h/db", ""),
            ]
            .concat(),
        );
        let pin = format!("pin = \"{}\"\nenvironment = \"staging\"", "ab".repeat(32));
        let new = config(
            &[
                target("a", "u@other/db", &pin),
                target("b", "u@h/db", ""),
                target("d", "u@h/db", ""),
            ]
            .concat(),
        );
        let opened = |name: &str, password| Reopened {
            name: name.to_owned(),
            password,
        };
        let opened = [opened("a", true), opened("b", true), opened("d", false)];
        let told: Vec<String> = of_targets(&old.targets, &new.targets, &opened)
            .iter()
            .map(|c| format!("{} {:?} {}", c.name, c.what, c.keys.join(",")))
            .collect();
        assert_eq!(
            told,
            [
                "a Changed environment,dsn,pin,password",
                "b Changed password",
                "d Added ",
                "c Removed "
            ]
        );
        let ca = config(&target("a", "u@h/db", "ca = \"own.pem\""));
        let plain = config(&target("a", "u@h/db", "tls = \"disable\""));
        let keys = |new: &Config| target_keys(&old.targets[0], &new.targets[0]);
        assert_eq!(keys(&ca), ["ca"]);
        assert_eq!(keys(&plain), ["tls"]);
        assert!(of_targets(&old.targets, &old.targets, &[]).is_empty());
        let certificates = [Reopened {
            name: "a".to_owned(),
            password: false,
        }];
        let told = of_targets(&old.targets, &old.targets, &certificates);
        assert_eq!(told[0].keys, ["ca"]);
    }
}
