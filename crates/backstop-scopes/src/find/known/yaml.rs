//! As much of YAML as command lines write: maps, lists, scalars, by indentation. No anchors, so that no text of a few
//! lines grows into gigabytes, and nothing that it cannot read is an error: the rest of the file still counts.

use super::Entry;

/// The scalars of `text` with the names that lead to them; items of lists have their number for a name.
pub(crate) fn read(text: &[u8]) -> Vec<Entry> {
    // Names that are open, each with the column that it stands in.
    let mut open: Vec<(usize, String)> = Vec::new();
    let mut entries = Vec::new();
    let mut items: Vec<(usize, usize)> = Vec::new();
    for line in String::from_utf8_lossy(text).lines() {
        let mut rest = line.trim_end();
        let mut column = rest.len() - rest.trim_start().len();
        rest = rest.trim_start();
        if rest.is_empty() || rest.starts_with(['#', '%']) || rest == "---" || open.len() > 64 {
            continue;
        }
        let mut first = true;
        while let Some(item) = rest
            .strip_prefix("- ")
            .or_else(|| rest.strip_prefix('-').filter(|rest| rest.is_empty()))
        {
            // A list may stand in the column of the name it belongs to.
            if first {
                open.retain(|(at, name)| {
                    *at < column || (*at == column && name.parse::<usize>().is_err())
                });
                items.retain(|(at, _)| *at <= column);
                first = false;
            }
            let number = match items.last_mut().filter(|(at, _)| *at == column) {
                Some((_, number)) => {
                    *number += 1;
                    *number
                }
                None => {
                    items.push((column, 0));
                    0
                }
            };
            open.push((column, number.to_string()));
            let inner = item.len() - item.trim_start().len();
            column += 2 + inner;
            rest = item.trim_start();
        }
        if first {
            open.retain(|(at, _)| *at < column);
            items.retain(|(at, _)| *at < column);
        }
        match split(rest) {
            Some((name, "")) => open.push((column, name)),
            Some((name, value)) => {
                let mut path: Vec<String> = open.iter().map(|(_, name)| name.clone()).collect();
                path.push(name);
                entries.push(Entry {
                    path,
                    value: scalar(value),
                });
            }
            None if !rest.is_empty() && !first => {
                entries.push(Entry {
                    path: open.iter().map(|(_, name)| name.clone()).collect(),
                    value: scalar(rest),
                });
            }
            None => {}
        }
    }
    entries
}

/// `name: value`; the value is empty where a map or list follows.
fn split(text: &str) -> Option<(String, &str)> {
    let (name, value) = match text.chars().next()? {
        quote @ ('"' | '\'') => {
            let (name, rest) = text.get(1..)?.split_once(quote)?;
            (name, rest.trim_start().strip_prefix(':')?)
        }
        _ => text
            .split_once(": ")
            .or_else(|| text.strip_suffix(':').map(|name| (name, "")))?,
    };
    Some((name.trim().to_owned(), value.trim()))
}

fn scalar(text: &str) -> String {
    let text = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => text
            .get(1..)
            .and_then(|rest| rest.split_once(quote))
            .map_or(text, |(inner, _)| inner),
        _ => text
            .split_once(" #")
            .map_or(text, |(before, _)| before)
            .trim_end(),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfig_is_read() {
        let text = "apiVersion: v1\nclusters:\n- cluster:\n    server: https://10.0.0.1:6443\n  name: prod\nusers:\n- name: admin\n  user:\n    token: \"abc\" # x\n- name: other\n  user:\n    password: 'p q'\n";
        let found: Vec<_> = read(text.as_bytes())
            .iter()
            .map(|entry| format!("{}={}", entry.path.join("/"), entry.value))
            .collect();
        assert_eq!(
            found,
            [
                "apiVersion=v1",
                "clusters/0/cluster/server=https://10.0.0.1:6443",
                "clusters/0/name=prod",
                "users/0/name=admin",
                "users/0/user/token=abc",
                "users/1/name=other",
                "users/1/user/password=p q",
            ]
        );
    }

    #[test]
    fn hosts_of_gh_are_read() {
        let text = "github.com:\n    users:\n        ann:\n            oauth_token: t1\n    oauth_token: t2\n    user: ann\n";
        let found: Vec<_> = read(text.as_bytes())
            .iter()
            .map(|entry| entry.path.join("/"))
            .collect();
        assert_eq!(
            found,
            [
                "github.com/users/ann/oauth_token",
                "github.com/oauth_token",
                "github.com/user"
            ]
        );
    }
}
