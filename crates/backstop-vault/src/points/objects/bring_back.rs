//! Brings a copy back: `psql` runs it, whole or not at all.

use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::points::unprivileged::unprivileged;
use crate::points::{PointError, Session, Source};

/// Runs the script that `copy` is in one transaction of `target`, as its role.
///
/// The script is code: it must be one that the vault gave back under its own hash, and a role that may do more
/// than a database's owner is refused.
///
/// # Errors
/// When the server refuses any part of it, or the copy cannot be read to its end: then nothing of it stays.
pub async fn bring_back<R>(copy: &mut R, target: &Source) -> Result<(), PointError>
where
    R: AsyncRead + Unpin,
{
    unprivileged(&mut Session::open(target).await?).await?;
    let mut command = target.command("psql");
    command
        .args(["--no-psqlrc", "--quiet", "--no-password"])
        .args(["--set", "ON_ERROR_STOP=1", "--output=/dev/null", "--file=-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let mut child = command.spawn().map_err(PointError::io("starting psql"))?;
    let input = child.stdin.take();
    let errors = child.stderr.take();
    let feeding = async move {
        let Some(mut input) = input else {
            return Ok(());
        };
        input.write_all(b"BEGIN;\n").await?;
        tokio::io::copy(copy, &mut input).await?;
        // Only now: a script that breaks off, for whatever reason, is rolled back.
        input.write_all(b"\nCOMMIT;\n").await?;
        input.shutdown().await
    };
    let listening = async move {
        let mut said = Vec::new();
        if let Some(mut errors) = errors {
            // Notices without end must not fill the memory.
            let _ = (&mut errors).take(64 << 10).read_to_end(&mut said).await;
            let _ = tokio::io::copy(&mut errors, &mut tokio::io::sink()).await;
        }
        String::from_utf8_lossy(&said).into_owned()
    };
    let (fed, said) = tokio::join!(feeding, listening);
    let status = child
        .wait()
        .await
        .map_err(PointError::io("waiting for psql"))?;
    // psql stops reading at an error of its own, which it tells better than a closed pipe.
    match fed {
        Err(why) if why.kind() != std::io::ErrorKind::BrokenPipe => {
            return Err(PointError::unread("the copy")(why));
        }
        _ => {}
    }
    if !status.success() {
        return Err(PointError::tool("psql", &said));
    }
    Ok(())
}
