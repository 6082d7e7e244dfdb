//! The floors of DESIGN.md, held by a test that reads what cargo resolved: who may
//! import whom, what a floor must never reach, which licences and crates are out.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Which workspace crates each may use in its normal and build dependencies.
const FLOORS: &[(&str, &[&str])] = &[
    ("backstop-core", &[]),
    ("backstop-wire", &["backstop-core"]),
    ("backstop-https", &[]),
    ("backstop-journal", &["backstop-core", "backstop-wire"]),
    ("backstop-store", &["backstop-core", "backstop-wire"]),
    (
        "backstop-vault",
        &[
            "backstop-core",
            "backstop-https",
            "backstop-wire",
            "backstop-journal",
        ],
    ),
    ("backstop-sandbox", &["backstop-core"]),
    (
        "backstop-gates",
        &[
            "backstop-core",
            "backstop-wire",
            "backstop-journal",
            "backstop-store",
            "backstop-vault",
        ],
    ),
    // Tests alone, and nothing that anything else could use.
    ("backstop-gates-tests", &[]),
    (
        "backstop-scopes",
        &["backstop-core", "backstop-https", "backstop-wire"],
    ),
    (
        "backstop-console",
        &[
            "backstop-core",
            "backstop-https",
            "backstop-wire",
            "backstop-journal",
            "backstop-store",
        ],
    ),
    ("backstop-testing", &["backstop-core"]),
    (
        "backstop",
        &[
            "backstop-core",
            "backstop-wire",
            "backstop-journal",
            "backstop-store",
            "backstop-vault",
            "backstop-sandbox",
            "backstop-gates",
            "backstop-scopes",
            "backstop-console",
            "backstop-testing",
        ],
    ),
];

/// What a floor must not reach, however far down: the column "never" of the table.
const NEVER: &[(&str, &[&str])] = &[
    (
        "backstop-core",
        &["tokio", "mio", "socket2", "hyper", "rusqlite"],
    ),
    (
        "backstop-wire",
        &["tokio", "mio", "socket2", "hyper", "rusqlite"],
    ),
    ("backstop-gates", &["rusqlite", "axum"]),
];

/// Crates that nothing here may use: one TLS stack, and no foreign one.
const BANNED: &[&str] = &[
    "openssl",
    "openssl-sys",
    "native-tls",
    "aws-lc-rs",
    "aws-lc-sys",
];

const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// What cargo resolved, by package id.
struct Resolved {
    packages: BTreeMap<String, Value>,
    edges: BTreeMap<String, Vec<String>>,
    ours: BTreeSet<String>,
}

impl Resolved {
    fn read() -> Self {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
        let output = Command::new(env!("CARGO"))
            .args([
                "metadata",
                "--format-version",
                "1",
                "--locked",
                "--filter-platform",
                "x86_64-unknown-linux-gnu",
            ])
            .args(["--manifest-path", manifest])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let list = |value: &Value| value.as_array().unwrap().clone();
        let id = |value: &Value| value.as_str().unwrap().to_owned();
        let packages = list(&metadata["packages"])
            .into_iter()
            .map(|package| (id(&package["id"]), package))
            .collect();
        let edges = list(&metadata["resolve"]["nodes"])
            .iter()
            .map(|node| {
                let used = list(&node["deps"])
                    .into_iter()
                    .filter(ships)
                    .map(|dependency| id(&dependency["pkg"]));
                (id(&node["id"]), used.collect())
            })
            .collect();
        let ours = list(&metadata["workspace_members"])
            .iter()
            .map(id)
            .collect();
        Self {
            packages,
            edges,
            ours,
        }
    }

    fn name(&self, id: &str) -> &str {
        self.packages[id]["name"].as_str().unwrap()
    }

