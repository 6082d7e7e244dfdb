//! Asking providers: the list of calls first, then each before it is made.

use backstop_scopes::probe::{self, Answers, Hosts, LIST, Provider, Way};

use crate::failure::{Failure, Outcome};
use crate::output::{Output, safe};

/// Doubles in the place of providers' hosts, as the command line names them. Neither a file nor the environment can.
pub(super) fn hosts(at: &[String]) -> Outcome<Hosts> {
    let mut hosts = Hosts::default();
    for one in at {
        let bad = |why: String| {
            Failure::usage(format!("--probe-at {one}"))
                .because(why)
                .hint("write aws=, github= or railway=http://127.0.0.1:PORT")
        };
        let (kind, url) = one
            .split_once('=')
            .ok_or_else(|| bad("it has no `=`".to_owned()))?;
        let provider = match kind {
            "aws" => Provider::Aws,
            "github" => Provider::Github,
            "railway" => Provider::Railway,
            _ => return Err(bad(format!("`{kind}` is no provider that has a host here"))),
        };
        hosts.put(provider, url).map_err(bad)?;
    }
    Ok(hosts)
}

/// Says whom it will ask and by which calls, all of which only read.
pub(super) fn say(ways: &[Way], output: Output) {
    for provider in ["aws", "github", "kubernetes", "railway"] {
        let mine: Vec<&Way> = ways.iter().filter(|w| w.provider == provider).collect();
        if mine.is_empty() {
            continue;
        }
        for way in mine {
            output.say(&format!("will ask, read only: {}", safe(&way.told)));
        }
        let calls: Vec<String> = LIST
            .iter()
            .filter(|one| one.provider == provider)
            .map(|one| format!("{} ({} {})", one.name, one.method, one.path))
            .collect();
        output.say(&format!(
            "  by these calls and no others: {}",
            calls.join("; ")
        ));
    }
}

/// Asks.
pub(super) async fn ask(ways: Vec<Way>, hosts: &Hosts, output: Output) -> Answers {
    probe::ask(ways, hosts, &|call| {
        output.say(&format!("asking, read only: {}", safe(call)));
    })
    .await
}
