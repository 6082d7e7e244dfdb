//! SARIF 2.1.0, for code hosts. Source: OASIS, "Static Analysis Results Interchange Format Version 2.1.0".

use backstop_scopes::find::Place;
use backstop_scopes::report::{Ranked, Report, Severity};
use serde_json::{Value, json};

use super::text::place;

/// The log of one run.
pub(super) fn log(report: &Report) -> Value {
    let mut rules: Vec<&Ranked> = vec![];
    for finding in &report.findings {
        if !rules.iter().any(|r| r.kind == finding.kind) {
            rules.push(finding);
        }
    }
    let results: Vec<Value> = report.findings.iter().map(|f| result(f, &rules)).collect();
    let rules: Vec<Value> = rules
        .iter()
        .map(|f| {
            json!({
                "id": f.kind,
                "name": f.name,
                "shortDescription": { "text": f.name },
                "fullDescription": { "text": f.sentence },
                "help": { "text": format!("{} {} Revoke: {}", f.fix.narrow, f.fix.rotate, f.fix.revoke) },
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "backstop scopes",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "utf16CodeUnits",
            "results": results,
        }],
    })
}

fn result(finding: &Ranked, rules: &[&Ranked]) -> Value {
    let level = match finding.severity {
        Severity::Critical | Severity::High => "error",
        Severity::Unknown | Severity::Medium => "warning",
        Severity::Low => "note",
    };
    let mut out = json!({
        "ruleId": finding.kind,
        "ruleIndex": rules.iter().position(|r| r.kind == finding.kind),
        "level": level,
        "message": { "text": message(finding) },
        "locations": finding.places.iter().map(location).collect::<Vec<_>>(),
        "properties": {
            "severity": finding.severity,
            "confidence": finding.confidence,
            "backups": finding.backups,
            "probed": finding.probed,
        },
    });
    if let Some(provider) = &finding.provider
        && let Some(properties) = out.get_mut("properties").and_then(Value::as_object_mut)
    {
        properties.insert("stores".into(), json!(provider.stores));
        properties.insert("unknown".into(), json!(provider.unknown));
        properties.insert("evidence".into(), json!(finding.evidence));
    }
    if let Some(restored) = &finding.restored
        && let Some(properties) = out.get_mut("properties").and_then(Value::as_object_mut)
    {
        properties.insert("restored".into(), json!(restored));
    }
    if let Some(why) = &finding.accepted
        && let Some(object) = out.as_object_mut()
    {
        object.insert(
            "suppressions".into(),
            json!([{ "kind": "external", "justification": why }]),
        );
    }
    out
}

fn message(finding: &Ranked) -> String {
    let restored = finding.restored.as_ref().map(|r| r.say.as_str());
    let said = [
        Some(finding.sentence.as_str()),
        Some(finding.backups_say.as_str()),
        restored,
    ];
    said.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn location(at: &Place) -> Value {
    match at {
        Place::File { path, line, .. } => json!({
            "physicalLocation": {
                "artifactLocation": { "uri": uri(path.as_bytes()) },
                "region": { "startLine": line },
            },
        }),
        other => json!({ "message": { "text": place(other) } }),
    }
}

/// A path as a relative or file URI: every byte that is not plain is escaped.
fn uri(path: &[u8]) -> String {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    let mut out = String::from(if path.first() == Some(&b'/') {
        "file://"
    } else {
        ""
    });
    for byte in path {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                out.push(char::from(*byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn a_path_is_a_uri() {
        assert_eq!(uri(b"./a b/.env"), "a%20b/.env");
        assert_eq!(uri(b"/x/\xff\n"), "file:///x/%FF%0A");
        assert_eq!(uri("ü:1".as_bytes()), "%C3%BC%3A1");
    }
}
