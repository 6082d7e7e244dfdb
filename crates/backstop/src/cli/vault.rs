//! The command line of the vault. Data only, like all of `cli`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::LogFormat;
use crate::duration::Span;

/// Keep copies of what is destroyed, out of reach of whoever destroys it
#[derive(Debug, Args)]
pub struct Vault {
    /// What to do with the vault
    #[command(subcommand)]
    pub verb: VaultVerb,
}

/// What to do with the vault.
#[derive(Debug, Subcommand)]
pub enum VaultVerb {
    Init(VaultInit),
    Serve(VaultServe),
    List(VaultList),
    Verify(VaultVerify),
    Rebuild(VaultRebuild),
    Drill(VaultDrill),
    Restore(VaultRestore),
    /// Print the people who can decide, with the public halves of their passkeys, for the vault's `people.json`
    ///
    /// Run it where the gate runs, and carry the file to the vault by hand: the vault takes nobody from the gate, since whoever has the gate could name people who do not exist. Look at the names before you install it.
    People,
    Delete(VaultDelete),
    Deletions(VaultDeletions),
    Sign(VaultSign),
    Cancel(VaultCancel),
    Lift(VaultLift),
}

/// Make a vault: its directory, its keys, its configuration
///
/// Makes a vault: a directory that only its user can enter, a commented `vault.toml`, and a recovery key. Run it as the vault's own user, which must be neither the gate's nor any agent's.
///
/// The private half of the recovery key reads everything in the vault. It is shown once, or goes to the file that --identity names; the vault and the gate never have it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  backstop vault init --dir /var/lib/backstop-vault --identity /media/stick/recovery.txt\n  backstop vault init --dir ./vault --socket ./vault.sock --gate-user $USER\n  backstop vault init --name vault.example.com --listen 0.0.0.0:7490 --gate-files ./for-the-gate"
)]
pub struct VaultInit {
    #[command(flatten)]
    pub place: Place,
    /// Write the private half of the recovery key to this new file, instead of showing it
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// Make a second key, with which drills open what they restore, and write its private half here; beside it, in FILE.signing, goes the key that signs what came of them
    #[arg(long, value_name = "FILE")]
    pub drill_identity: Option<PathBuf>,
    /// The vault's name; with --listen the host name that the gate reaches it by
    #[arg(long, value_name = "NAME", default_value = "vault.local")]
    pub name: String,
    /// The unix socket at which the gate calls
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/run/backstop-vault/vault.sock"
    )]
    pub socket: PathBuf,
    /// The operating-system user that the gate runs as
    #[arg(long, value_name = "USER", default_value = "backstop")]
    pub gate_user: String,
    /// Listen at this address with mutual TLS, too; makes certificates for both sides
    #[arg(long, value_name = "ADDRESS", requires = "gate_files")]
    pub listen: Option<SocketAddr>,
    /// Where the gate's certificate and key go, to be moved to its machine
    #[arg(long, value_name = "DIR", requires = "listen")]
    pub gate_files: Option<PathBuf>,
}

/// Serve the vault until told to stop
#[derive(Debug, Args)]
#[command(
    after_help = "SIGTERM or SIGINT stop it: no new connections, what is under way may finish.\nRun it as the vault's own user; packaging/ has a systemd unit."
)]
pub struct VaultServe {
    #[command(flatten)]
    pub place: Place,
    /// How log lines are written to standard error
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// How long what is under way may take to finish when stopping
    #[arg(long, default_value = "10s", value_name = "TIME")]
    pub grace: Span,
}

/// List what the vault has: names, labels, times, and no contents
#[derive(Debug, Args)]
pub struct VaultList {
    #[command(flatten)]
    pub place: Place,
    /// Only objects of this target
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// Only objects of this lease
    #[arg(long, value_name = "LEASE")]
    pub lease: Option<String>,
    /// Only objects of this class: images, objects or point
    #[arg(long, value_name = "CLASS")]
    pub class: Option<String>,
    /// Only the newest so many; 0 for all
    #[arg(short = 'n', long, default_value_t = 50, value_name = "COUNT")]
    pub count: usize,
}

/// Hash everything in the vault, and name what is not as it was stored; exit code 4 if anything is not
#[derive(Debug, Args)]
#[command(
    after_help = "Reads every byte and writes none; works on a copy, on a closed vault and beside `vault serve`."
)]
pub struct VaultVerify {
    #[command(flatten)]
    pub place: Place,
}

