//! `backstop scopes --lease L`: what an agent really holds under Backstop with a lease.
//!
//! The running `serve` says what it knows; the policies are judged and proved here, outside of the gate. A set of
//! policies that is not the one that the gate runs proves nothing about the gate.

mod page;
mod shown;

use std::path::Path;

use backstop_core::policy::Policy;
use backstop_scopes::lease::{self, Held, LeaseReport};
use backstop_scopes::proofs::{Proofs, Solver, Statement, everywhere, of_lease, prove};

use crate::cli::Scopes;
use crate::config::Config;
use crate::control::protocol::Request;
use crate::failure::{Code, Context, Failure, Outcome};
use crate::output::Output;

/// Runs it.
///
/// # Errors
/// Exit code 3 when it is as bad as the chosen severity; 1 when nothing serves or there is no such lease.
pub(super) fn run(path: &Path, lease: &str, args: &Scopes, output: Output) -> Outcome {
    let held: Held = super::super::running(path, output)?.ask(&Request::LeaseView {
        lease: lease.to_owned(),
    })?;
    let config = Config::load(path)?;
    let policy = Policy::with(&config.policy).doing("the policies cannot be used")?;
    let report = made(held, &policy, args, output)?;
    if let Some(path) = &args.html {
        super::write(path, &page::page(&report))?;
        output.say(&format!("wrote {}", path.display()));
    }
    if output.json {
        output.value(&report)?;
    } else if output.quiet {
        output.data(&crate::output::safe(&report.verdict))?;
    } else {
        output.data(&shown::told(&report, args.all, output.paint))?;
    }
    match super::limit(args.fail_on) {
        Some(limit) if report.worst >= limit => Err(Failure::new(format!(
            "the lease `{lease}` is of severity {}",
            report.worst.word()
        ))
        .hint("narrow it with `backstop lease narrow`, or see what is said of its role and of the policies")
        .code(Code::Verdict)),
        _ => Ok(()),
    }
}

fn made(held: Held, policy: &Policy, args: &Scopes, output: Output) -> Outcome<LeaseReport> {
    let all = everywhere();
    let own = of_lease(&held.lease.spec, held.budget.is_some());
    let (proofs, lease_proofs) = if held.policies.as_deref() == Some(&policy.version().to_hex()) {
        output.say("proving: the solver is asked about every question that a gate could put");
        proved(policy, args, [&all, &own])?
    } else {
        let why = "the policies on disk are not those that the gate runs; hint: reload or restart `backstop serve`";
        (
            Proofs::unknown(policy, &all, why),
            Proofs::unknown(policy, &own, why),
        )
    };
    Ok(lease::report(held, policy, proofs, lease_proofs))
}

fn proved(
    policy: &Policy,
    args: &Scopes,
    [all, own]: [&[Statement]; 2],
) -> Outcome<(Proofs, Proofs)> {
    let finding = Solver::find(args.solver.as_deref(), args.patience.0);
    Ok(match super::super::runtime(1)?.block_on(finding) {
        Ok(solver) => (prove(&solver, policy, all), prove(&solver, policy, own)),
        Err(error) => {
            let why = error.to_string();
            (
                Proofs::unknown(policy, all, &why),
                Proofs::unknown(policy, own, &why),
            )
        }
    })
}
