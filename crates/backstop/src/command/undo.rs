//! `backstop undo`: finds the images of what was done, opens them with the recovery key, and has the gate put the old
//! rows back.

use std::io::Read as _;
use std::os::unix::fs::{OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};

use backstop_core::digest::Digest;
use backstop_vault::reader::{self, Identity};
use serde_json::Value;

use crate::cli::Undo;
use crate::config::Config;
use crate::control::client::Client;
use crate::control::protocol::{EntryWithText, Request, UndoImage};
use crate::entries::Row;
use crate::failure::{Code, Context, Failure, Outcome};
use crate::home::Home;
use crate::output::{Output, columns, safe};
use crate::when;

/// Entries asked for at a time.
const AT_A_TIME: u64 = 500;
/// How far behind a statement the end of its transaction is looked for.
const FARTHEST: u64 = 200_000;

/// Runs it.
///
/// # Errors
/// Why nothing was undone; exit code 3 when rows conflict.
pub fn run(path: &Path, args: &Undo, output: Output) -> Outcome {
    let (answer, transactions) = ask(path, args)?;
    show(&answer, transactions, args, output)
}

/// Asks the gate: what it answered, and how many transactions it was about.
pub(crate) fn ask(path: &Path, args: &Undo) -> Outcome<(Value, usize)> {
    let config = Config::load(path)?;
    let home = Home::at(&config.data_dir);
    let mut client = Client::connect(&home)?;
    let found = match (args.entry, &args.lease) {
        (Some(entry), None) => of_entry(&mut client, entry)?,
        (None, Some(_)) | (None, None) if args.lease.is_some() || args.target.is_some() => {
            of_many(&mut client, args)?
        }
        _ => {
            return Err(Failure::usage("it is not said what to undo").hint(
                "name an entry of the traffic log (`backstop journal tail`), --lease LEASE, or --target TARGET with --since",
            ));
        }
    };
    if found.is_empty() {
        return Err(Failure::new("nothing that can be undone was found")
            .because(
                "no images were kept: it changed no row, was not committed, or no vault was set up",
            )
            .hint("`backstop journal tail -n 100` shows what has images"));
    }
    let identity = identity(args)?;
    let opened = Opened::new(&home)?;
    let images = found
        .iter()
        .map(|row| opened.add(row, &args.vault, &identity))
        .collect::<Outcome<Vec<_>>>()?;
    let ask = Request::Undo {
        images,
        apply: args.apply,
        leave_conflicts: args.leave_conflicts,
        without_triggers: args.without_triggers,
    };
    let answer: Value = client.ask(&ask)?;
    if let Some(hold) = answer.get("held").and_then(Value::as_str) {
        return Err(Failure::new(format!(
            "held as {hold}: this undoes what more than one lease did, or switches triggers off, and a person must say yes to that"
        ))
        .hint(format!(
            "decide at {}; after the approval run exactly this command again",
            answer.get("url").and_then(Value::as_str).unwrap_or("the console")
        ))
        .code(Code::Verdict));
    }
    Ok((answer, found.len()))
}

fn identity(args: &Undo) -> Outcome<Identity> {
    let what = format!("cannot read the recovery key `{}`", args.identity.display());
    let text = std::fs::read_to_string(&args.identity)
        .doing(what)
        .map_err(|f| f.code(Code::Usage))?;
    Identity::parse(&text).doing("cannot use the recovery key")
}

/// The images of the transaction that an entry belongs to.
fn of_entry(client: &mut Client, entry: u64) -> Outcome<Vec<Row>> {
    let wanted: EntryWithText = client.ask(&Request::Entry {
        log: "traffic".into(),
        index: entry,
    })?;
    let row = wanted.row;
    if row.kind == "images" {
        return Ok(vec![row]);
    }
    if row.kind == "objects" {
        return Err(
            Failure::new("whole objects were copied there, and not rows").hint(format!(
                "`backstop vault restore {}` brings them back",
                text(&row, "object")
            )),
        );
    }
    let it = Place::of(&row);
    let mut from = entry.saturating_sub(AT_A_TIME);
    let mut beside = vec![];
    while from < entry + FARTHEST {
        let rows = page(client, from)?;
        let Some(last) = rows.last().map(|r| r.index) else {
            break;
        };
        for row in rows {
            let place = Place::of(&row);
            if place.connection != it.connection {
                continue;
            }
            match row.kind.as_str() {
                // Connections are numbered anew when the gate begins: this is another one.
                "intent" if row.index > entry && place.action <= it.action => return Ok(vec![]),
                "intent" => beside.push((place.action, text(&row, "effect") != "read")),
                "images" if row.index > entry && holds(&row, it.action) => {
                    alone(&row, it.action, &beside)?;
                    return Ok(vec![row]);
                }
                _ => {}
            }
        }
        from = last + 1;
    }
    Ok(vec![])
}

/// Which action of which connection an entry is about.
struct Place {
    connection: u64,
    action: u64,
}

impl Place {
    fn of(row: &Row) -> Self {
        Self {
            connection: number(row, "connection"),
            action: number(row, "action"),
        }
    }
}

fn holds(images: &Row, action: u64) -> bool {
    (number(images, "first")..=number(images, "action")).contains(&action)
}

/// Rows are kept as a transaction found and left them: one of several statements cannot be taken out of it.
fn alone(images: &Row, action: u64, intents: &[(u64, bool)]) -> Outcome {
    let within = || intents.iter().filter(|(a, _)| holds(images, *a));
    let begun = within().any(|(a, _)| *a == number(images, "first"));
    let others = within().filter(|(a, writes)| *writes && *a != action);
    let others = others.count();
    if begun && others == 0 {
        return Ok(());
    }
    let of = if begun {
        format!("with {others} others that write")
    } else {
        "with others".to_owned()
    };
    Err(Failure::new(format!(
        "this statement was one of a transaction, together {of}, and rows are kept as the transaction found and left them"
    ))
    .hint(format!(
        "`backstop undo {}` undoes the whole transaction",
        images.index
    )))
}

