//! The command line: every verb, its options, and the help that people read.
//!
//! Must not do anything: it is data. What each verb does stands in `command/<verb>.rs`.

mod adopt;
mod scopes;
mod vault;

pub use adopt::Adopt;
pub use scopes::{Scopes, Worst};
pub use vault::{
    Vault, VaultCancel, VaultDelete, VaultDeletions, VaultDrill, VaultInit, VaultLift, VaultList,
    VaultRebuild, VaultRestore, VaultServe, VaultSign, VaultVerb, VaultVerify,
};

use std::path::PathBuf;

use backstop_core::scope::Scope;
use backstop_core::target::Environment;
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

use crate::duration::Span;
use crate::when::Moment;

/// The safety interlock between AI agents and production.
///
/// An agent works through Backstop and never holds a real credential. What is harmless passes,
/// what could destroy waits until a person says yes with a passkey, and all of it stands in a
/// journal that anyone can check.
#[derive(Debug, Parser)]
#[command(
    name = "backstop",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 done; 1 what was asked for failed; 2 usage or configuration;\n3 a verdict other than allow; 4 integrity broken.\n\nBegin with `backstop demo`, or with `backstop init`."
)]
pub struct Cli {
    /// Options that every verb takes.
    #[command(flatten)]
    pub common: Common,
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Options that every verb takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options for every command")]
pub struct Common {
    /// The configuration file
    #[arg(
        long,
        global = true,
        env = "BACKSTOP_CONFIG",
        value_name = "PATH",
        default_value = "backstop.toml"
    )]
    pub config: PathBuf,
    /// Print JSON, one value a line, instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colour; NO_COLOR turns `auto` off
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "WHEN"
    )]
    pub color: Color,
    /// Say only what was asked for, and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// When writing to a terminal and NO_COLOR is not set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Verb {
    Init(Init),
    Serve(Serve),
    Adopt(Adopt),
    Lease(Lease),
    Holds(Holds),
    /// Open the page on which a person approves a hold
    Approve(Decide),
    /// Open the page on which a person denies a hold
    Deny(Decide),
    Halt(Halt),
    Resume(Resume),
    Freeze(Freeze),
    Judge(Judge),
    Journal(Journal),
    Undo(Undo),
    Scopes(Scopes),
    Vault(Vault),
    /// Say what is up, what waits and what is stopped
    Status,
    Doctor(Doctor),
    Demo(Demo),
    Completions(Completions),
}

/// Put back rows as they were before an agent changed them
///
/// Finds the old and new rows that were kept of a statement's transaction, or of everything that a lease did, opens them with the recovery key, compares them with what is there now, and, with --apply, puts the old rows back in one transaction. Rows that somebody has changed since are conflicts: they are listed, and nothing is guessed. An undo is kept like any other change, so that it can be undone.
///
/// It reads the vault's directory, and talks to the running gate: run it as root, or as a user that may do both.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  backstop undo 4711 --identity /media/stick/recovery.txt\n  backstop undo 4711 --identity /media/stick/recovery.txt --apply\n  backstop undo --lease lease_x1y2 --since 2h --identity /media/stick/recovery.txt --apply"
)]
pub struct Undo {
    /// An entry of the traffic log: the intent or outcome of a statement, or the images of a transaction
    #[arg(value_name = "ENTRY", conflicts_with = "lease")]
    pub entry: Option<u64>,
    /// Everything that this lease did
    #[arg(long, value_name = "LEASE")]
    pub lease: Option<String>,
    /// Everything that all leases did at this target; a person must approve that
    #[arg(long, value_name = "TARGET", conflicts_with_all = ["entry", "lease"], requires = "since")]
    pub target: Option<String>,
    /// Only what was done within this time until now
    #[arg(long, value_name = "SPAN", conflicts_with = "entry")]
    pub since: Option<Span>,
    /// The file with the private half of the recovery key
    #[arg(long, value_name = "FILE")]
    pub identity: PathBuf,
    /// The vault's directory
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/var/lib/backstop-vault",
        env = "BACKSTOP_VAULT"
    )]
    pub vault: PathBuf,
    /// Do it; without this it is only shown what would be done
    #[arg(long)]
    pub apply: bool,
    /// Leave rows that were changed since as they are, and undo the others
    #[arg(long)]
    pub leave_conflicts: bool,
    /// Switch triggers off that do not let rows come back as they were, within the undo's own transaction; a person must
    /// approve that
    #[arg(long, requires = "apply")]
    pub without_triggers: bool,
}

