//! The command line of the credential-scope audit. Data only, like all of `cli`.

use std::path::PathBuf;

use crate::duration::Span;
use clap::{Args, ValueEnum};

/// Show what an agent that runs here could destroy today
///
/// Looks for credentials where an agent that runs as you, here, could find them: files (ignored ones, too), git history, environments of processes, sockets. Says of each what it could destroy at worst, whether your backups die with your data, and what to do about it. It reads only, needs no set-up, and shows no secret.
///
/// With --lease it answers the same for what an agent really holds under Backstop: what the lease may do without asking, what waits for a person, what is denied, what its role could do at the target by the catalogue, and what is proved of the policies, your own included. The running `serve` is asked; proving needs cvc5, and without it the answer is `unknown`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 nothing of that severity; 2 it could not begin; 3 something was found that is as bad as --fail-on says.\n\nExamples:\n  backstop scopes\n  backstop scopes --home --html report.html\n  backstop scopes --probe --fix fixes .\n  backstop scopes --files-only --baseline scopes.toml --sarif . > scopes.sarif\n  backstop scopes --lease lease_8f… --html lease.html\n  backstop scopes --salt-file salt --json --fail-on never > inside.json   # where the agent works\n  backstop scopes --salt-file salt --compare inside.json                  # where it does not"
)]
pub struct Scopes {
    /// Files and directories to look through; where you stand, if none is named
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Look through the home directory, too
    #[arg(long)]
    pub home: bool,
    /// With the eyes of this user: what it could read; what you cannot read yourself stays unseen
    #[arg(long = "as", value_name = "USER")]
    pub user: Option<String>,
    /// Ask what credentials may do: PostgreSQL servers (the catalogue, in READ ONLY transactions), AWS, GitHub,
    /// Kubernetes, Railway (calls that only read). Each is named before it is made
    #[arg(long)]
    pub probe: bool,
    /// Ask a double at http://127.0.0.1:PORT in the place of a provider's own host: `aws=URL`, `github=URL`, `railway=URL`.
    /// For tests. It takes the credential, so be sure whose port that is
    #[arg(long, value_name = "KIND=URL", requires = "probe")]
    pub probe_at: Vec<String>,
    /// Look at files only: no environments, processes or sockets
    #[arg(long)]
    pub files_only: bool,
    /// Leave out what git remembers
    #[arg(long)]
    pub no_history: bool,
    /// Print SARIF, for code hosts
    #[arg(long, conflicts_with = "json")]
    pub sarif: bool,
    /// Write a page that stands alone, with a picture of what reaches what
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write SQL, configuration and a list of what to revoke into this directory; nothing of it is run
    #[arg(long, value_name = "DIR")]
    pub fix: Option<PathBuf>,
    /// Findings that are accepted: TOML, `[[accept]]` with kind, place, reason and until
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Say what this lease holds, in place of looking for credentials
    #[arg(long, value_name = "LEASE", conflicts_with_all = ["paths", "home", "user", "probe", "files_only", "no_history", "sarif", "fix", "baseline", "compare", "salt_file"])]
    pub lease: Option<String>,
    /// The solver for proofs, cvc5; CVC5 in the environment, or else `cvc5` on PATH, if it is not named
    #[arg(long, value_name = "FILE", requires = "lease")]
    pub solver: Option<PathBuf>,
    /// How long the solver may think about one statement
    #[arg(long, value_name = "TIME", default_value = "30s", requires = "lease")]
    pub patience: Span,
    /// Say what only this run finds, what only that one found, and what both: JSON of another run with the same
    /// --salt-file
    #[arg(long, value_name = "FILE", requires = "salt_file", conflicts_with_all = ["sarif", "html", "fix"])]
    pub compare: Option<PathBuf>,
    /// What fingerprints are salted with, for runs that are to be compared; made if it is not there. Keep it from
    /// whoever gets a report, and delete it afterwards
    #[arg(long, value_name = "FILE")]
    pub salt_file: Option<PathBuf>,
    /// Exit with 3 when something as bad as this is found
    #[arg(long, value_enum, default_value = "high", value_name = "SEVERITY")]
    pub fail_on: Worst,
    /// Tell every finding in full
    #[arg(long)]
    pub all: bool,
}

/// How bad is too bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Worst {
    /// Anything
    Low,
    /// It does harm
    Medium,
    /// Nobody here knows what it opens
    Unknown,
    /// It could destroy data
    High,
    /// It could destroy data and its backups
    Critical,
    /// Nothing is too bad
    Never,
}
