//! Which actions matter, and what the policy simulator said of them.

use std::collections::BTreeMap;

use super::xml::Node;
use crate::probe::learnt::Can;

/// Everything that is simulated on all resources at once.
pub(crate) const ALL: &[&str] = &[
    "rds:DeleteDBInstance",
    "rds:DeleteDBCluster",
    "rds:ModifyDBInstance",
    "rds:ModifyDBCluster",
    "rds:DeleteDBSnapshot",
    "rds:DeleteDBClusterSnapshot",
    "rds:DeleteDBInstanceAutomatedBackup",
    "s3:DeleteBucket",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:PutLifecycleConfiguration",
    "s3:PutBucketVersioning",
    "s3:BypassGovernanceRetention",
    "dynamodb:DeleteTable",
    "dynamodb:UpdateTable",
    "dynamodb:DeleteBackup",
    "dynamodb:UpdateContinuousBackups",
    "ec2:DeleteVolume",
    "ec2:DeleteSnapshot",
    "backup:DeleteRecoveryPoint",
    "backup:DeleteBackupVaultLockConfiguration",
    "kms:ScheduleKeyDeletion",
    "iam:CreateAccessKey",
    "iam:AttachUserPolicy",
    "iam:PutUserPolicy",
    "iam:AttachRolePolicy",
    "iam:PutRolePolicy",
    "iam:CreatePolicyVersion",
    "iam:UpdateAssumeRolePolicy",
    "iam:PassRole",
    "sts:AssumeRole",
];

/// Those of them that destroy data by themselves.
pub(crate) const DATA: &[&str] = &[
    "rds:DeleteDBInstance",
    "rds:DeleteDBCluster",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:PutLifecycleConfiguration",
    "dynamodb:DeleteTable",
    "ec2:DeleteVolume",
];

/// Those of them that destroy backups, or make them unreadable.
pub(crate) const BACKUPS: &[&str] = &[
    "rds:DeleteDBSnapshot",
    "rds:DeleteDBClusterSnapshot",
    "rds:DeleteDBInstanceAutomatedBackup",
    "s3:DeleteObjectVersion",
    "dynamodb:DeleteBackup",
    "ec2:DeleteSnapshot",
    "backup:DeleteRecoveryPoint",
    "kms:ScheduleKeyDeletion",
];

/// Those of them with which a key gives itself, or another that it makes, every right.
pub(crate) const TAKE_OVER: &[&str] = &[
    "iam:CreateAccessKey",
    "iam:AttachUserPolicy",
    "iam:PutUserPolicy",
    "iam:AttachRolePolicy",
    "iam:PutRolePolicy",
    "iam:CreatePolicyVersion",
    "iam:UpdateAssumeRolePolicy",
];

/// What is allowed on what.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    answers: BTreeMap<(String, String), Can>,
    /// The account's own root: everything, and no policy takes it away.
    pub(crate) root: bool,
    /// Whether single resources were not all asked about, so that a denial on all of them proves nothing of one.
    pub(crate) partial: bool,
}

impl Rights {
    /// Whether an action is allowed on a resource: by what was said of that resource, else of all.
    pub(crate) fn can(&self, action: &str, resource: &str) -> Can {
        if self.root {
            return Can::Yes;
        }
        let of = |resource: &str| {
            self.answers
                .get(&(action.to_owned(), resource.to_owned()))
                .copied()
        };
        match (of(resource), of("*")) {
            (Some(can), _) => can,
            (None, Some(Can::Yes)) => Can::Yes,
            // A policy that names this one resource alone says no for all of them.
            (None, Some(Can::No)) if self.partial && resource != "*" => Can::Unknown,
            (None, can) => can.unwrap_or(Can::Unknown),
        }
    }

    /// Whether anything is known of any action.
    pub(crate) fn known(&self) -> bool {
        self.root || !self.answers.is_empty()
    }