/// Set Backstop up: configuration, keys, local CA, the first person
///
/// Sets Backstop up: probes the database, writes a commented `backstop.toml`, keys and a local CA, and enrols the first person.
///
/// Run again it completes what is missing and replaces nothing; with another --target it adds one.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  backstop init --target prod --dsn postgresql://backstop@db.example.com/app\n  backstop init --target prod --dsn 'host=/run/postgresql dbname=app user=backstop' --environment staging\n  backstop init --target anthropic --url https://api.anthropic.com\n  backstop init --origin https://backstop.example.com:8443 --certificate fullchain.pem --key privkey.pem"
)]
pub struct Init {
    /// The target's name
    #[arg(long, value_name = "NAME", requires = "place")]
    pub target: Option<String>,
    /// Where the database is, and the role that the gate logs in as (not a superuser, CREATEROLE);
    /// the password is taken from here, PGPASSWORD, ~/.pgpass or the terminal, and sealed
    #[arg(long, value_name = "DSN", requires = "target", group = "place")]
    pub dsn: Option<String>,
    /// Where the HTTP API is
    #[arg(
        long,
        value_name = "URL",
        requires = "target",
        group = "place",
        help = "Where the HTTP API is, as in https://backboard.railway.com; its credential is taken from --credential-file or the terminal, and sealed"
    )]
    pub url: Option<String>,
    /// How the credential is put into requests: bearer, token, `header NAME`, `basic USER`, `query NAME`,
    /// `cookie NAME`, `path /PREFIX{}` (as in `path /bot{}/`), `json /POINTER`, `form NAME`, aws or none; as the
    /// API's pack says if not given, else bearer
    #[arg(long, value_name = "HOW", requires = "url")]
    pub credential: Option<String>,
    /// The file with the credential
    #[arg(long, value_name = "FILE", requires = "url")]
    pub credential_file: Option<PathBuf>,
    /// What reads the API's requests: a pack's name, or a file.toml of your own; by its host if not given
    #[arg(long, value_name = "PACK", requires = "url")]
    pub pack: Option<String>,
    /// The authorities (PEM) to trust there instead of this machine's
    #[arg(long, value_name = "FILE", requires = "url")]
    pub ca: Option<PathBuf>,
    /// The API may be at a private address
    #[arg(long, requires = "url")]
    pub private: bool,
    /// How much a mistake costs there: production, staging or development
    #[arg(long, value_name = "NAME", default_value = "production")]
    pub environment: Environment,
    /// The console's address for phones and other machines; fixed from then on
    #[arg(long, value_name = "URL")]
    pub origin: Option<String>,
    /// The console's certificate (PEM, with its chain), with an https --origin
    #[arg(long, value_name = "FILE", requires_all = ["origin", "key"])]
    pub certificate: Option<PathBuf>,
    /// The certificate's key (PEM)
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
    /// Where keys, journal and store go
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where agents connect; 127.0.0.1:7432 if not given
    #[arg(long, value_name = "ADDRESS")]
    pub gate: Option<std::net::SocketAddr>,
    /// Where the console listens; 127.0.0.1:7480 if not given, and with --certificate every address of this
    /// machine, with the origin's port
    #[arg(long, value_name = "ADDRESS")]
    pub console: Option<std::net::SocketAddr>,
    /// The SHA-256 of the server's certificate, to pin one that no CA here knows
    #[arg(long, value_name = "SHA256")]
    pub pin: Option<String>,
    /// Say yes to what is asked on the terminal, pinning excepted
    #[arg(long)]
    pub yes: bool,
    /// Leave enrolling the first person to `serve`
    #[arg(long)]
    pub no_enrol: bool,
}

