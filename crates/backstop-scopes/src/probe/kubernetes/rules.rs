//! What a `SelfSubjectRulesReview` says. Source: Kubernetes API, authorization.k8s.io/v1.

use serde::Deserialize;

use crate::probe::learnt::Can;

/// The rules of one namespace.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Rules {
    pub(crate) resource_rules: Vec<Rule>,
    /// Whether there may be more that the server could not tell.
    pub(crate) incomplete: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Rule {
    verbs: Vec<String>,
    api_groups: Vec<String>,
    resources: Vec<String>,
    resource_names: Vec<String>,
}

#[derive(Deserialize)]
struct Review {
    status: Rules,
}

/// Reads an answer.
pub(crate) fn read(body: &[u8]) -> Option<Rules> {
    serde_json::from_slice::<Review>(body)
        .ok()
        .map(|review| review.status)
}

impl Rules {
    /// Whether `verb` is allowed on all objects of a resource.
    pub(crate) fn can(&self, verb: &str, group: &str, resource: &str) -> Can {
        let has = |list: &[String], one: &str| list.iter().any(|item| item == "*" || item == one);
        let mut named = false;
        for rule in &self.resource_rules {
            if has(&rule.verbs, verb)
                && has(&rule.api_groups, group)
                && has(&rule.resources, resource)
            {
                if rule.resource_names.is_empty() {
                    return Can::Yes;
                }
                named = true;
            }
        }
        if named || self.incomplete {
            Can::Unknown
        } else {
            Can::No
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Rules {
        read(format!("{{\"status\":{text}}}").as_bytes()).unwrap()
    }

    #[test]
    fn rules_are_read_as_the_server_means_them() {
        let all = rules(
            r#"{"resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"]}],"nonResourceRules":[],"incomplete":false}"#,
        );
        assert_eq!(all.can("delete", "", "secrets"), Can::Yes);
        let some = rules(
            r#"{"resourceRules":[{"verbs":["get","delete"],"apiGroups":[""],"resources":["pods"]},{"verbs":["delete"],"apiGroups":[""],"resources":["secrets"],"resourceNames":["one"]}],"incomplete":false}"#,
        );
        assert_eq!(some.can("delete", "", "pods"), Can::Yes);
        assert_eq!(some.can("delete", "apps", "pods"), Can::No);
        assert_eq!(some.can("create", "", "pods"), Can::No);
        // One that is named is not none.
        assert_eq!(some.can("delete", "", "secrets"), Can::Unknown);
        let cut = rules(r#"{"resourceRules":[],"incomplete":true,"evaluationError":"x"}"#);
        assert_eq!(cut.can("delete", "", "pods"), Can::Unknown);
        assert!(read(b"{}").is_none());
    }
}
