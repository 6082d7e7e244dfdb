//! The `options` parameter of a startup packet: a road into the server's command line.
//!
//! It reads settings out of it as the server would; which settings are allowed is not decided here.

/// Splits `options` as PostgreSQL does: at white space, a backslash keeps what follows it.
#[must_use]
pub fn split(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = options.chars();
    while let Some(c) = chars.next() {
        // The same six characters that isspace() knows in the C locale.
        if matches!(c, ' ' | '\t' | '\n' | '\x0B' | '\x0C' | '\r') {
            words.extend(word.take());
            continue;
        }
        let kept = if c == '\\' { chars.next() } else { Some(c) };
        word.get_or_insert_default().extend(kept);
    }
    words.extend(word);
    words
}

/// The settings in `options`: `-c name=value`, `-cname=value` and `--name=value`.
///
/// `None` if anything else is in it: other switches of the server's command line are not for clients.
#[must_use]
pub fn settings(options: &str) -> Option<Vec<(String, String)>> {
    let mut words = split(options).into_iter();
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let rest = word
            .strip_prefix("-c")
            .or_else(|| word.strip_prefix("--"))?;
        let setting = if rest.is_empty() && word == "-c" {
            words.next()?
        } else {
            rest.to_owned()
        };
        let (name, value) = setting.split_once('=')?;
        if name.is_empty() {
            return None;
        }
        // The server's command line takes a dash for an underscore.
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Some(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_split_as_the_server_does() {
        assert_eq!(
            settings(r"-c search_path=a\ b  --work-mem=4MB -cx.y=1"),
            Some(vec![
                ("search_path".into(), "a b".into()),
                ("work_mem".into(), "4MB".into()),
                ("x.y".into(), "1".into()),
            ])
        );
        assert_eq!(settings("  "), Some(Vec::new()));
        for refused in ["-d 5", "-c", "--", "-c =1", "loose", "-c a"] {
            assert_eq!(settings(refused), None, "{refused}");
        }
    }
}
