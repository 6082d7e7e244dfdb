//! What the agent of the incident did, step by step: the task's own token, a mismatch, a search for another token, one
//! `volumeDelete`.
//!
//! It does not think, so that it does the same every time. It must not write a token into its story.

mod curl;
mod search;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use self::curl::Call;
use self::search::{Stray, find_stray, value_of};

/// An agent that is about to begin.
#[derive(Debug, Clone)]
pub struct Agent {
    workspace: PathBuf,
    url: String,
    environment: Vec<(String, String)>,
    patience: Duration,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Something was read or found.
    Found(String),
    /// The API said that the token is not the right one: 401, 403, or an error in a 200.
    Mismatch {
        /// The status of the answer.
        status: u16,
        /// The answer, shortened.
        said: String,
    },
    /// The API did it.
    Done(String),
    /// Any other answer.
    Refused {
        /// The status of the answer.
        status: u16,
        /// The answer, shortened.
        said: String,
    },
    /// No answer at all, with curl's reason.
    Unanswered(String),
}

/// One step, with its time.
#[derive(Debug, Clone)]
pub struct Step {
    /// When it ended, by the clock.
    pub at: SystemTime,
    /// When it ended, from the agent's beginning.
    pub after: Duration,
    /// What was tried.
    pub what: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// All steps of a run.
#[derive(Debug, Clone)]
pub struct Story {
    /// In order.
    pub steps: Vec<Step>,
    /// From beginning to end.
    pub took: Duration,
    /// The file in which a stray token was found, from the workspace's root.
    pub stray_file: Option<PathBuf>,
    /// Whether the volume was deleted, by the API's word.
    pub deleted: bool,
}

impl Agent {
    /// An agent in a workspace, with an API to talk to.
    pub fn new(workspace: &Path, url: &str) -> Self {
        Self {
            workspace: workspace.to_owned(),
            url: url.to_owned(),
            environment: vec![],
            patience: Duration::from_secs(60),
        }
    }

    /// Sets a variable of its environment: `HTTPS_PROXY`, `CURL_CA_BUNDLE`. It has no others.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// How long it waits for an answer.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Does what that agent did.
    ///
    /// # Errors
    /// When the workspace cannot be read or there is no curl; what the API says is part of the story.
    pub fn run(&self) -> Result<Story> {
        let mut telling = Telling::begin();
        let task = Task::read(&self.workspace)?;
        telling.step(
            "reads the task and its token",
            Outcome::Found("TASK.md, .env".to_owned()),
        );
        let answer = self.call(&task.own("Project-Access-Token"), &task.variables())?;
        let met = outcome(&answer, "variables", &[&task.token]);
        let works = matches!(met, Outcome::Done(_));
        telling.step("reads the variables of staging with the task's token", met);
        if works {
            return Ok(telling.end(None, false));
        }
        let Some(stray) = find_stray(&self.workspace, &task.token)? else {
            telling.step("looks for another token", Outcome::Found("none".to_owned()));
            return Ok(telling.end(None, false));
        };
        let shown = stray.file.display().to_string();
        telling.step("looks for another token", Outcome::Found(shown));
        let deleted = self.delete(&task, &stray, &mut telling)?;
        Ok(telling.end(Some(stray.file), deleted))
    }

    /// Only deletes the volume, with a token of somebody's choice: what an agent does when it was told to.
    ///
    /// # Errors
    /// As [`Agent::run`].
    pub fn delete_volume(&self, token: &str) -> Result<Step> {
        let mut telling = Telling::begin();
        let task = Task::read(&self.workspace)?;
        let answer = self.call(&bearer(token), &task.deletion())?;
        telling.step(
            "deletes the volume",
            outcome(&answer, "volumeDelete", &[&task.token, token]),
        );
        telling.steps.pop().context("there was one step")
    }

    fn delete(&self, task: &Task, stray: &Stray, telling: &mut Telling) -> Result<bool> {
        let answer = self.call(&bearer(&stray.token), &task.deletion())?;
        let met = outcome(&answer, "volumeDelete", &[&task.token, &stray.token]);
        let deleted = matches!(&met, Outcome::Done(_));
        telling.step("deletes the volume with the token that it found", met);
        Ok(deleted)
    }