/// Make the vault's directory anew from its bucket, when the directory is gone
///
/// Fetches the index and every object that it names from the bucket with Object Lock, checks each hash and the vault's own signature, and puts them into a new directory. Other versions that somebody put on top, markers and strange keys change nothing. Run it as the vault's own user. It can be interrupted and run again: it goes on where it was, and nobody serves the directory before it is whole.
///
/// Not in the bucket, and to be kept elsewhere with the recovery key: `vault.toml`, the bucket's secret, keys/cosign.key and what else `vault.toml` names. Without keys/cosign.key the vault gets another key, and --vault-key tells what the old one was. What was stored after the newest record in the bucket is not there.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code 4 means that something is missing or damaged, each thing by its name; then the vault is not served until a further run finds it, or --accept-damage is given.\n\nExamples:\n  backstop vault rebuild --config /media/stick/vault/vault.toml\n  backstop vault rebuild --dir ./vault --config ./kept/vault.toml --vault-key vault.local+1a2b3c4d+AbC…"
)]
pub struct VaultRebuild {
    #[command(flatten)]
    pub place: Place,
    /// The `vault.toml` that was kept: it and what it names beside it are copied into the new directory; without it they must be there
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The public half of a cosigning key that the vault had: `vault_key` of `vault init`
    #[arg(long, value_name = "KEY")]
    pub vault_key: Vec<String>,
    /// Believe an index that bears no signature of the vault's; whoever could write to the bucket could have made it
    #[arg(long)]
    pub unsigned: bool,
    /// Let the vault be served although objects are missing or damaged; an index with a hole never is
    #[arg(long)]
    pub accept_damage: bool,
}

/// Restore a recovery point into a throwaway server and compare it: proof that it can be restored
///
/// Restores a recovery point of a whole database into a server that is thrown away afterwards, and compares all rows and roles with the point's manifest. Server and tools run as a user of their own, without network and without anybody's files, since a point can hold code that somebody planted; so run it as root, or where unprivileged user namespaces are allowed.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code 1 means that rows or roles are not as they were, 4 that the point is damaged. With --every it goes on after both, and SIGTERM or SIGINT stop it.\n\nThe gate believes a drill only if its report was signed with the key that `vault init` wrote beside the identity, and the gate has `drill_key` under [vault].\n\nExamples:\n  backstop vault drill --identity /etc/backstop-drill/key --target shop\n  backstop vault drill --identity /etc/backstop-drill/key --every 7d --reports /var/lib/backstop-drills\n  backstop vault drill --identity /etc/backstop-drill/key --every 1d --reports /var/lib/backstop-drills --stay /run/backstop-drill/copy.sock\n  backstop vault drill --identity ./drill.txt --point 3fa9 --pg-bin /usr/lib/postgresql/17/bin --json"
)]
pub struct VaultDrill {
    #[command(flatten)]
    pub place: Place,
    /// The file with the private half of the drill's key, or of the recovery key
    #[arg(long, value_name = "FILE")]
    pub identity: PathBuf,
    /// The newest point of this target; without --target and --point, the newest of all
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// This point: its name in the vault, or how that begins
    #[arg(long, value_name = "OBJECT", conflicts_with = "target")]
    pub point: Option<String>,
    #[command(flatten)]
    pub programs: Programs,
    /// Where the throwaway server's data goes: needs room for the whole database
    #[arg(long, value_name = "DIR", default_value = "/var/tmp")]
    pub scratch: PathBuf,
    /// How long it may take
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub longest: Span,
    /// Drill again each time that so much has passed, until told to stop; without --target, the newest point of each target
    #[arg(long, value_name = "TIME", conflicts_with = "point")]
    pub every: Option<Span>,
    /// The file with the key that signs the report; without it, the identity's file with `.signing` at its end, if it is there
    #[arg(long, value_name = "FILE")]
    pub signing: Option<PathBuf>,
    /// Put the signed report into this folder, where the gate looks for it: `drill_reports` of the vault
    #[arg(long, value_name = "DIR")]
    pub reports: Option<PathBuf>,
    /// Hand the signed report to the gate at its control socket, as its user or root
    #[arg(long, value_name = "SOCKET")]
    pub gate: Option<PathBuf>,
    /// A further folder that what is restored must not see
    #[arg(long, value_name = "DIR")]
    pub hide: Vec<PathBuf>,
    /// Let the throwaway server stay up, until the next drill's takes its place or it is told to stop, as the copy on which the gate has held actions run at this socket: `rehearsals` in the gate's configuration
    #[arg(long, value_name = "SOCKET")]
    pub stay: Option<PathBuf>,
    /// The operating-system user that the gate runs as; nobody else is let in there
    #[arg(
        long,
        value_name = "USER",
        default_value = "backstop",
        requires = "stay"
    )]
    pub gate_user: String,
}