/// Run the gate and the console
///
/// Runs the gate and the console until SIGTERM or Ctrl-C; what runs then may finish for a while, and a second SIGTERM or Ctrl-C ends it at once. SIGHUP, or a change of the configuration file, reloads policies, targets and notifications without dropping a connection.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  backstop serve\n  backstop serve --config /etc/backstop/backstop.toml --log-format json"
)]
pub struct Serve {
    /// How log lines are written to standard error
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// How long running statements and open transactions may take to finish when stopping
    #[arg(long, default_value = "10s", value_name = "TIME")]
    pub grace: Span,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Give agents access in place of credentials
#[derive(Debug, Args)]
pub struct Lease {
    /// What to do with leases
    #[command(subcommand)]
    pub verb: LeaseVerb,
}

/// What to do with leases.
#[derive(Debug, Subcommand)]
pub enum LeaseVerb {
    Create(LeaseCreate),
    List(LeaseList),
    Revoke(LeaseId),
    Narrow(LeaseNarrow),
}

/// Ask for a lease; prints the agent's DSN once a person has approved it
///
/// Asks for a lease. A person approves exactly what is asked at the console; then the DSN for the agent is printed, once: it is stored nowhere. The identical command picks up a lease that was approved meanwhile.
///
/// A child lease (--parent) can only be narrower than its parent and needs no approval.
#[derive(Debug, Args)]
#[command(
    after_help = "Scopes are VERBS:SCHEMA.NAME, with `*` for any; a NAME alone is in the schema public, and\nVERBS alone are for everything. Verbs are read, insert, update, delete, write (those three),\ncreate, temp, and tunnel for an opaque target, where nobody reads.\n\nExamples:\n  backstop lease create --target prod --task \"fix the rounding of invoices\" --ttl 1h --scope read --scope update:public.invoices\n  backstop lease create --parent lease_8f… --task \"only look\" --ttl 10m --scope read:public.invoices"
)]
pub struct LeaseCreate {
    /// The target
    #[arg(long, value_name = "NAME", required_unless_present = "parent")]
    pub target: Option<String>,
    /// Why the agent gets access
    #[arg(long, value_name = "TEXT")]
    pub task: String,
    /// How long it lives, such as 30m, 1h or 1h30m
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub ttl: Span,
    /// What it may do; can be repeated
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    pub scopes: Vec<Scope>,
    /// What it may do at an HTTP API besides, as in railway=read; can be repeated
    #[arg(long, value_name = "API=SCOPE", conflicts_with = "parent")]
    pub also: Vec<AlsoScope>,
    /// The lease that it is narrowed from
    #[arg(long, value_name = "LEASE", conflicts_with = "target")]
    pub parent: Option<String>,
    /// Print the hold and do not wait for a person
    #[arg(long)]
    pub no_wait: bool,
}

/// One scope at an HTTP API, `API=SCOPE`.
#[derive(Debug, Clone)]
pub struct AlsoScope {
    /// The API's name.
    pub api: String,
    /// What the lease may do there.
    pub scope: Scope,
}

