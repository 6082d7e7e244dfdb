//! The first person: the console is opened for just that, and the invitation is printed here, once.

use std::time::Duration;

use crate::config::Config;
use crate::failure::{Context, Failure, Outcome};
use crate::home::Home;
use crate::output::Output;
use crate::serve;

/// How often it is looked whether somebody has enrolled.
const LOOK: Duration = Duration::from_millis(200);

/// Enrols the first person, if there is none.
///
/// # Errors
/// When the console cannot be opened, or another process serves already.
pub fn first_person(config: &Config, home: &Home, output: Output) -> Outcome {
    let alone = match home.serve_alone() {
        Ok(alone) => alone,
        Err(_) => {
            output.say("backstop is running: it takes up the change, and enrols people itself");
            return Ok(());
        }
    };
    let done = crate::command::runtime(2)?.block_on(invite(config, home, output));
    drop(alone);
    done
}

async fn invite(config: &Config, home: &Home, output: Output) -> Outcome {
    let opened = serve::open(config, home).await?;
    if !opened.store.state().people.is_empty() {
        output.say("somebody is enrolled already; further people are added at the console");
        return Ok(());
    }
    let token = opened
        .store
        .invite_first()
        .doing("cannot invite the first person")?;
    let link = config.console.enrol_link(&token);
    let listener = serve::console_listener(config).await?;
    let (console, tls) = serve::console(config, home, &opened)?;
    let store = opened.store.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(backstop_console::serve(listener, tls, console, async {
        let _ = stopped.await;
    }));
    let paint = output.paint_err;
    if output.json {
        output.value(&serde_json::json!({ "invitation": link }))?;
    } else {
        output.err(&format!(
            "\n{} open this link with your passkey at hand; you need two passkeys, or one and a recovery code:\n\n  {}\n\n{}",
            paint.hint("the first person:"),
            paint.strong(&link),
            paint.dim("waiting; Ctrl-C leaves it to `backstop serve`"),
        ));
    }
    let outcome = tokio::select! {
        () = enrolled(&store) => Ok(true),
        _ = tokio::signal::ctrl_c() => Ok(false),
        ended = serving => match ended {
            Ok(Ok(())) => Err(Failure::new("the console ended before anybody was enrolled")),
            Ok(Err(e)) => Err(Failure::new("the console failed").because(e)),
            Err(e) => Err(Failure::new("the console failed").because(e)),
        },
    };
    // The page that tells the person so must still reach them.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let _ = stop.send(());
    if outcome? {
        let name = store
            .state()
            .people
            .values()
            .next()
            .map_or_else(String::new, |p| p.name.clone());
        output.say(&format!(
            "{} {name}; start with `backstop serve --config {}`",
            paint.good("enrolled"),
            config.path.display()
        ));
    } else {
        output.say("nobody is enrolled yet: `backstop serve` prints a new link");
    }
    Ok(())
}

/// Two passkeys, or one and a recovery code: losing one device must not lock everybody out.
async fn enrolled(store: &backstop_store::Store) {
    loop {
        let done = store
            .state()
            .people
            .values()
            .any(|p| p.passkeys.len() >= 2 || p.recovery.is_some());
        if done {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}
