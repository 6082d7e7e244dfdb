//! `backstop vault init`: makes a vault and hands out its keys, each to the one who is to have it.

use std::path::{Path, PathBuf};

use backstop_journal::SigningKey;
use backstop_vault::init;
use backstop_vault::reader::Identity;
use serde_json::json;

use super::reports::signing;
use super::{certificates, config, failed, template};
use crate::cli::VaultInit;
use crate::failure::{Context, Outcome};
use crate::home::write_private;
use crate::output::{Output, Paint};

/// Makes a vault.
///
/// # Errors
/// When the directory is not empty, a file is there already, or something cannot be written.
pub fn run(args: &VaultInit, output: Output) -> Outcome {
    let dir = &args.place.dir;
    // What can be wrong with the words is found before anything is made.
    config::user_id(&args.gate_user)?;
    let recovery = Key::make(args.identity.as_deref(), dir)?;
    let drill = match &args.drill_identity {
        Some(file) => Some((Key::make(Some(file), dir)?, sign_with(file, &args.name)?)),
        None => None,
    };
    let key = init::make(dir, &args.name)
        .map_err(failed(format!("cannot make the vault `{}`", dir.display())))?;
    let made = Made {
        dir: dir.canonicalize().doing("cannot find the vault again")?,
        key,
        recovery,
        drill,
    };
    let port = args.listen.map(|at| at.port());
    let listen = args.listen.map(|at| at.to_string());
    if let (Some(files), Some(_)) = (&args.gate_files, &listen) {
        certificates::make(&made.dir.join("keys"), files, &args.name)?;
    }
    let socket = absolute(&args.socket)?;
    let users = toml::Value::String(args.gate_user.clone()).to_string();
    let text = template::vault_toml(&socket, &users, listen.as_deref());
    write_private(&made.dir.join("vault.toml"), text.as_bytes())?;
    let at = port.map(|port| format!("{}:{port}", args.name));
    let files = args.gate_files.as_deref().map(absolute).transpose()?;
    let snippet = template::gate_snippet(
        Some(&socket),
        at.as_deref().zip(files.as_deref()),
        &made.recipients(),
        made.drill.as_ref().map(|(_, key)| key.as_str()),
    );
    if output.json {
        return output.value(&made.to_json(&snippet));
    }
    output.data(&made.to_text(&snippet, output.paint))
}

fn absolute(path: &Path) -> Outcome<PathBuf> {
    std::path::absolute(path).doing(format!("cannot make sense of `{}`", path.display()))
}

/// A recovery key: its public half, and where its private half went.
struct Key {
    recipient: String,
    file: Option<PathBuf>,
    shown: Option<String>,
}

impl Key {
    fn make(file: Option<&Path>, vault: &Path) -> Outcome<Self> {
        let identity = Identity::generate();
        if let Some(file) = file {
            init::keep_identity(&identity, file, vault)
                .map_err(failed("cannot hand out the recovery identity"))?;
        }
        Ok(Self {
            recipient: identity.recipient(),
            shown: file.is_none().then(|| identity.reveal()),
            file: file.map(Path::to_owned),
        })
    }
}

/// Makes the key that signs what came of drills, beside the identity that opens what they restore.
fn sign_with(identity: &Path, name: &str) -> Outcome<String> {
    let what = "cannot make the key that signs drills";
    let key = SigningKey::generate(&format!("{name}/drills")).doing(what)?;
    key.save(&signing(identity)).doing(what)?;
    Ok(key.verifier().text().to_owned())
}

struct Made {
    dir: PathBuf,
    key: String,
    recovery: Key,
    /// The key that opens, and the public half of the one that signs.
    drill: Option<(Key, String)>,
}

impl Made {
    fn recipients(&self) -> Vec<String> {
        let drill = self.drill.as_ref().map(|(key, _)| key.recipient.clone());
        std::iter::once(self.recovery.recipient.clone())
            .chain(drill)
            .collect()
    }

    fn to_json(&self, snippet: &str) -> serde_json::Value {
        json!({
            "dir": self.dir,
            "vault_key": self.key,
            "recipients": self.recipients(),
            "identity": self.recovery.shown,
            "identity_file": self.recovery.file,
            "drill_identity_file": self.drill.as_ref().and_then(|(key, _)| key.file.as_ref()),
            "drill_key": self.drill.as_ref().map(|(_, key)| key),
            "gate": snippet,
        })
    }

    fn to_text(&self, snippet: &str, paint: Paint) -> String {
        let dir = self.dir.display();
        let identity = match (&self.recovery.shown, &self.recovery.file) {
            (Some(secret), _) => format!(
                "{} the recovery identity, shown this once and kept nowhere. Whoever has it reads everything in the\nvault, and nobody without it can bring anything back. Write it down where neither gate nor agent reaches:\n\n  {}",
                paint.warn("keep this:"),
                paint.strong(secret)
            ),
            (None, Some(file)) => format!(
                "the recovery identity is in `{}`; move it to where neither gate nor agent reaches",
                file.display()
            ),
            (None, None) => String::new(),
        };
        format!(
            "made the vault `{dir}`; its configuration is `{dir}/vault.toml`\n\n{identity}\n\nfor the gate's backstop.toml:\n\n{snippet}\n{} backstop vault serve --dir {dir}",
            paint.hint("next:")
        )
    }
}
