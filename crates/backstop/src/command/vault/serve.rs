//! `backstop vault serve`: serves the vault until it is told to stop.

use std::sync::Arc;

use backstop_vault::server::{Server, Vault};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::config::Config;
use super::failed;
use crate::cli::VaultServe;
use crate::command::runtime;
use crate::failure::{Context, Failure, Outcome};
use crate::output::Output;
use crate::serve::notify_systemd;
use crate::telemetry;

/// Serves.
///
/// # Errors
/// When it cannot start, or could not stop in order; exit code 4 when the vault is not what was stored.
pub fn run(args: &VaultServe, output: Output) -> Outcome {
    let config = Config::load(&args.place.dir)?;
    telemetry::begin(args.log_format, &output, "info");
    let (listen, bucket) = (config.listen()?, config.bucket()?);
    let vault = config.open()?;
    let recovery = vault.store().recovery();
    tracing::info!(
        replayed = recovery.replayed,
        torn_bytes = recovery.torn_bytes,
        unfinished = recovery.unfinished,
        "the vault is open"
    );
    runtime(2)?.block_on(async {
        let mut server = Server::bind(vault.clone(), listen)
            .await
            .map_err(failed("cannot listen"))?;
        if let Some(bucket) = bucket {
            server = server
                .with_bucket(&bucket)
                .await
                .map_err(failed("cannot keep a copy in the bucket"))?;
        }
        let (stop, stopped) = watch::channel(false);
        let told = until_told()?;
        ready(&vault, &server, output);
        let running = tokio::spawn(server.run(stopped, args.grace.0));
        told.await;
        notify_systemd("STOPPING=1");
        output.say(&format!(
            "stopping: what is under way may finish for {}",
            args.grace
        ));
        // Nobody listens only if it has ended by itself, which the next line tells.
        let _ = stop.send(true);
        running.await.doing("the server ended")
    })?;
    let vault = Arc::into_inner(vault).ok_or_else(|| {
        Failure::new("the vault was stopped in the middle of something")
            .hint("what it acknowledged is safe; it is put in order at the next start")
    })?;
    vault.close().map_err(failed("the vault had stopped"))
}

/// Waits for SIGTERM or SIGINT.
fn until_told() -> Outcome<impl Future<Output = ()>> {
    let listen = |kind| signal(kind).doing("cannot listen for signals");
    let (mut term, mut int) = (
        listen(SignalKind::terminate())?,
        listen(SignalKind::interrupt())?,
    );
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    })
}

fn ready(vault: &Vault, server: &Server, output: Output) {
    notify_systemd("READY=1");
    let tcp = server.tcp_address().map(|at| at.to_string());
    if output.json {
        // It serves, whether or not somebody reads that.
        let _ = output.value(&json!({ "serving": true, "vault": vault.name(), "tcp": tcp }));
        return;
    }
    let status = vault.status();
    let frozen = status.frozen.map_or(String::new(), |why| {
        format!(
            "\n{} deletion is frozen: {why}",
            output.paint_err.warn("warning:")
        )
    });
    output.say(&format!(
        "serving the vault {} with {} objects{frozen}",
        vault.dir().display(),
        status.objects
    ));
}
