//! Asking the solver, sentence by sentence, and holding its answers against the real authorizer.

use backstop_core::policy::{Policy, SCHEMA};
use backstop_core::verdict::Decision;
use cedar_policy::{Authorizer, Entities, PolicySet, Request, RequestEnv, Schema};
use cedar_policy_symcc::solver::LocalSolver;
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicy, CompiledPolicySet};
use serde::Serialize;

use super::case::{self, Case};
use super::solver::Solver;
use super::statement::{Claim, Statement};
use super::turned;

/// What is known of a sentence.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Standing {
    /// It holds for every question.
    Proved,
    /// It does not hold.
    Refuted {
        /// A question for which it does not; the real authorizer was asked.
        case: Box<Case>,
    },
    /// Nobody knows.
    Unknown {
        /// Why.
        why: String,
    },
}

impl Standing {
    /// Whether it is proved.
    #[must_use]
    pub const fn is_proved(&self) -> bool {
        matches!(self, Self::Proved)
    }
}

/// A sentence and what is known of it.
#[derive(Debug, Clone, Serialize)]
pub struct Proof {
    /// Its name.
    pub id: &'static str,
    /// What it says.
    pub sentence: String,
    /// Which questions it is about, as an expression of Cedar.
    pub about: String,
    /// What it says of them.
    #[serde(skip)]
    pub claim: Claim,
    /// What is known.
    #[serde(flatten)]
    pub standing: Standing,
}

/// What is known of some sentences about one policy set.
#[derive(Debug, Clone, Serialize)]
pub struct Proofs {
    /// The solver; none if there was none.
    pub solver: Option<String>,
    /// The policy set's version.
    pub policies: String,
    /// The sentences.
    pub proofs: Vec<Proof>,
}

impl Proofs {
    /// Nothing is known of these sentences.
    #[must_use]
    pub fn unknown(policy: &Policy, statements: &[Statement], why: &str) -> Self {
        let unknown = |_: &Statement| Standing::Unknown {
            why: why.to_owned(),
        };
        Self::of(None, policy, statements, unknown)
    }

    fn of(
        solver: Option<String>,
        policy: &Policy,
        statements: &[Statement],
        mut standing: impl FnMut(&Statement) -> Standing,
    ) -> Self {
        Self {
            solver,
            policies: policy.version().to_hex(),
            proofs: statements
                .iter()
                .map(|statement| Proof {
                    id: statement.id,
                    sentence: statement.sentence.clone().into_owned(),
                    about: one_line(&statement.about),
                    claim: statement.claim,
                    standing: standing(statement),
                })
                .collect(),
        }
    }

    /// Whether every sentence is proved.
    #[must_use]
    pub fn all_proved(&self) -> bool {
        !self.proofs.is_empty() && self.proofs.iter().all(|p| p.standing.is_proved())
    }

    /// The first sentence that does not hold.
    #[must_use]
    pub fn refuted(&self) -> Option<(&Proof, &Case)> {
        self.proofs.iter().find_map(|p| match &p.standing {
            Standing::Refuted { case } => Some((p, case.as_ref())),
            _ => None,
        })
    }

    /// The first sentence that nobody knows of, with why.
    #[must_use]
    pub fn unknown_one(&self) -> Option<(&Proof, &str)> {
        self.proofs.iter().find_map(|p| match &p.standing {
            Standing::Unknown { why } => Some((p, why.as_str())),
            _ => None,
        })
    }
}

/// Stack for Cedar's compiler, which goes down into terms as deep as policies make them. It is mapped as it is used.
const STACK: usize = 256 * 1024 * 1024;

/// Proves what can be proved of `policy`, on a thread of its own; returns when that is done.
#[must_use]
pub fn prove(solver: &Solver, policy: &Policy, statements: &[Statement]) -> Proofs {
    let unknown = |why: String| Proofs::unknown(policy, statements, &why);
    std::thread::scope(|scope| {
        let apart = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map(|runtime| runtime.block_on(asked(solver, policy, statements)))
        };
        let named = std::thread::Builder::new().name("proofs".into());
        match named.stack_size(STACK).spawn_scoped(scope, apart) {
            Ok(thread) => match thread.join() {
                Ok(Ok(proofs)) => proofs,
                Ok(Err(error)) => unknown(format!("it could not begin: {error}")),
                Err(_) => unknown("Cedar's compiler gave up".into()),
            },
            Err(error) => unknown(format!("it could not begin: {error}")),
        }
    })
}