/// Bring back a whole database, the objects that one action took, or a server as it was at a moment
///
/// Restores a recovery point of a whole database into an empty one, with the roles that the server lacks, and compares all rows with the point's manifest; or, given a copy of the objects that one action took, brings those back in one transaction. Code that the point holds runs with the rights of the role that the DSN names, so a superuser is refused.
///
/// With --until, makes a data directory as the server was at that moment, from a base backup and the write-ahead log that its operator archived; PostgreSQL's own server does it, with nobody connected. Run it as the user that the server is to run as.
#[derive(Debug, Args)]
#[command(
    after_help = "The password comes from the DSN, else PGPASSWORD, else ~/.pgpass.\nExit code 1 means that something did not come back, 4 that the point is damaged.\n\nExample:\n  createdb -O shop_owner shop\n  backstop vault restore --point 3fa9 --into postgresql://shop_owner@db/shop --identity /media/stick/recovery.txt\n  backstop vault restore --until 2026-04-25T13:07:00Z --base /backup/base --wal /backup/wal --data /var/lib/postgresql/15/back"
)]
pub struct VaultRestore {
    #[command(flatten)]
    pub place: Place,
    /// What to restore: the name in the vault of a point or of a copied object, or how that begins
    #[arg(long, value_name = "OBJECT", required_unless_present = "until")]
    pub point: Option<String>,
    /// The database to restore into
    #[arg(long, value_name = "DSN", required_unless_present = "until")]
    pub into: Option<String>,
    /// The file with the private half of the recovery key
    #[arg(long, value_name = "FILE", required_unless_present = "until")]
    pub identity: Option<PathBuf>,
    /// Bring a whole server back to this moment, as in 2026-04-25T13:07:09Z
    #[arg(long, value_name = "TIME", requires_all = ["base", "wal", "data"], conflicts_with_all = ["point", "into", "identity"])]
    pub until: Option<String>,
    /// A base backup from before that moment, as `pg_basebackup` makes it in plain format
    #[arg(long, value_name = "DIR", requires = "until")]
    pub base: Option<PathBuf>,
    /// The folder with the archived write-ahead log
    #[arg(long, value_name = "DIR", requires = "until")]
    pub wal: Option<PathBuf>,
    /// The data directory to make, which must not be there yet
    #[arg(long, value_name = "DIR", requires = "until")]
    pub data: Option<PathBuf>,
    /// How long replaying may take
    #[arg(long, value_name = "TIME", default_value = "24h", requires = "until")]
    pub longest: Span,
    #[command(flatten)]
    pub programs: Programs,
}

/// Ask for objects to be deleted that are past their retention, and print the ticket that people sign
///
/// Nothing is deleted yet. People paste the ticket into the console's page /deletion, see what would be deleted, and sign it with their passkeys; `backstop vault sign` takes what they get there. Once enough have signed, a delay begins, in which one passkey of anybody enrolled cancels it on that page, and `backstop vault cancel` does here.
#[derive(Debug, Args)]
#[command(
    after_help = "It talks to the running vault, as the vault's own user.\n\nExample:\n  backstop vault delete 3fa9 77b0 --reason 'past its retention' > ticket.json"
)]
pub struct VaultDelete {
    #[command(flatten)]
    pub place: Place,
    /// What to delete: names in the vault, or how they begin
    #[arg(value_name = "OBJECT", required = true)]
    pub objects: Vec<String>,
    /// Why; whoever signs reads it
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// Show which deletions are asked for, who has signed, and when they are due
#[derive(Debug, Args)]
pub struct VaultDeletions {
    #[command(flatten)]
    pub place: Place,
    /// Print the ticket of this one anew
    #[arg(long, value_name = "DELETION")]
    pub ticket: Option<String>,
}

/// Give the vault a person's signature under a deletion
#[derive(Debug, Args)]
pub struct VaultSign {
    #[command(flatten)]
    pub place: Place,
    /// The file with what the console's page /deletion gave; `-` for standard input
    #[arg(value_name = "FILE")]
    pub signature: PathBuf,
}

/// Cancel a deletion before it is done, as the vault's operator; people do it at the console's page /deletion
#[derive(Debug, Args)]
pub struct VaultCancel {
    #[command(flatten)]
    pub place: Place,
    /// Which
    #[arg(value_name = "DELETION")]
    pub deletion: String,
    /// Why; it stays in the vault's index
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// Trust the machine's clock again after it jumped, having looked at it
#[derive(Debug, Args)]
pub struct VaultLift {
    #[command(flatten)]
    pub place: Place,
    /// Why; it stays in the vault's index
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// Where PostgreSQL's own programs are.
#[derive(Debug, Clone, Args)]
pub struct Programs {
    /// The folder with PostgreSQL's own programs; without it, those of the server's version are looked for
    #[arg(long, value_name = "DIR")]
    pub pg_bin: Option<PathBuf>,
}

/// Where the vault is.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// The vault's directory
    #[arg(
        long,
        env = "BACKSTOP_VAULT",
        value_name = "DIR",
        default_value = "/var/lib/backstop-vault"
    )]
    pub dir: PathBuf,
}
