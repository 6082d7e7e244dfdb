//! What sort of file a path names: how much a name with a value says in it, and what speaks against its secrets.

/// How to read a file's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Settings: a bare value after a name is a value.
    Settings,
    /// A program: only a quoted text is a value.
    Source,
    /// For people to read.
    Prose,
    /// Made by a program: lock files, minified scripts, maps. Only what has a format of its own counts.
    Generated,
}

/// The class of the file at `path`, and why its secrets may be no live ones.
#[must_use]
pub fn of(path: &[u8]) -> (Class, Option<&'static str>) {
    let path = String::from_utf8_lossy(path).to_ascii_lowercase();
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", &path));
    (class(name, folders), doubt(name, folders))
}

fn class(name: &str, folders: &str) -> Class {
    const LOCKS: &[&str] = &[
        "package-lock.json",
        "npm-shrinkwrap.json",
        "pnpm-lock.yaml",
        "yarn.lock",
        "cargo.lock",
        "poetry.lock",
        "pipfile.lock",
        "composer.lock",
        "gemfile.lock",
        "go.sum",
        "deno.lock",
        "bun.lock",
        "uv.lock",
        "flake.lock",
        "pdm.lock",
        "mix.lock",
        "podfile.lock",
        "gradle.lockfile",
        ".terraform.lock.hcl",
        "sha256sums",
    ];
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    if LOCKS.contains(&name)
        || name.contains(".min.")
        || matches!(
            extension,
            "map" | "svg" | "snap" | "sum" | "lock" | "patch" | "ipynb" | "csv" | "tsv"
        )
        || folders.ends_with("/.git") && name == "packed-refs"
    {
        return Class::Generated;
    }
    match extension {
        "md" | "rst" | "adoc" | "txt" | "html" | "htm" | "tex" | "org" | "po" | "log" => {
            Class::Prose
        }
        "rs" | "c" | "h" | "cc" | "cpp" | "hpp" | "go" | "java" | "kt" | "scala" | "swift"
        | "m" | "cs" | "fs" | "py" | "pyi" | "rb" | "php" | "pl" | "pm" | "lua" | "js" | "mjs"
        | "cjs" | "jsx" | "ts" | "tsx" | "mts" | "vue" | "svelte" | "dart" | "ex" | "exs"
        | "erl" | "hs" | "ml" | "clj" | "sql" | "css" | "scss" | "r" | "jl" | "zig" | "nim"
        | "groovy" | "gradle" | "s" | "asm" | "d" | "v" | "proto" | "graphql" => Class::Source,
        _ => Class::Settings,
    }
}

fn doubt(name: &str, folders: &str) -> Option<&'static str> {
    const DEPENDENCIES: &[&str] = &[
        "node_modules",
        "site-packages",
        "dist-packages",
        "vendor",
        "bower_components",
        "third_party",
        "__pypackages__",
    ];
    const TESTS: &[&str] = &[
        "test",
        "tests",
        "testing",
        "__tests__",
        "spec",
        "specs",
        "fixtures",
        "fixture",
        "testdata",
        "test-data",
        "test_data",
        "mocks",
        "__mocks__",
        "e2e",
    ];
    const EXAMPLES: &[&str] = &[
        "example",
        "examples",
        "sample",
        "samples",
        "demo",
        "docs",
        "doc",
        "documentation",
    ];
    let has = |words: &[&str]| folders.split('/').any(|folder| words.contains(&folder));
    if has(DEPENDENCIES)
        || folders.contains("/.cargo/registry/")
        || folders.contains("/go/pkg/mod/")
    {
        return Some("in a dependency's folder");
    }
    let stem = name.split('.').next().unwrap_or_default();
    if has(TESTS)
        || [".test.", ".spec.", "_test.", "_spec."]
            .iter()
            .any(|part| name.contains(part))
        || stem.starts_with("test_")
    {
        return Some("in a test");
    }
    if has(EXAMPLES)
        || [
            ".example",
            ".sample",
            ".template",
            ".dist",
            ".tmpl",
            "-example",
            "_example",
            ".defaults",
        ]
        .iter()
        .any(|part| name.contains(part))
    {
        return Some("in an example");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_say_how_to_read_them() {
        assert_eq!(of(b"/w/.env"), (Class::Settings, None));
        assert_eq!(
            of(b"/w/.env.example"),
            (Class::Settings, Some("in an example"))
        );
        assert_eq!(of(b"/w/package-lock.json").0, Class::Generated);
        assert_eq!(
            of(b"/w/node_modules/x/index.js"),
            (Class::Source, Some("in a dependency's folder"))
        );
        assert_eq!(
            of(b"/w/src/__tests__/a.ts"),
            (Class::Source, Some("in a test"))
        );
        assert_eq!(of(b"/w/src/attest/a.ts"), (Class::Source, None));
    }
}