async fn asked(solver: &Solver, policy: &Policy, statements: &[Statement]) -> Proofs {
    let asking = match Asking::new(solver, policy) {
        Ok(asking) => asking,
        Err(why) => return Proofs::unknown(policy, statements, &why),
    };
    if let Err(why) = asking.tried().await {
        return Proofs::unknown(policy, statements, &why);
    }
    let mut standings = vec![];
    for statement in statements {
        standings.push(asking.standing(statement).await);
    }
    let mut standings = standings.into_iter();
    Proofs::of(Some(solver.version.clone()), policy, statements, |_| {
        standings.next().unwrap_or_else(|| Standing::Unknown {
            why: "it was not asked".into(),
        })
    })
}

struct Asking<'a> {
    solver: &'a Solver,
    policy: &'a Policy,
    default: Policy,
    schema: Schema,
    environment: RequestEnv,
}

type Compiler = CedarSymCompiler<LocalSolver>;

/// What the solver found: a question, or that there is none.
type Found = Result<Option<Request>, String>;

impl<'a> Asking<'a> {
    fn new(solver: &'a Solver, policy: &'a Policy) -> Result<Self, String> {
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(|e| e.to_string())?;
        let mut environments = schema.request_envs();
        let environment = environments.next().ok_or("the schema has no request")?;
        if environments.next().is_some() {
            // A sentence must then be proved for each of them.
            return Err("the schema has more than one kind of request".into());
        }
        drop(environments);
        Ok(Self {
            solver,
            policy,
            default: Policy::with("").map_err(|e| e.to_string())?,
            schema,
            environment,
        })
    }

