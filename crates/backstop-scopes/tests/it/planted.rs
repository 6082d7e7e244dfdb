//! A home and a workspace with a hundred credentials of all kinds, and a hundred things that only look like them.

mod home;
mod lookalikes;
mod workspace;

use std::fs;
use std::path::Path;

use backstop_scopes::find::{Finding, Look, Place};

use crate::secrets::Random;

/// A credential that was planted: in which file, what it is, and the secret itself.
struct Plant {
    path: String,
    kind: &'static str,
    secret: String,
}

#[derive(Default)]
struct Tree {
    files: Vec<(String, String)>,
    plants: Vec<Plant>,
    lookalikes: Vec<String>,
}

impl Tree {
    fn plant(&mut self, path: &str, text: String, secrets: &[(&'static str, &str)]) {
        for (kind, secret) in secrets {
            assert!(!secret.is_empty());
            self.plants.push(Plant {
                path: path.to_owned(),
                kind,
                secret: (*secret).to_owned(),
            });
        }
        self.files.push((path.to_owned(), text));
    }

    /// One line `NAME=value` in a file of settings of its own.
    fn env(&mut self, name: &str, kind: &'static str, secret: &str) {
        let path = format!("work/env/{}/.env", name.to_ascii_lowercase());
        self.plant(
            &path,
            format!("# settings\nPORT=3000\n{name}={secret}\nDEBUG=false\n"),
            &[(kind, secret)],
        );
    }

    /// Something that is no credential.
    fn none(&mut self, path: &str, text: impl Into<String>) {
        self.lookalikes.push(path.to_owned());
        self.files.push((path.to_owned(), text.into()));
    }

    fn write(&self, root: &Path) {
        for (path, text) in &self.files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        }
    }
}

fn path_of(finding: &Finding, root: &Path) -> String {
    let Place::File { path, .. } = &finding.place else {
        panic!("{:?}", finding.place)
    };
    path.to_path()
        .strip_prefix(root)
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

fn planted() -> (tempfile::TempDir, Tree) {
    let root = tempfile::tempdir().unwrap();
    let (mut tree, mut random) = (Tree::default(), Random::new());
    home::home(&mut tree, &mut random);
    workspace::workspace(&mut tree, &mut random);
    lookalikes::lookalikes(&mut tree, &mut random);
    tree.write(root.path());
    (root, tree)
}

#[test]
fn all_that_was_planted_is_found_and_what_only_looks_like_it_is_not() {
    let (root, tree) = planted();
    assert!(tree.plants.len() >= 100, "{}", tree.plants.len());
    assert!(tree.lookalikes.len() >= 100, "{}", tree.lookalikes.len());
    let mut look = Look::new().unwrap();
    look.paths.push(root.path().to_owned());
    let report = look.run().unwrap();

    let is = |plant: &Plant, finding: &Finding| {
        plant.path == path_of(finding, root.path())
            && finding.kind == plant.kind
            && finding.reveal_secret() == Some(plant.secret.as_bytes())
    };
    let missed: Vec<&Plant> = tree
        .plants
        .iter()
        .filter(|plant| {
            !report
                .findings
                .iter()
                .any(|finding| !finding.confidence.is_doubtful() && is(plant, finding))
        })
        .collect();
    let certain: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|finding| !finding.confidence.is_doubtful())
        .collect();
    let wrong: Vec<&&Finding> = certain
        .iter()
        .filter(|finding| !tree.plants.iter().any(|plant| is(plant, finding)))
        .collect();
    for plant in &missed {
        println!("missed: {} in {}", plant.kind, plant.path);
        for other in report
            .findings
            .iter()
            .filter(|other| path_of(other, root.path()) == plant.path)
        {
            println!(
                "    instead: {} by {} {:?} {:?}",
                other.kind, other.rule, other.confidence, other.facts
            );
        }
    }
    for finding in &wrong {
        println!(
            "wrong: {} by {} in {} {:?}",
            finding.kind,
            finding.rule,
            path_of(finding, root.path()),
            finding.facts
        );
    }
    let share = |part: usize, whole: usize| 100.0 * part as f64 / whole as f64;
    println!(
        "recall {:.1} % of {} credentials; precision {:.1} % of {} findings; {} more with a doubt; {} look-alikes",
        share(tree.plants.len() - missed.len(), tree.plants.len()),
        tree.plants.len(),
        share(certain.len() - wrong.len(), certain.len()),
        certain.len(),
        report.findings.len() - certain.len(),
        tree.lookalikes.len(),
    );
    assert!(
        missed.is_empty(),
        "{} of {} missed",
        missed.len(),
        tree.plants.len()
    );
    assert!(
        share(certain.len() - wrong.len(), certain.len()) >= 95.0,
        "{} wrong",
        wrong.len()
    );
}

#[test]
fn no_secret_is_in_what_is_printed_and_every_kind_has_an_entry() {
    let (root, tree) = planted();
    let mut look = Look::new().unwrap();
    look.paths.push(root.path().to_owned());
    let report = look.run().unwrap();
    let outputs = [
        serde_json::to_string_pretty(&report).unwrap(),
        format!("{report:?}"),
    ];
    for plant in &tree.plants {
        let json = serde_json::to_string(&plant.secret).unwrap();
        let (first, _) = plant.secret.split_at(plant.secret.len().min(60));
        for output in &outputs {
            assert!(
                !output.contains(json.trim_matches('"')),
                "{} is in the output",
                plant.path
            );
            assert!(
                plant.secret.contains("BEGIN") || !output.contains(first),
                "{} begins in the output",
                plant.path
            );
        }
    }
    for finding in &report.findings {
        assert!(
            backstop_scopes::kinds::of(&finding.kind).is_some(),
            "{}",
            finding.kind
        );
    }
}

/// For scripts/scanners.sh: the same tree, what is where, and what Backstop finds in it.
#[test]
#[ignore = "writes files for other scanners"]
fn plants_for_other_scanners() {
    let Some(into) = std::env::var_os("BACKSTOP_PLANT_INTO") else {
        return;
    };
    let into = Path::new(&into);
    let (root, tree) = planted();
    tree.write(&into.join("tree"));
    let mut look = Look::new().unwrap();
    look.paths.push(root.path().to_owned());
    let report = look.run().unwrap();
    let certain = report
        .findings
        .iter()
        .filter(|finding| !finding.confidence.is_doubtful());
    let found: Vec<String> = certain
        .map(|finding| path_of(finding, root.path()))
        .collect();
    let credentials: Vec<&String> = tree.plants.iter().map(|plant| &plant.path).collect();
    let json = serde_json::json!({ "credentials": credentials, "lookalikes": tree.lookalikes, "found": found });
    fs::write(into.join("planted.json"), json.to_string()).unwrap();
}