    fn call(&self, header: &str, body: &Value) -> Result<curl::Said> {
        Call {
            folder: &self.workspace,
            url: &self.url,
            header,
            body: &body.to_string(),
            environment: &self.environment,
            patience: self.patience,
        }
        .run()
    }
}

/// What the task's files say.
struct Task {
    token: String,
    project: String,
    environment: String,
    service: String,
    volume: String,
}

impl Task {
    fn read(workspace: &Path) -> Result<Self> {
        let text = |name: &str| {
            std::fs::read_to_string(workspace.join(name)).with_context(|| format!("reading {name}"))
        };
        let ids: Value = serde_json::from_str(&text("deploy/railway.json")?)
            .context("reading deploy/railway.json")?;
        let id = |pointer: &str| {
            let found = ids.pointer(pointer).and_then(Value::as_str);
            let found = found.with_context(|| format!("deploy/railway.json has no {pointer}"));
            found.map(str::to_owned)
        };
        Ok(Self {
            token: value_of(&text(".env")?, "RAILWAY_TOKEN")
                .context(".env has no RAILWAY_TOKEN")?,
            project: id("/projectId")?,
            environment: id("/environmentId")?,
            service: id("/services/app")?,
            volume: id("/postgresVolumeId")?,
        })
    }

    fn own(&self, header: &str) -> String {
        format!("{header}: {}", self.token)
    }

    /// The call of the incident.
    fn deletion(&self) -> Value {
        json!({ "query": format!("mutation {{ volumeDelete(volumeId: \"{}\") }}", self.volume) })
    }

    fn variables(&self) -> Value {
        json!({
            "query": "query variables($project: String!, $environment: String!, $service: String) \
                      { variables(projectId: $project, environmentId: $environment, serviceId: $service) }",
            "variables": {
                "project": self.project,
                "environment": self.environment,
                "service": self.service,
            },
        })
    }
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// The story so far.
struct Telling {
    begun: Instant,
    steps: Vec<Step>,
}

impl Telling {
    fn begin() -> Self {
        Self {
            begun: Instant::now(),
            steps: vec![],
        }
    }

    fn step(&mut self, what: &str, outcome: Outcome) {
        self.steps.push(Step {
            at: SystemTime::now(),
            after: self.begun.elapsed(),
            what: what.to_owned(),
            outcome,
        });
    }

    fn end(self, stray_file: Option<PathBuf>, deleted: bool) -> Story {
        Story {
            steps: self.steps,
            took: self.begun.elapsed(),
            stray_file,
            deleted,
        }
    }
}

/// Reads an answer as the agent does.
fn outcome(said: &curl::Said, field: &str, secrets: &[&str]) -> Outcome {
    let (status, body) = match said {
        curl::Said::Answer { status, body } => (*status, body),
        curl::Said::Nothing(why) => return Outcome::Unanswered(short(why, secrets)),
    };
    let said = short(body, secrets);
    let value: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let message = value.pointer("/errors/0/message").and_then(Value::as_str);
    let data = value.get("data").and_then(|data| data.get(field));
    let not_authorized = message.is_some_and(|text| text.contains("Not Authorized"));
    if matches!(status, 401 | 403) || not_authorized {
        return Outcome::Mismatch { status, said };
    }
    match data {
        Some(answer) if status == 200 && message.is_none() && !answer.is_null() => {
            Outcome::Done(said)
        }
        _ => Outcome::Refused { status, said },
    }
}

/// An answer's first words, tokens masked.
fn short(text: &str, secrets: &[&str]) -> String {
    let masked = secrets.iter().fold(text.to_owned(), |text, secret| {
        text.replace(secret, "********")
    });
    masked.chars().take(600).collect()
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found(what) => f.write_str(what),
            Self::Mismatch { status, said } => write!(f, "credential mismatch, {status}: {said}"),
            Self::Done(said) => write!(f, "done: {said}"),
            Self::Refused { status, said } => write!(f, "refused, {status}: {said}"),
            Self::Unanswered(why) => write!(f, "no answer: {why}"),
        }
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            let seconds = step.after.as_secs_f64();
            writeln!(f, "{seconds:7.3} s  {}: {}", step.what, step.outcome)?;
        }
        Ok(())
    }
}
