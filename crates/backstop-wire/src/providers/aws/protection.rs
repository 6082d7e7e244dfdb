//! Arguments that turn a safeguard off in any service, by their names: `DeletionProtection: false`,
//! `SnapshotRetentionLimit: 0`, `SkipFinalSnapshot: true`.

use serde_json::Value;

use super::object::plain;

/// Deeper arguments are not looked at.
const DEPTH: usize = 8;

/// Each such argument's name, and what it does.
pub(super) fn weakened(arguments: &Value) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    look(arguments, DEPTH, &mut found);
    found
}

fn look(value: &Value, depth: usize, found: &mut Vec<(String, &'static str)>) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    match value {
        Value::Array(list) => list.iter().for_each(|v| look(v, depth, found)),
        Value::Object(map) => {
            for (key, value) in map {
                if let Some(what) = plain(value).and_then(|v| meaning(key, &v)) {
                    found.push((key.clone(), what));
                }
                look(value, depth, found);
            }
        }
        _ => {}
    }
}

fn meaning(key: &str, value: &str) -> Option<&'static str> {
    let key: String = key
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let value = value.trim().to_ascii_lowercase();
    let on = matches!(
        value.as_str(),
        "true" | "1" | "enabled" | "active" | "on" | "yes"
    );
    let protects = [
        "deletionprotection",
        "deleteprotection",
        "terminationprotection",
        "disableapitermination",
        "pointintimerecovery",
    ];
    if protects.iter().any(|p| key.contains(p)) && !on {
        return Some("turns a protection off");
    }
    if key.starts_with("skipfinal") && on {
        return Some("leaves no last snapshot");
    }
    if key.contains("retention") && value.parse::<f64>() == Ok(0.0) {
        return Some("ends retention");
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn safeguards_turned_off_are_seen_at_any_depth() {
        for (arguments, wanted) in [
            (json!({"DeletionProtection": false}), 1),
            (json!({"DeletionProtection": true}), 0),
            (json!({"DeletionProtection": "INACTIVE"}), 1),
            (json!({"a": [{"deletionProtectionEnabled": "false"}]}), 1),
            (json!({"SnapshotRetentionLimit": 0}), 1),
            (json!({"SnapshotRetentionLimit": "7"}), 0),
            (json!({"SkipFinalClusterSnapshot": "true"}), 1),
            (json!({"SkipFinalSnapshot": false}), 0),
        ] {
            assert_eq!(weakened(&arguments).len(), wanted, "{arguments}");
        }
    }
}
