//! `pg_restore` at work: an archive goes in as it comes, and what did not come back is named.

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use crate::points::PointError;

/// Something in the archive that the server refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// What it is, in the archive's words: `EVENT TRIGGER guard postgres`.
    pub what: String,
    /// The server's words.
    pub why: String,
}

/// The most entries that are named; more are counted only.
const MOST: usize = 200;

/// The longest line of `pg_restore`'s that is read whole, in bytes.
const LINE: u64 = 16 << 10;

/// Feeds `archive` to `command`, which is a `pg_restore --verbose` that reads its standard input.
///
/// # Errors
/// When the archive breaks off or the program cannot go on. What the server refused is no error.
pub(crate) async fn run<R>(
    mut command: Command,
    archive: &mut R,
) -> Result<Vec<LeftOut>, PointError>
where
    R: AsyncRead + Unpin,
{
    command.stdin(std::process::Stdio::piped());
    command.stdout(std::process::Stdio::null());
    let mut child = command
        .spawn()
        .map_err(PointError::io("starting pg_restore"))?;
    let gone = || PointError::tool("pg_restore", "it has no pipes");
    let mut input = child.stdin.take().ok_or_else(gone)?;
    let errors = child.stderr.take().ok_or_else(gone)?;
    let feeding = async {
        // It stops reading when it has all it wants, or at an error that it tells about.
        let mut chunk = vec![0; 256 << 10];
        loop {
            let read = archive.read(&mut chunk).await?;
            if read == 0 {
                break;
            }
            if input
                .write_all(chunk.get(..read).unwrap_or_default())
                .await
                .is_err()
            {
                break;
            }
        }
        drop(input);
        Ok::<(), std::io::Error>(())
    };
    let (fed, (left_out, last)) = tokio::join!(feeding, listen(errors));
    let status = child
        .wait()
        .await
        .map_err(PointError::io("waiting for pg_restore"))?;
    fed.map_err(PointError::unread("the archive"))?;
    // It ends with 1 when it went on past errors, and when it gave up: the difference is in its words.
    if status.success() || last.contains("errors ignored on restore") {
        return Ok(left_out);
    }
    Err(PointError::Broken(format!("pg_restore gave up: {last}")))
}

/// Reads what `pg_restore` says; gives back what it left out, and its last line.
async fn listen<E: AsyncRead + Unpin>(errors: E) -> (Vec<LeftOut>, String) {
    let mut reader = BufReader::new(errors);
    let mut left_out: Vec<LeftOut> = Vec::new();
    let mut entry = String::new();
    let mut last = String::new();
    loop {
        let mut line = Vec::new();
        match (&mut reader).take(LINE).read_until(b'\n', &mut line).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return (left_out, last),
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if let Some(rest) = line.strip_prefix("pg_restore: from TOC entry ") {
            // `3245; 3466 16500 EVENT TRIGGER guard postgres`
            entry = rest.splitn(4, ' ').nth(3).unwrap_or(rest).to_owned();
        } else if let Some((_, why)) = line.split_once("ERROR:  ")
            && left_out.len() < MOST
        {
            left_out.push(LeftOut {
                what: entry.clone(),
                why: why.to_owned(),
            });
        }
        if line.starts_with("pg_restore: ") {
            last = line;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_refused_is_named_with_the_servers_words() {
        let said = "pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 3245; 3466 16500 EVENT TRIGGER guard postgres
pg_restore: error: could not execute query: ERROR:  permission denied to create event trigger \"guard\"
HINT:  Must be superuser to create an event trigger.
Command was: CREATE EVENT TRIGGER guard …
pg_restore: warning: errors ignored on restore: 1
";
        let (left_out, last) = listen(said.as_bytes()).await;
        assert_eq!(
            left_out,
            [LeftOut {
                what: "EVENT TRIGGER guard postgres".to_owned(),
                why: "permission denied to create event trigger \"guard\"".to_owned(),
            }]
        );
        assert!(last.contains("errors ignored on restore: 1"));
    }
}
