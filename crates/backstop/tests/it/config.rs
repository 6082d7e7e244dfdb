//! A broken configuration says file, line, column, what is wrong and what would be right.

use crate::support::run;

#[test]
fn mistakes_are_told_with_their_place() {
    let cases = [
        (
            "data_dir = \"d\"\n[gate]\npasue = \"1s\"\n",
            "line 3 column 1: there is no key `pasue` here",
            "hint: did you mean `pause`?",
        ),
        (
            "data_dir = \"d\"\n[[target]]\nname = \"a\"\nenvironment = \"live\"\ndsn = \"host=h user=u\"\n",
            "line 4 column 15: `live` is not an environment",
            "hint: use production, staging or development",
        ),
        ("data_dir = \"d\n", "line 1 column", "hint: "),
        (
            "data_dir = \"d\"\n[limits]\nopen_holds = \"five\"\n",
            "line 3 column 14: invalid type: string \"five\"",
            "hint: write a number without quotes",
        ),
        (
            "data_dir = \"d\"\n[[target]]\nname = \"a\"\nkind = \"http\"\nurl = \"https://api.example\"\ncredential = \"path /bot\"\n",
            "line 6 column 14: `path /bot` does not say where in a path a credential stands",
            "hint: write what comes before it below the URL, and {} for it, as in `path /bot{}/`",
        ),
        (
            "data_dir = \"d\"\n[[target]]\nname = \"a\"\nkind = \"http\"\nurl = \"https://api.example\"\ncredential = \"form token\"\nreverse = \"127.0.0.1:9000\"\n",
            "line 7 column 11: a listener of its own knows a lease by its placeholder",
            "hint: take it out, and let clients use HTTPS_PROXY",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backstop.toml");
    for (text, what, hint) in cases {
        std::fs::write(&path, text).unwrap();
        let ran = run(&["status", "--config", path.to_str().unwrap()]);
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(
            ran.err.contains(&format!("`{}` {what}", path.display())),
            "{}",
            ran.err
        );
        assert!(ran.err.contains(hint), "{}", ran.err);
    }
}

/// A password in the configuration is refused, and never repeated.
#[test]
fn a_password_in_the_configuration_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backstop.toml");
    std::fs::write(
        &path,
        "data_dir = \"d\"\n[[target]]\nname = \"a\"\ndsn = \"postgresql://u:hunter2@h/d\"\n",
    )
    .unwrap();
    let ran = run(&["serve", "--config", path.to_str().unwrap()]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("a password stands in the configuration") && !ran.err.contains("hunter2"),
        "{}",
        ran.err
    );
}

#[test]
fn a_policy_that_cannot_be_used_names_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backstop.toml");
    std::fs::write(
        folder.path().join("own.cedar"),
        "permit (principal, action, resource);",
    )
    .unwrap();
    std::fs::write(
        &path,
        "data_dir = \"d\"\n[policy]\nfiles = [\"own.cedar\"]\n",
    )
    .unwrap();
    let ran = run(&["judge", "postgres", "--config", path.to_str().unwrap()]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("own.cedar") && ran.err.contains("no `@id`"),
        "{}",
        ran.err
    );
}
