//! The command line of `adopt`. Data only, like all of `cli`.

use std::path::PathBuf;

use backstop_core::scope::Scope;
use backstop_core::target::Environment;
use clap::Args;

use crate::duration::Span;

/// Take credentials out of files, and put leases in their place
///
/// Finds the credentials in `.env` files. For each PostgreSQL login (a connection string, or PGHOST, PGUSER and PGPASSWORD) it looks at the database as `init` does, seals the password into the gate, asks for a lease that may do what the login could read and write, and, once a person has approved that, writes the lease's connection in the login's place. All other bytes stay, and so do owner and mode. The original is kept sealed; --undo puts it back.
///
/// What no gate serves yet (a provider's token) stays where it is and is listed with what it could do, unless --seal-others says otherwise. In a comment, where no program reads it, it is always sealed.
///
/// A link is followed, and the file that it leads to is rewritten. Run it as Backstop's own user, or as root where the files belong to others. An old password is not secret any more: at the end it says how to replace each.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  backstop adopt --dry-run\n  backstop adopt .env.production worker/.env --environment production\n  backstop adopt --seal-others --yes --no-wait .env.production\n  backstop adopt --undo .env.production\n  backstop adopt --renew"
)]
pub struct Adopt {
    /// The files; `.env` where you stand, if none is named
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Put back what was there: byte for byte if the file is still as it was written, otherwise each value that is
    #[arg(long, conflicts_with_all = ["dry_run", "seal_others", "environment", "scopes", "pin", "skip", "no_wait"])]
    pub undo: bool,
    /// Ask for new leases in place of those that these files have, with the same scopes, and end the old ones once the
    /// new ones are written; every file that was adopted, if none is named. It takes a person's yes again
    #[arg(long, conflicts_with_all = ["undo", "dry_run", "seal_others", "environment", "scopes", "pin", "skip", "yes"])]
    pub renew: bool,
    /// With --undo: write the sealed original to this new file instead, and change nothing else
    #[arg(long, value_name = "PATH", requires = "undo")]
    pub original: Option<PathBuf>,
    /// Show what would be written, and change nothing; the databases are looked at all the same
    #[arg(long)]
    pub dry_run: bool,
    /// Seal what no gate serves yet, too: a placeholder of the same shape stands in its place, and until there is an
    /// HTTP gate no program can use it
    #[arg(long)]
    pub seal_others: bool,
    /// The environment of databases that are no target yet; guessed and asked for if not given
    #[arg(long, value_name = "NAME")]
    pub environment: Option<Environment>,
    /// What the leases may do, as for `lease create`; what the login could read and write, if not given
    #[arg(long = "scope", value_name = "SCOPE")]
    pub scopes: Vec<Scope>,
    /// How long the leases live, up to a year
    #[arg(long, value_name = "TIME", default_value = "90d")]
    pub ttl: Span,
    /// The SHA-256 of the server's certificate, to pin one that no CA here knows
    #[arg(long, value_name = "SHA256")]
    pub pin: Option<String>,
    /// Leave this variable as it is; can be repeated
    #[arg(long, value_name = "NAME")]
    pub skip: Vec<String>,
    /// Say yes to the guessed environment, for scripts
    #[arg(long)]
    pub yes: bool,
    /// Print the holds and do not wait for a person; the same command goes on once they are approved
    #[arg(long)]
    pub no_wait: bool,
}