    /// Takes over an answer of the simulator. Its word on an action as a whole is the strictest over all resources that
    /// were named, and older answers repeat it for each: where it says something of single resources, that counts.
    pub(crate) fn learn(&mut self, answer: &Node, named: bool) {
        for one in answer.items("SimulatePrincipalPolicyResult/EvaluationResults") {
            let Some(action) = one.text("EvalActionName") else {
                continue;
            };
            let single = one.items("ResourceSpecificResults");
            for part in single {
                if let Some(resource) = part.text("EvalResourceName") {
                    let can = decided(part, "EvalResourceDecision");
                    self.put(action, resource, can);
                }
            }
            if single.is_empty() {
                let resource = one.text("EvalResourceName").filter(|_| named);
                self.put(
                    action,
                    resource.unwrap_or("*"),
                    decided(one, "EvalDecision"),
                );
            }
        }
    }

    fn put(&mut self, action: &str, resource: &str, can: Can) {
        self.answers
            .insert((action.to_owned(), resource.to_owned()), can);
    }
}

/// A denial for want of context (the address, MFA, the time) is none that holds.
fn decided(node: &Node, name: &str) -> Can {
    match node.text(name) {
        Some("allowed") => Can::Yes,
        Some("explicitDeny" | "implicitDeny") if node.items("MissingContextValues").is_empty() => {
            Can::No
        }
        _ => Can::Unknown,
    }
}

/// Yes if one is, no if all are not.
pub(crate) fn any(all: impl IntoIterator<Item = Can>) -> Can {
    let mut out = Can::No;
    for one in all {
        match one {
            Can::Yes => return Can::Yes,
            Can::Unknown => out = Can::Unknown,
            Can::No => {}
        }
    }
    out
}

/// Yes if all are, no if one is not.
pub(crate) fn every(all: impl IntoIterator<Item = Can>) -> Can {
    let mut out = Can::Yes;
    for one in all {
        match one {
            Can::No => return Can::No,
            Can::Unknown => out = Can::Unknown,
            Can::Yes => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::xml;
    use super::*;

    fn answer(inner: &str) -> Rights {
        let text = format!(
            "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><EvaluationResults>{inner}</EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
        );
        let mut rights = Rights::default();
        rights.learn(&xml::read(&text).unwrap(), true);
        rights
    }

    /// AWS answers one result an action now, the strictest over all resources: taken for each of them it would hide that
    /// one of two can be deleted.
    #[test]
    fn single_resources_count_more_than_the_whole() {
        let rights = answer(
            "<member><EvalActionName>rds:DeleteDBInstance</EvalActionName><EvalResourceName>b</EvalResourceName><EvalDecision>explicitDeny</EvalDecision><ResourceSpecificResults><member><EvalResourceName>a</EvalResourceName><EvalResourceDecision>explicitDeny</EvalResourceDecision></member><member><EvalResourceName>b</EvalResourceName><EvalResourceDecision>allowed</EvalResourceDecision></member></ResourceSpecificResults></member>",
        );
        assert_eq!(rights.can("rds:DeleteDBInstance", "a"), Can::No);
        assert_eq!(rights.can("rds:DeleteDBInstance", "b"), Can::Yes);
        assert_eq!(rights.can("rds:DeleteDBInstance", "c"), Can::Unknown);
    }

    #[test]
    fn a_denial_for_want_of_context_is_not_known() {
        let rights = answer(
            "<member><EvalActionName>s3:DeleteBucket</EvalActionName><EvalResourceName>*</EvalResourceName><EvalDecision>implicitDeny</EvalDecision><MissingContextValues><member>aws:MultiFactorAuthPresent</member></MissingContextValues></member>",
        );
        assert_eq!(rights.can("s3:DeleteBucket", "x"), Can::Unknown);
    }

    #[test]
    fn what_was_not_answered_is_not_known() {
        assert_eq!(Rights::default().can("x", "y"), Can::Unknown);
        assert_eq!(any([Can::No, Can::Unknown]), Can::Unknown);
        assert_eq!(any([Can::Unknown, Can::Yes]), Can::Yes);
        assert_eq!(every([Can::Yes, Can::Unknown]), Can::Unknown);
        assert_eq!(every([Can::Unknown, Can::No]), Can::No);
    }
}