impl std::str::FromStr for AlsoScope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (api, scope) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` is not API=SCOPE; hint: write it as railway=read"))?;
        Ok(Self {
            api: api.to_owned(),
            scope: scope.parse()?,
        })
    }
}

/// List leases
#[derive(Debug, Args)]
pub struct LeaseList {
    /// Those that have ended too
    #[arg(long)]
    pub all: bool,
}

/// End a lease and its children
#[derive(Debug, Args)]
pub struct LeaseId {
    /// The lease
    #[arg(value_name = "LEASE")]
    pub lease: String,
}

/// Take scopes or time from a lease
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("less").required(true).multiple(true).args(["scopes", "ttl"])),
    after_help = "Example:\n  backstop lease narrow lease_8f… --scope read:public.invoices --ttl 10m"
)]
pub struct LeaseNarrow {
    /// The lease
    #[arg(value_name = "LEASE")]
    pub lease: String,
    /// The scopes that are left; can be repeated
    #[arg(long = "scope", value_name = "SCOPE")]
    pub scopes: Vec<Scope>,
    /// How long it still lives
    #[arg(long, value_name = "TIME")]
    pub ttl: Option<Span>,
}

/// List the actions that wait for people
#[derive(Debug, Args)]
pub struct Holds {
    /// Those that were decided or ran out too
    #[arg(long)]
    pub all: bool,
}

/// `approve` and `deny`.
#[derive(Debug, Args)]
#[command(after_help = "Nothing here signs: only a person's passkey does, on the page that opens.")]
pub struct Decide {
    /// The hold
    #[arg(value_name = "HOLD")]
    pub hold: String,
}

/// The red button: stop one lease, or everything
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("what").required(true).args(["lease", "all"])),
    after_help = "Examples:\n  backstop halt lease_8f… --why \"it is looping\"\n  backstop halt --all"
)]
pub struct Halt {
    /// The lease
    #[arg(value_name = "LEASE")]
    pub lease: Option<String>,
    /// Everything
    #[arg(long)]
    pub all: bool,
    /// Why, for the journal and for whoever resumes
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "somebody pressed the red button"
    )]
    pub why: String,
}

/// Ask for a halt to be lifted, which takes a passkey
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("what").required(true).args(["lease", "all"])),
    after_help = "Example:\n  backstop resume lease_8f…"
)]
pub struct Resume {
    /// The lease
    #[arg(value_name = "LEASE")]
    pub lease: Option<String>,
    /// The halt of everything
    #[arg(long)]
    pub all: bool,
    /// Print the hold and do not wait for a person
    #[arg(long)]
    pub no_wait: bool,
}

/// Let only reads pass, everywhere
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  backstop freeze --why \"restoring a backup\"\n  backstop freeze --lift"
)]
pub struct Freeze {
    /// Why, for the journal and for whoever lifts it
    #[arg(long, value_name = "TEXT", default_value = "somebody froze it")]
    pub why: String,
    /// Ask for the freeze to be lifted, which takes a passkey
    #[arg(long, conflicts_with = "why")]
    pub lift: bool,
    /// With --lift: print the hold and do not wait for a person
    #[arg(long, requires = "lift")]
    pub no_wait: bool,
}

/// Judge statements and requests without running them
#[derive(Debug, Args)]
pub struct Judge {
    /// The protocol
    #[command(subcommand)]
    pub protocol: JudgeProtocol,
}

/// What is to be judged.
#[derive(Debug, Subcommand)]
pub enum JudgeProtocol {
    Postgres(JudgePostgres),
    Http(JudgeHttp),
}

/// Judge SQL: NDJSON in, NDJSON out, nothing is executed
///
/// Judges SQL without running it, with the default policy (and the configuration's, if there is one), a lease that covers all tables with all verbs, and PostgreSQL's stock catalogue.
///
/// Reads one JSON object a line from standard input, {"id":…,"input":"SQL"}, and answers each with one line, in order: {"id","verdict","effects","rule","reason"}. A line that is not such an object is answered with `deny` and the rule `input`, and the next one is read. The exit code is 0 when all lines were answered: verdicts are data here.
///
/// With --log the statements come from a server's own log instead, and only what would not have been allowed is printed, then a summary; the exit code is 3 if there was any.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  echo '{\"id\":\"1\",\"input\":\"delete from users\"}' | backstop judge postgres\n  backstop judge postgres --environment staging --log /var/log/postgresql/postgresql-15-main.log"
)]
pub struct JudgePostgres {
    /// Judge as on a target of this environment
    #[arg(long, value_name = "NAME")]
    pub environment: Option<Environment>,
    /// Judge with the environment and policies of this target of the configuration
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// Replay a server's statement log (stderr, csvlog or jsonlog format)
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

/// Judge HTTP requests: NDJSON in, NDJSON out, nothing is sent
///
/// Judges requests without sending them, with the default policy (and the configuration's, if there is one) and a lease that covers every provider that a pack knows, whose credential the gate would put in. So a request that carries any credential is answered with `halt`.
///
/// Reads one JSON object a line from standard input, {"id":…,"request":{"method","url","headers":[["name","value"],…],"body"}} (`body_base64` for bytes), and answers each with one line, in order: {"id","verdict","effects","rule","reason"}. A line that is not such an object is answered with `deny` and the rule `input`, and the next one is read. The exit code is 0 when all lines were answered: verdicts are data here.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  echo '{\"id\":\"1\",\"request\":{\"method\":\"POST\",\"url\":\"https://backboard.railway.com/graphql/v2\",\"headers\":[[\"content-type\",\"application/json\"]],\"body\":\"{\\\"query\\\":\\\"mutation { volumeDelete(volumeId: \\\\\\\"v\\\\\\\") }\\\"}\"}}' | backstop judge http"
)]
pub struct JudgeHttp {
    /// Judge as on a target of this environment
    #[arg(long, value_name = "NAME")]
    pub environment: Option<Environment>,
    /// Read the requests with this pack, whatever their host
    #[arg(long, value_name = "NAME")]
    pub pack: Option<String>,
    /// Read them with the pack in this file, whose own tests have to hold
    #[arg(long, value_name = "FILE", conflicts_with = "pack")]
    pub pack_file: Option<PathBuf>,
}

/// Read and verify the journal
#[derive(Debug, Args)]
pub struct Journal {
    /// What to do with the journal
    #[command(subcommand)]
    pub verb: JournalVerb,
}

/// What to do with the journal.
#[derive(Debug, Subcommand)]
pub enum JournalVerb {
    Tail(JournalTail),
    Show(JournalShow),
    Verify(JournalVerify),
    Report(JournalReport),
    /// Build the store anew from the journal alone
    Rebuild,
}

/// One of the two logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Log {
    /// Leases, holds, approvals, halts, people
    Control,
    /// What agents did
    Traffic,
}

/// Print the newest entries
#[derive(Debug, Args)]
pub struct JournalTail {
    /// Which log
    #[arg(long, value_enum, default_value = "control")]
    pub log: Log,
    /// Go on as entries come
    #[arg(short, long)]
    pub follow: bool,
    /// How many of the newest entries
    #[arg(short = 'n', long, default_value_t = 20, value_name = "COUNT")]
    pub lines: u64,
}

/// Print one entry whole, with its text
#[derive(Debug, Args)]
pub struct JournalShow {
    /// The entry's number
    #[arg(value_name = "INDEX")]
    pub index: u64,
    /// Which log
    #[arg(long, value_enum, default_value = "control")]
    pub log: Log,
}

/// Recompute everything, and say what does not fit; exit code 4 if anything does not
#[derive(Debug, Args)]
#[command(
    after_help = "Keep a copy of `journal/<log>/checkpoint` elsewhere: with --at-least an older journal put in place of the\nnewer one is found out."
)]
pub struct JournalVerify {
    /// Only this log; both if not given
    #[arg(long, value_enum)]
    pub log: Option<Log>,
    /// A checkpoint that the log must contain; needs --log
    #[arg(long, value_name = "FILE", requires = "log")]
    pub at_least: Option<PathBuf>,
    /// Read what the vault has cosigned from its directory, instead of asking the vault
    #[arg(long, value_name = "DIR")]
    pub vault: Option<PathBuf>,
}

/// Write an incident as a page that can be published
///
/// Says what happened, second by second; what was tried; what stopped it, by which rule and by whom; what was lost, as far as the journal proves it; and what to change. It says on top whether the journal verifies. Without a choice it is about the newest halt and the hour before it. Statements are shown as `journal show` shows them, without their parameters, and whatever in them looks like a credential is left out: read the page before you publish it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  backstop journal report\n  backstop journal report --lease lease_x1y2 --html incident.html\n  backstop journal report --since \"2026-04-25 13:00:00Z\" --until \"2026-04-25 14:00:00Z\" --out incident.md"
)]
pub struct JournalReport {
    /// About this lease, and those narrowed from it
    #[arg(long, value_name = "LEASE", conflicts_with = "hold")]
    pub lease: Option<String>,
    /// About this hold
    #[arg(long, value_name = "HOLD", conflicts_with_all = ["since", "until"])]
    pub hold: Option<String>,
    /// From this moment on: `2h` ago, or a time as in `2026-04-25 13:07:09Z`
    #[arg(long, value_name = "WHEN")]
    pub since: Option<Moment>,
    /// Until this moment
    #[arg(long, value_name = "WHEN")]
    pub until: Option<Moment>,
    /// Write Markdown into this file, in place of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write an HTML page that stands alone
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Leave out what agents sent: no statements and no requests
    #[arg(long)]
    pub no_texts: bool,
    /// Read what the vault has cosigned from its directory, instead of asking the vault
    #[arg(long, value_name = "DIR")]
    pub vault: Option<PathBuf>,
}

/// Check the set-up by trying it
#[derive(Debug, Args)]
pub struct Doctor {
    /// Only check what is on this machine, and connect nowhere
    #[arg(long)]
    pub offline: bool,
    /// The user that agents run as: what was adopted is looked for with its eyes, and, for root, old credentials are
    /// tried as that user
    #[arg(long = "as", value_name = "USER")]
    pub user: Option<String>,
    /// Try one login, which comes as JSON on standard input
    #[arg(long, hide = true)]
    pub try_login: bool,
}

/// Show Backstop at work on a throwaway database
///
/// Shows Backstop at work on a throwaway PostgreSQL that it starts itself, with a rental company's data. In act one an agent with the owner's credential wipes it; in act two the same agent works through Backstop. The person is a software authenticator that exists only here and in the tests.
#[derive(Debug, Args)]
pub struct Demo {
    /// Leave the console open afterwards, for a real browser and a real passkey
    #[arg(long)]
    pub stay: bool,
    /// Make the data from this seed
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// Print the completions of a shell
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  backstop completions bash > /etc/bash_completion.d/backstop")]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}