    /// A solver that says yes to everything would prove everything: it must find what is known to be there, and must not
    /// find what is known not to be.
    async fn tried(&self) -> Result<(), String> {
        let wrong = |what: &str| format!("{} {what}: it is not believed", self.solver.version);
        let set = |text: &str| text.parse::<PolicySet>().map_err(|e| e.to_string());
        let some = set(r#"permit (principal, action, resource)
               when { context.kind == "destroy" && context.rows > 41 && context.rows < 43 };"#)?;
        let found = self.denies(&some).await?;
        let rows = found.as_ref().and_then(case_rows);
        if rows != Some(42) {
            return Err(wrong("does not find a question that there is"));
        }
        let none = set(r#"permit (principal, action, resource)
               when { context.object like "a*b" && context.object == "ac" };"#)?;
        if self.denies(&none).await?.is_some() {
            return Err(wrong("finds a question that cannot be"));
        }
        Ok(())
    }

    async fn standing(&self, statement: &Statement) -> Standing {
        match self.found(statement).await {
            Ok(None) => match self.about_something(statement).await {
                Ok(()) => Standing::Proved,
                Err(why) => Standing::Unknown { why },
            },
            Ok(Some(request)) => self.confirmed(statement, &request),
            Err(why) => Standing::Unknown { why },
        }
    }

    /// Of no question at all every sentence is true. So there must be one, and the solver has to show it: one that says
    /// "none" to whatever it is asked proves nothing.
    async fn about_something(&self, statement: &Statement) -> Result<(), String> {
        let some = self.denies(&turned::questions(&statement.about)?).await?;
        let one = some.ok_or("the solver finds no question that it is about")?;
        if self.is_about(statement, &one)? {
            return Ok(());
        }
        Err("the solver shows a question that it is not about".into())
    }

    /// Whether a request is among those that the sentence is about, as the real authorizer says.
    fn is_about(&self, statement: &Statement, request: &Request) -> Result<bool, String> {
        let set = turned::questions(&statement.about)?;
        let answer = Authorizer::new().is_authorized(request, &set, &Entities::empty());
        Ok(answer.decision() == cedar_policy::Decision::Allow)
    }

    async fn found(&self, statement: &Statement) -> Found {
        let about = statement.about.as_ref();
        match statement.claim {
            Claim::AtLeast(decision, people) => {
                let set = turned::milder(self.policy, (decision, people), about)?;
                self.denies(&set).await
            }
            Claim::Decided => {
                let set = self.typed(&turned::matched(self.policy, about)?)?;
                self.asked(async |compiler| {
                    compiler
                        .check_always_allows_with_counterexample_opt(&set)
                        .await
                })
                .await
            }
            Claim::Evaluates => {
                for rule in self.policy.rules() {
                    let alone = turned::alone(rule, about)?;
                    let typed = CompiledPolicy::compile(&alone, &self.environment, &self.schema)
                        .map_err(|e| e.to_string())?;
                    let found = self
                        .asked(async |compiler| {
                            compiler
                                .check_never_errors_with_counterexample_opt(&typed)
                                .await
                        })
                        .await?;
                    if found.is_some() {
                        return Ok(found);
                    }
                }
                Ok(None)
            }
            Claim::NoMilderThanDefault => {
                for limit in [
                    (Decision::Hold, 1),
                    (Decision::Hold, 2),
                    (Decision::Deny, 0),
                ] {
                    let ours = self.typed(&turned::milder(self.policy, limit, about)?)?;
                    let bound = self.typed(&turned::not_reached(&self.default, limit)?)?;
                    let found = self
                        .asked(async |compiler| {
                            compiler
                                .check_implies_with_counterexample_opt(&ours, &bound)
                                .await
                        })
                        .await?;
                    if found.is_some() {
                        return Ok(found);
                    }
                }
                Ok(None)
            }
        }
    }

    async fn denies(&self, set: &PolicySet) -> Found {
        let set = self.typed(set)?;
        self.asked(async |compiler| {
            compiler
                .check_always_denies_with_counterexample_opt(&set)
                .await
        })
        .await
    }

    fn typed(&self, set: &PolicySet) -> Result<CompiledPolicySet, String> {
        CompiledPolicySet::compile(set, &self.environment, &self.schema).map_err(|e| e.to_string())
    }

    /// One question to a process of its own, which does not outlive the patience with it.
    async fn asked(
        &self,
        ask: impl AsyncFnOnce(
            &mut Compiler,
        )
            -> Result<Option<cedar_policy_symcc::Env>, cedar_policy_symcc::err::Error>,
    ) -> Found {
        let mut compiler =
            CedarSymCompiler::new(self.solver.start()?).map_err(|e| e.to_string())?;
        let patience = self.solver.patience;
        let answer = tokio::time::timeout(patience, ask(&mut compiler)).await;
        let _ = compiler.solver_mut().clean_up().await;
        match answer {
            Ok(Ok(found)) => Ok(found.map(|found| found.request)),
            Ok(Err(error)) => Err(format!("the solver gave no answer: {}", said(&error))),
            Err(_) => Err(format!(
                "the solver had found nothing after {} s; hint: give it longer with --patience",
                patience.as_secs()
            )),
        }
    }

    /// What the real authorizer says to the question that the solver found.
    fn confirmed(&self, statement: &Statement, request: &Request) -> Standing {
        let Some(question) = case::question(request) else {
            return Standing::Unknown {
                why: "the solver found a question that no gate could put".into(),
            };
        };
        let verdict = self.policy.judge_one(&question);
        // As the gate puts it: the request is made anew from what was read of the solver's.
        let about = question
            .request()
            .ok_or_else(|| "it is no request".to_owned())
            .and_then(|request| self.is_about(statement, &request));
        match about {
            Ok(true) => {}
            Ok(false) => {
                return Standing::Unknown {
                    why: "the solver found a question that the sentence is not about".into(),
                };
            }
            Err(why) => return Standing::Unknown { why },
        }
        let broken = match statement.claim {
            Claim::AtLeast(decision, people) => {
                (verdict.decision, verdict.people) < (decision, people)
            }
            Claim::Decided => verdict.rule == "not-permitted",
            Claim::Evaluates => verdict.rule == "policy-error",
            Claim::NoMilderThanDefault => {
                let before = self.default.judge_one(&question);
                (verdict.decision, verdict.people) < (before.decision, before.people)
            }
        };
        if broken {
            return Standing::Refuted {
                case: Box::new(Case::of(question, verdict)),
            };
        }
        Standing::Unknown {
            why: format!(
                "the solver found a question ({}), but there the policies say `{}` by `{}`",
                Case::of(question, verdict.clone()).told,
                verdict.decision,
                verdict.rule
            ),
        }
    }
}

fn case_rows(request: &Request) -> Option<i64> {
    match request.context()?.get("rows")? {
        cedar_policy::EvalResult::Long(n) => Some(n),
        _ => None,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let more = source.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = source.source();
    }
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(400)
        .collect()
}