/// The images of everything that a lease did, or that all did at a target, the newest first.
fn of_many(client: &mut Client, args: &Undo) -> Outcome<Vec<Row>> {
    let since = args.since.map_or(i64::MIN, |s| when::now_ms() - s.millis());
    let (mut from, mut found) = (0, vec![]);
    loop {
        let rows = page(client, from)?;
        let Some(last) = rows.last().map(|r| r.index) else {
            break;
        };
        from = last + 1;
        found.extend(rows.into_iter().filter(|r| {
            let of_it = match (&args.lease, &args.target) {
                (Some(lease), _) => r.lease.as_ref() == Some(lease),
                (None, target) => r.target.as_ref() == target.as_ref(),
            };
            r.kind == "images" && of_it && r.at_ms >= since
        }));
    }
    found.reverse();
    Ok(found)
}

fn page(client: &mut Client, from: u64) -> Outcome<Vec<Row>> {
    client.ask(&Request::Entries {
        log: "traffic".into(),
        from: Some(from),
        count: AT_A_TIME,
    })
}

fn number(row: &Row, key: &str) -> u64 {
    row.entry.get(key).and_then(Value::as_u64).unwrap_or(0)
}

fn text<'r>(row: &'r Row, key: &str) -> &'r str {
    row.entry
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Opened images, for as long as the gate needs them: in a folder that only Backstop's own user can enter.
struct Opened {
    folder: PathBuf,
    owner: (u32, u32),
}

impl Opened {
    fn new(home: &Home) -> Outcome<Self> {
        use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
        let of = std::fs::metadata(home.root()).doing("cannot look at the data directory")?;
        let name = format!("undo-{}-{}", std::process::id(), when::now_ms());
        let folder = home.root().join(name);
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .doing(format!("cannot make `{}`", folder.display()))?;
        let opened = Self {
            folder,
            owner: (of.uid(), of.gid()),
        };
        opened.hand_over(&opened.folder)?;
        Ok(opened)
    }

    fn hand_over(&self, path: &Path) -> Outcome {
        chown(path, Some(self.owner.0), Some(self.owner.1)).doing(format!(
            "cannot give `{}` to Backstop's own user",
            path.display()
        ))
    }

    fn add(&self, row: &Row, vault: &Path, identity: &Identity) -> Outcome<UndoImage> {
        let name = text(row, "object");
        let object: Digest = serde_json::from_value(Value::String(name.to_owned()))
            .doing("the entry's name of an object is none")?;
        let what = || {
            format!(
                "cannot open object `{name}` of the vault `{}`",
                vault.display()
            )
        };
        let mut reader = reader::open(vault, object, identity).doing(what())?;
        let path = self.folder.join(name);
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .doing(format!("cannot write `{}`", path.display()))?;
        std::io::copy(&mut reader.by_ref(), &mut file).doing(what())?;
        self.hand_over(&path)?;
        Ok(UndoImage {
            entry: row.index,
            file: path,
        })
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // Old rows must not lie about.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn show(answer: &Value, transactions: usize, args: &Undo, output: Output) -> Outcome {
    let conflicts = answer.get("conflicts").and_then(Value::as_u64).unwrap_or(0);
    let blocked = conflicts > 0 && !args.leave_conflicts;
    if output.json {
        output.value(answer)?;
    } else {
        let of = |v: &Value, key: &str| v.get(key).and_then(Value::as_u64).unwrap_or(0).to_string();
        let word = |v: &Value, key: &str| safe(v.get(key).and_then(Value::as_str).unwrap_or("–"));
        let summary = answer.get("summary").unwrap_or(&Value::Null);
        let list = |key: &str| {
            summary
                .get(key)
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default()
        };
        let mut rows = vec![
            [
                "TABLE",
                "COME BACK",
                "GO",
                "REVERT",
                "AS THEY WERE",
                "CONFLICT",
            ]
            .map(str::to_owned)
            .to_vec(),
        ];
        rows.extend(list("tables").iter().map(|t| {
            vec![
                format!("{}.{}", word(t, "schema"), word(t, "name")),
                of(t, "back"),
                of(t, "remove"),
                of(t, "revert"),
                of(t, "already"),
                of(t, "conflicts"),
            ]
        }));
        output.data(&columns(&rows))?;
        for trigger in list("triggers_off").iter().filter_map(Value::as_str) {
            output.data(&format!("switched off meanwhile: {}", safe(trigger)))?;
        }
        for c in list("conflicts") {
            output.data(&format!(
                "conflict in {}.{} {}: {}\n  left as  {}\n  is now   {}",
                word(&c, "schema"),
                word(&c, "table"),
                word(&c, "key"),
                word(&c, "why"),
                word(&c, "expected"),
                word(&c, "there"),
            ))?;
        }
    }
    if blocked {
        return Err(Failure::new(format!(
            "{conflicts} rows were changed since, and nothing is guessed; nothing was undone"
        ))
        .hint(
            "look at them above; --leave-conflicts undoes the others and leaves these as they are",
        )
        .code(Code::Verdict));
    }
    match answer.get("entry").and_then(Value::as_u64) {
        Some(entry) => output.say(&format!(
            "undone: {transactions} transactions; `backstop undo {entry}` takes the undo back"
        )),
        None => output.say(&format!(
            "this was a dry run over {transactions} transactions and nothing was changed; --apply does it"
        )),
    }
    Ok(())
}
