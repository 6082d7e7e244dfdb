//! `backstop vault restore`: a whole database, or what one action took, back into a server.

use std::path::Path;

use backstop_vault::points::database::{Restored, restore};
use backstop_vault::points::objects::bring_back;
use backstop_vault::points::{PointError, Question, Session, Source, Tls, Tools, keep};
use backstop_vault::reader::Identity;
use backstop_vault::{Class, Listed, list};
use serde_json::json;

use super::progress::Told;
use super::{failed, identity, named, not_done, unless_stopped};
use crate::cli::VaultRestore;
use crate::config::{self, Dsn, Host, Pgpass};
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Paint, safe};

/// Restores.
///
/// # Errors
/// Exit code 1 when something did not come back, 4 when what was stored is damaged.
pub fn run(args: &VaultRestore, output: Output) -> Outcome {
    let dir = &args.place.dir;
    let (Some(point), Some(into), Some(key)) = (&args.point, &args.into, &args.identity) else {
        return super::moment::run(args, output);
    };
    let dsn = Dsn::parse(into).map_err(Failure::usage)?;
    let identity = identity(key)?;
    let all = list(dir).map_err(failed(format!("cannot list the vault `{}`", dir.display())))?;
    let copies = all
        .iter()
        .filter(|one| one.label.class == Class::Objects)
        .cloned();
    let mut found = keep::points(all.clone(), None);
    found.extend(copies);
    let wanted = named(&found, point)?;
    let what = format!("cannot restore `{}`", wanted.stored.name.short());
    if wanted.label.class == Class::Objects {
        unless_stopped(async {
            let target = source(&dsn, args.programs.pg_bin.as_deref()).await?;
            objects(dir, wanted, &identity, &target)
                .await
                .map_err(not_done(what))
        })?;
        let done = json!({ "restored": wanted.stored.name, "into": dsn.to_string() });
        return output.either(&done, |paint| {
            format!(
                "{}: what one action took, into {dsn}",
                paint.good("restored")
            )
        });
    }
    let told = Told::new(output);
    let restored = unless_stopped(async {
        let target = source(&dsn, args.programs.pg_bin.as_deref()).await?;
        database(dir, wanted, &identity, &target, &told)
            .await
            .map_err(not_done(what))
    })?;
    output.either(&restored, |paint| text(&restored, paint))?;
    if restored.differences.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "not all came back: {} differences",
        restored.differences.len()
    ))
    .hint("what the server refused stands above; `backstop vault drill` shows whether it is the point's fault"))
}

async fn objects(
    dir: &Path,
    copy: &Listed,
    identity: &Identity,
    target: &Source,
) -> Result<(), PointError> {
    let mut script = keep::open_object(dir, copy.stored.name, identity)?;
    bring_back(&mut script, target).await
}

async fn database(
    dir: &Path,
    point: &Listed,
    identity: &Identity,
    target: &Source,
    told: &Told,
) -> Result<Restored, PointError> {
    let (index, manifest) = keep::describe(dir, point.stored.name, identity).await?;
    let mut archive = keep::open(dir, &index.archive, identity)?;
    restore(&manifest, &mut archive, target, told).await
}

/// The place of a DSN, with PostgreSQL's programs of its server's version.
async fn source(dsn: &Dsn, bin: Option<&Path>) -> Outcome<Source> {
    let tls = match &dsn.tls {
        config::Tls::Disable => Tls::Off,
        config::Tls::Verify { ca: Some(file) } => Tls::Verified(file.clone()),
        config::Tls::Verify { ca: None } => Tls::System,
        config::Tls::Pinned(_) => {
            return Err(Failure::usage("PostgreSQL's own programs cannot pin a certificate by its hash")
                .hint("name the file with its certificate in the DSN: sslmode=verify-full&sslrootcert=FILE"));
        }
    };
    let fails = |error| Failure::usage("cannot find PostgreSQL's programs").because(error);
    // Any version's psql can ask a server for its own.
    let any = Tools::find(bin, OLDEST).await.map_err(fails)?;
    let mut source = Source {
        host: match &dsn.host {
            Host::Tcp(host) => host.clone(),
            Host::Unix(dir) => dir.display().to_string(),
        },
        port: dsn.port,
        user: dsn.user.clone(),
        password: password(dsn)?,
        database: dsn.database.clone(),
        tls,
        tools: any,
    };
    let unreachable = || format!("cannot reach {dsn}");
    let mut session = Session::open(&source)
        .await
        .map_err(not_done(unreachable()))?;
    let rows = session
        .ask("SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4 / 10000")
        .await
        .map_err(not_done(unreachable()))?;
    session.close().await;
    let major = rows.first().and_then(|row| row.first()).cloned().flatten();
    let major = major.and_then(|text| text.parse().ok()).unwrap_or(OLDEST);
    source.tools = Tools::find(bin, major).await.map_err(fails)?;
    Ok(source)
}

/// The oldest major version that Backstop knows.
const OLDEST: u32 = 15;

fn password(dsn: &Dsn) -> Outcome<Option<backstop_core::secret::Secret<String>>> {
    if dsn.password.is_some() {
        return Ok(dsn.password.clone());
    }
    if let Some(password) = std::env::var("PGPASSWORD")
        .ok()
        .filter(|text| !text.is_empty())
    {
        return Ok(Some(backstop_core::secret::Secret::new(password)));
    }
    match Pgpass::usual() {
        Some(file) => file.find(dsn).map_err(Failure::usage),
        None => Ok(None),
    }
}

fn text(restored: &Restored, paint: Paint) -> String {
    let mut lines: Vec<String> = restored
        .differences
        .iter()
        .map(|one| format!("{} {}", paint.error("differs:"), safe(one)))
        .collect();
    lines.extend(restored.left_out.iter().map(|one| {
        format!(
            "{} {}: {}",
            paint.warn("left out:"),
            safe(&one.what),
            safe(&one.why)
        )
    }));
    lines.extend(
        restored
            .notes
            .iter()
            .map(|note| format!("note: {}", safe(note))),
    );
    let word = if restored.differences.is_empty() {
        paint.good("restored")
    } else {
        paint.error("not all restored")
    };
    lines.push(format!(
        "{word}: {} tables with {} rows in {} ms",
        restored.tables, restored.rows, restored.milliseconds
    ));
    lines.join("\n")
}
