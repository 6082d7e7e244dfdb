//! The hosting provider on stage, and how the gate knows it: once with the token that went stale, once with the account's.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use backstop_testing::postgres::Server;
use backstop_testing::railway::RailwayDouble;

use super::broken;
use crate::failure::{Context, Outcome};
use crate::home::{Home, Keys};

/// The provider as the task's token sees it.
pub(super) const STAGING: &str = "railway-staging";
/// The variable of its placeholder.
pub(super) const STAGING_TOKEN: &str = "RAILWAY_STAGING_TOKEN";
/// The provider as the account's token sees it.
pub(super) const PRODUCTION: &str = "railway";

/// People's own policies. Nothing is in them at first.
const POLICY: &str = "// what this company adds to the defaults\n";
/// What people write there on purpose.
const SOFTENED: &str = "\
@id(\"production-safeguards\") @verdict(\"hold\") @people(\"2\") @reason(\"this takes the backups away, too\")
forbid (principal, action == Action::\"act\", resource)
when { context.environment == \"production\" && context.safeguard };
";

/// The double, and what stands in the configuration for it.
pub(super) struct Provider {
    pub(super) double: RailwayDouble,
    policy: PathBuf,
    ca: PathBuf,
    proxy_ca: PathBuf,
}

impl Provider {
    /// Starts it with the target's server on its production volume.
    pub(super) fn open(server: Arc<Mutex<Server>>, folder: &Path) -> Outcome<Self> {
        let double = RailwayDouble::over(server).map_err(broken("cannot start the provider"))?;
        let provider = Self {
            double,
            policy: folder.join("company.cedar"),
            ca: folder.join("railway-ca.pem"),
            proxy_ca: folder.join("backstop-http-ca.pem"),
        };
        provider
            .double
            .write_authority(&provider.ca)
            .map_err(broken("cannot write the provider's certificate"))?;
        std::fs::write(&provider.policy, POLICY).doing("cannot write the demo's policy")?;
        Ok(provider)
    }

    /// The sections that come before all targets.
    pub(super) fn sections(&self, listen: &str) -> String {
        format!(
            "\n[http]\nlisten = {}\nca_file = {}\n",
            quoted(listen),
            quoted(&self.proxy_ca.display().to_string())
        )
    }

    /// The path of the people's policies, quoted.
    pub(super) fn policy_file(&self) -> String {
        quoted(&self.policy.display().to_string())
    }

    /// The targets.
    pub(super) fn targets(&self) -> String {
        let common = format!(
            "kind = \"http\"\nurl = {}\nca = {}\nprivate = true\npack = \"railway\"\n",
            quoted(&format!("https://127.0.0.1:{}/", self.double.port())),
            quoted(&self.ca.display().to_string())
        );
        format!(
            "\n[[target]]\nname = {}\nenvironment = \"staging\"\ncredential = \"header project-access-token\"\n{common}\
             \n[[target]]\nname = {}\nenvironment = \"production\"\nlives = {{ {} = \"prod\" }}\n{common}",
            quoted(STAGING),
            quoted(PRODUCTION),
            quoted(&format!("volume.{}", self.double.tenancy().volume)),
        )
    }

    /// Seals the two tokens, as `backstop init` does.
    pub(super) fn seal(&self, home: &Home) -> Outcome {
        let keys = Keys::load(home)?;
        for (api, token) in [
            (STAGING, self.double.stale_token()),
            (PRODUCTION, self.double.account_token()),
        ] {
            home.credential(api)
                .write(&keys.seal, token.as_bytes())
                .doing("cannot seal the demo's tokens")?;
        }
        Ok(())
    }

    /// Writes what people decided into their policies.
    pub(super) fn soften_policy(&self) -> Outcome {
        std::fs::write(&self.policy, SOFTENED).doing("cannot write the demo's policy")
    }

    /// The variable of a placeholder.
    pub(super) fn variable(&self, api: &str) -> String {
        format!("{}_TOKEN", api.to_ascii_uppercase().replace('-', "_"))
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