    /// Everything that ships with the workspace's crates, or with one of them.
    fn reached_from<'a>(
        &'a self,
        roots: impl IntoIterator<Item = &'a String>,
    ) -> BTreeSet<&'a str> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&str> = roots.into_iter().map(String::as_str).collect();
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                open.extend(self.edges[id].iter().map(String::as_str));
            }
        }
        seen
    }
}

/// Whether a dependency is more than a development one.
fn ships(dependency: &Value) -> bool {
    dependency["dep_kinds"]
        .as_array()
        .unwrap()
        .iter()
        .any(|kind| kind["kind"] != "dev")
}

#[test]
fn a_crate_imports_only_from_floors_below() {
    let resolved = Resolved::read();
    for id in &resolved.ours {
        let name = resolved.name(id);
        let (_, allowed) = FLOORS.iter().find(|(crate_name, _)| *crate_name == name).unwrap_or_else(|| {
            panic!("`{name}` stands on no floor; hint: give it a row in DESIGN.md's table and in FLOORS")
        });
        for used in resolved.edges[id]
            .iter()
            .filter(|used| resolved.ours.contains(*used))
        {
            let used = resolved.name(used);
            assert!(allowed.contains(&used), "`{name}` must not import `{used}`");
        }
    }
}

#[test]
fn no_floor_reaches_what_it_must_never_hold() {
    let resolved = Resolved::read();
    for (name, never) in NEVER {
        let id = resolved
            .ours
            .iter()
            .find(|id| resolved.name(id) == *name)
            .unwrap();
        // What a crate below legitimately holds is that crate's business: only the
        // gates may stand on a store without holding its SQL themselves.
        let direct: BTreeSet<&str> = resolved.edges[id].iter().map(String::as_str).collect();
        let whole = resolved.reached_from([id]);
        let looked_at = if *name == "backstop-gates" {
            direct
        } else {
            whole
        };
        for found in looked_at.into_iter().map(|id| resolved.name(id)) {
            assert!(
                !never.contains(&found),
                "`{name}` must never reach `{found}`"
            );
        }
    }
}

#[test]
fn nothing_brings_another_tls_stack_or_a_foreign_licence() {
    let resolved = Resolved::read();
    for id in resolved.reached_from(&resolved.ours) {
        let name = resolved.name(id);
        assert!(!BANNED.contains(&name), "`{name}` is banned");
        let licence = licence_of(&resolved.packages[id]);
        assert!(is_allowed(&licence), "`{name}` has the licence `{licence}`");
    }
}

/// What a package states; where it only carries a text, what that text is, if it is one that is known here.
fn licence_of(package: &Value) -> String {
    if let Some(stated) = package["license"].as_str() {
        return stated.to_owned();
    }
    let Some(file) = package["license_file"].as_str() else {
        return String::new();
    };
    let manifest = std::path::Path::new(package["manifest_path"].as_str().unwrap());
    let text = std::fs::read_to_string(manifest.with_file_name(file)).unwrap();
    let grants = "Permission is hereby granted, free of charge, to any person obtaining a copy";
    if text.starts_with("MIT License\n") && text.contains(grants) {
        "MIT".to_owned()
    } else {
        String::new()
    }
}

/// An SPDX expression without parentheses around OR inside AND: every AND part needs an
/// allowed alternative.
fn is_allowed(expression: &str) -> bool {
    let plain = expression
        .replace(['(', ')'], " ")
        .replace('/', " OR ")
        .replace(" WITH LLVM-exception", "");
    plain.split(" AND ").all(|part| {
        part.split(" OR ")
            .any(|licence| LICENCES.contains(&licence.trim()))
    })
}

#[test]
fn licence_expressions_are_read_as_meant() {
    for allowed in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
    ] {
        assert!(is_allowed(allowed), "{allowed}");
    }
    for refused in ["", "GPL-3.0", "MIT AND GPL-3.0", "LGPL-2.1 OR SSPL-1.0"] {
        assert!(!is_allowed(refused), "{refused}");
    }
}
