//! For the incidents at AWS: what is there is lost by an agent's calls, made anew, and kept when the same calls come through
//! the gate. moto stands in for AWS; curl makes the calls, and signs them.

use std::fmt::Debug;

use anyhow::Result;
use backstop_core::target::Environment;

use crate::aws::account::{Account, Agent};

/// A call of a service.
pub struct Call {
    service: &'static str,
    /// What the JSON protocol names the operation by; without it, the body is a form that names it.
    target: Option<String>,
    body: String,
}

impl Call {
    pub fn form(service: &'static str, body: impl Into<String>) -> Self {
        Self {
            service,
            target: None,
            body: body.into(),
        }
    }

    pub fn json(service: &'static str, target: String, body: &str) -> Self {
        Self {
            service,
            target: Some(target),
            body: body.to_owned(),
        }
    }

    /// With the account's own key and nobody between.
    pub async fn straight(&self, account: &Account) -> Result<String> {
        let args = self.args(account);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        account.straight(self.service, &args).await
    }

    /// With what a lease has, through the gate.
    pub async fn through(&self, account: &Account, agent: &Agent) -> Result<(u16, String)> {
        let args = self.args(account);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        account.ask(agent, self.service, &args).await
    }

    fn args(&self, account: &Account) -> Vec<String> {
        let mut args = vec!["-d".to_owned(), self.body.clone(), account.url("/")];
        if let Some(target) = &self.target {
            let media_type = "Content-Type: application/x-amz-json-1.1";
            args.extend(["-H".to_owned(), format!("X-Amz-Target: {target}")]);
            args.extend(["-H".to_owned(), media_type.to_owned()]);
        }
        args
    }
}

/// How often an element is in an answer.
pub fn count(answer: &str, element: &str) -> usize {
    answer.matches(&format!("<{element}>")).count()
}

/// What came of an incident with the gate between.
pub struct Replayed {
    pub account: Account,
    pub agent: Agent,
    /// Status and body, call by call.
    pub told: Vec<(u16, String)>,
}

/// Plays an incident twice. `made` makes what is there, and says what the agent then calls; `left` says what is left of it.
pub async fn replayed<L: PartialEq + Debug>(
    made: impl AsyncFn(&Account) -> Result<Vec<Call>>,
    left: impl AsyncFn(&Account) -> Result<L>,
    [there, gone]: [L; 2],
) -> Result<Replayed> {
    let account = Account::open(Environment::Production, false, None).await?;
    let calls = made(&account).await?;
    assert_eq!(left(&account).await?, there);
    for call in &calls {
        call.straight(&account).await?;
    }
    assert_eq!(left(&account).await?, gone, "without Backstop");
    let calls = made(&account).await?;
    // The agent may all that there is to be granted.
    let scopes = ["read", "create", "write", "delete"];
    let agent = account.lease(Environment::Production, &scopes).await?;
    let mut told = Vec::new();
    for call in &calls {
        told.push(call.through(&account, &agent).await?);
    }
    assert_eq!(left(&account).await?, there, "with it: {told:?}");
    assert_eq!(account.halted(&agent), None);
    Ok(Replayed {
        account,
        agent,
        told,
    })
}
