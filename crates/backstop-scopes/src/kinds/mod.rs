//! What a credential of each kind can do at worst, from what its provider documents: a table of data with its sources.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

const TABLE: &str = include_str!("../../data/kinds.toml");

/// What is known of a kind of credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// Its id: the provider, a dot, and which of its credentials.
    pub id: String,
    /// What a person calls it.
    pub name: String,
    /// The worst it can do, in a sentence.
    pub worst: String,
    /// Whether its scope can be made smaller.
    pub narrow: Narrow,
    /// How, or why not.
    pub narrow_how: String,
    /// Whether it reaches backups.
    pub backups: Backups,
    /// Why, or what to look at.
    pub backups_why: String,
    /// How to tell what this one can do.
    pub tell: String,
    /// How to replace it.
    pub rotate: String,
    /// Where to revoke it: an address, or a place by name.
    pub revoke: String,
    /// The provider's own pages.
    pub sources: Vec<String>,
    /// The day when those were looked up, as `YYYY-MM-DD`; none where what stands here is common knowledge that the pages
    /// are to bear out, and were not all opened for it.
    pub looked_up: Option<String>,
}

/// Whether a scope can be made smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Narrow {
    /// It can.
    Yes,
    /// In some ways, or only for some of them.
    Partly,
    /// It cannot: replace it.
    No,
    /// Not known.
    Unknown,
}

/// Whether backups are within reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backups {
    /// They are: who holds it can delete data and backups.
    Yes,
    /// They are not.
    No,
    /// By its rights, which have to be looked at.
    Depends,
    /// Not known.
    Unknown,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Provider {
    worst: String,
    narrow: Narrow,
    narrow_how: String,
    backups: Backups,
    backups_why: String,
    tell: String,
    rotate: String,
    revoke: String,
    sources: Vec<String>,
    looked_up: Option<String>,
    kinds: BTreeMap<String, Own>,
}

/// What a kind says that its provider does not.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    name: String,
    worst: Option<String>,
    narrow: Option<Narrow>,
    narrow_how: Option<String>,
    backups: Option<Backups>,
    backups_why: Option<String>,
    tell: Option<String>,
    rotate: Option<String>,
    revoke: Option<String>,
}

/// The kind of this id. Every kind that is found has one; of an id that is not in the table there is nothing to say.
pub fn of(id: &str) -> Option<&'static Kind> {
    all().iter().find(|kind| kind.id == id)
}

/// Every kind, in the order of their ids.
pub fn all() -> &'static [Kind] {
    static KINDS: OnceLock<Vec<Kind>> = OnceLock::new();
    KINDS.get_or_init(|| read().unwrap_or_default())
}

fn read() -> Result<Vec<Kind>, toml::de::Error> {
    let providers: BTreeMap<String, Provider> = toml::from_str(TABLE)?;
    let kinds = providers.iter().flat_map(|(provider, said)| {
        said.kinds
            .iter()
            .map(move |(id, own)| own.with(said, format!("{provider}.{id}")))
    });
    Ok(kinds.collect())
}

impl Own {
    fn with(&self, said: &Provider, id: String) -> Kind {
        let text = |own: &Option<String>, said: &String| own.as_ref().unwrap_or(said).clone();
        Kind {
            id,
            name: self.name.clone(),
            worst: text(&self.worst, &said.worst),
            narrow: self.narrow.unwrap_or(said.narrow),
            narrow_how: text(&self.narrow_how, &said.narrow_how),
            backups: self.backups.unwrap_or(said.backups),
            backups_why: text(&self.backups_why, &said.backups_why),
            tell: text(&self.tell, &said.tell),
            rotate: text(&self.rotate, &said.rotate),
            revoke: text(&self.revoke, &said.revoke),
            sources: said.sources.clone(),
            looked_up: said.looked_up.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let kinds = read().unwrap();
        assert!(kinds.len() > 60, "{}", kinds.len());
        for kind in &kinds {
            let texts = [
                &kind.worst,
                &kind.narrow_how,
                &kind.backups_why,
                &kind.tell,
                &kind.rotate,
                &kind.revoke,
            ];
            assert!(texts.iter().all(|text| text.len() > 5), "{}", kind.id);
            assert!(!kind.sources.is_empty(), "{} has no source", kind.id);
            assert!(
                kind.sources
                    .iter()
                    .all(|source| source.starts_with("https://")),
                "{}",
                kind.id
            );
            let day = kind.looked_up.as_deref().unwrap_or("2000-01-01");
            assert!(day.len() == 10 && day.starts_with("20"), "{}", kind.id);
            // An own word on backups without its reason would contradict the provider's.
            assert!(
                kind.worst.ends_with('.') && !kind.worst.contains('\n'),
                "{}",
                kind.id
            );
        }
    }

    #[test]
    fn every_provider_of_the_audit_has_an_entry() {
        for provider in [
            "railway",
            "aws",
            "gcp",
            "azure",
            "github",
            "gitlab",
            "kubernetes",
            "supabase",
            "neon",
            "fly",
            "cloudflare",
            "digitalocean",
            "vercel",
            "render",
            "heroku",
            "npm",
            "docker",
            "ssh",
            "postgres",
        ] {
            assert!(
                all()
                    .iter()
                    .any(|kind| kind.id.starts_with(&format!("{provider}."))),
                "{provider}"
            );
        }
    }
}
