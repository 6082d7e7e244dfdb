//! Whatever looks like a credential, taken out: a page travels further than a journal.

use backstop_wire::secrets::{Class, Engine, Text};

/// Takes out whatever looks like a credential. Where that cannot be found out, all of it.
pub(super) fn masked(text: &str) -> String {
    let Ok(engine) = Engine::shared() else {
        return "[not shown: it could not be looked through]".to_owned();
    };
    let found = engine.find(Text {
        bytes: text.as_bytes(),
        path: b"",
        class: Class::Settings,
    });
    if found.given_up {
        return "[not shown: it could not be looked through]".to_owned();
    }
    let mut ranges: Vec<(usize, usize)> = found
        .hits
        .iter()
        .map(|hit| (hit.range.start, hit.range.end))
        .collect();
    ranges.sort_unstable();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (start, end) in ranges {
        if end <= at {
            continue;
        }
        out.push_str(text.get(at..start.max(at)).unwrap_or_default());
        out.push_str("[credential]");
        at = end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_credential_is_left_out() {
        let secret = "postgresql://app:Zx8kQ2mPl4Wv7nRt@db.internal/app";
        let out = masked(&format!("select dblink('{secret}', 'x'), 'kept'"));
        assert!(!out.contains("Zx8kQ2mPl4Wv7nRt"), "{out}");
        assert!(
            out.contains("[credential]") && out.contains("'kept'"),
            "{out}"
        );
        assert_eq!(
            masked("delete from a where id = 5"),
            "delete from a where id = 5"
        );
    }
}
