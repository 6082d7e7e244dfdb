//! Who asks: the token in a request's headers, and what it reaches.
//!
//! An account's or a workspace's token comes as `Authorization: Bearer`, a project's as `Project-Access-Token`; the wrong
//! header is the wrong token. With both, the project's counts. It must not show a token to anybody.

use super::world::{Project, Reach, Token, World};

/// The token of a request, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presented {
    /// None at all.
    Nothing,
    /// One that this account does not have, or in a header of the other sort.
    Unknown,
    /// One that works, by its name.
    Known(String),
}

/// The headers that say who asks.
#[derive(Clone, Default)]
pub(super) struct Credentials {
    /// The value of `Authorization`.
    pub(super) authorization: Option<String>,
    /// The value of `Project-Access-Token`.
    pub(super) project: Option<String>,
}

/// Who asks, and how far that reaches.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) presented: Presented,
    /// None reaches nothing.
    pub(super) reach: Option<Reach>,
}

impl Caller {
    /// Looks the token up.
    pub(super) fn of(world: &World, credentials: &Credentials) -> Self {
        let (secret, of_a_project) = match (&credentials.project, &credentials.authorization) {
            (Some(secret), _) => (Some(secret.as_str()), true),
            (None, Some(value)) => (bearer(value), false),
            (None, None) => {
                return Self {
                    presented: Presented::Nothing,
                    reach: None,
                };
            }
        };
        let fits = |token: &&Token| {
            Some(token.secret.as_str()) == secret
                && matches!(token.reach, Reach::Environment { .. }) == of_a_project
        };
        match world.tokens.iter().find(fits) {
            Some(token) => Self {
                presented: Presented::Known(token.name.clone()),
                reach: Some(token.reach.clone()),
            },
            None => Self {
                presented: Presented::Unknown,
                reach: None,
            },
        }
    }

    /// Whether it is the account itself.
    pub(super) fn is_account(&self) -> bool {
        self.reach == Some(Reach::Account)
    }

    /// Whether it reaches all of a workspace.
    pub(super) fn reaches_workspace(&self, id: &str) -> bool {
        match &self.reach {
            Some(Reach::Account) => true,
            Some(Reach::Workspace(own)) => own == id,
            _ => false,
        }
    }

    /// Whether it reaches all of a project.
    pub(super) fn reaches_project(&self, project: &Project) -> bool {
        self.reaches_workspace(&project.workspace)
    }

    /// Whether it may look at a project: a project's token may, at its own.
    pub(super) fn sees_project(&self, project: &Project) -> bool {
        let own = matches!(&self.reach, Some(Reach::Environment { project: own, .. }) if *own == project.id);
        own || self.reaches_project(project)
    }

    /// Whether it reaches an environment of a project.
    pub(super) fn reaches_environment(&self, project: &Project, environment: &str) -> bool {
        let own = matches!(&self.reach, Some(Reach::Environment { environment: own, .. }) if own == environment);
        own || self.reaches_project(project)
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
