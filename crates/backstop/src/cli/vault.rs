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
    /// Make a second key, with which drills open what they restore, and write its private half here
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
