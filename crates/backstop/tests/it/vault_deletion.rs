//! Deleting from a vault, from the operator's command to the object that is gone: real processes, a real console.

use std::time::Duration;

use backstop_vault::{Class, Label, Stored};
use serde_json::{Value, json};

use crate::person::Person;
use crate::support::{Installation, Ran, Serving, eventually};
use crate::vault::{Made, Serving as VaultServing};

/// Long enough to do something in, short enough to wait for.
const DELAY: Duration = Duration::from_secs(4);

struct Scene {
    made: Made,
    here: Installation,
    gate: Serving,
    kim: Person,
    lee: Person,
    vault: VaultServing,
}

impl Scene {
    fn new() -> Self {
        let made = Made::new();
        let here = Installation::new();
        here.edit(|text| format!("{text}\n{}", made.snippet()));
        let (gate, mut kim) = here.serve_with_person();
        let lee = Person::enrol(&kim.invite("Lee").unwrap(), "Lee").unwrap();
        // As the operator does by hand.
        let people = here.run(&["vault", "people"]).fine();
        assert!(people.err.contains("Kim") && people.err.contains("install this only if"));
        assert!(!people.out.contains("recovery"), "{}", people.out);
        std::fs::write(made.dir().join("people.json"), &people.out).unwrap();
        let config = made.dir().join("vault.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        let text = text
            .replace("images = \"30d\"", "images = \"1s\"")
            .replace("delay = \"72h\"", "delay = \"4s\"")
            .replace("origins = []", &format!("origins = [\"{}\"]", kim.origin));
        std::fs::write(&config, text).unwrap();
        let vault = made.serve();
        Self {
            made,
            here,
            gate,
            kim,
            lee,
            vault,
        }
    }

    /// Objects that are past their retention.
    fn stored(&self, contents: &[&'static str]) -> Vec<Stored> {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let label = Label {
            class: Class::Images,
            target: "shop".to_owned(),
            lease: None,
            note: "public.orders".to_owned(),
        };
        let stored = runtime.block_on(async {
            let client = self.made.client();
            let mut stored = vec![];
            for content in contents {
                stored.push(client.put(&label, (*content).into()).await.unwrap());
            }
            stored
        });
        std::thread::sleep(Duration::from_millis(1500));
        stored
    }

    fn delete(&self, objects: &[&Stored]) -> Value {
        let names: Vec<String> = objects.iter().map(|one| one.name.to_hex()).collect();
        let mut arguments = vec!["--reason", "past its retention"];
        arguments.extend(names.iter().map(|name| &name[..16]));
        self.made.vault("delete", &arguments).fine().json()
    }

    fn give(&self, signature: &Value) -> Ran {
        let file = self.made.path("signature");
        std::fs::write(&file, signature.to_string()).unwrap();
        self.made.vault("sign", &["--json", &file])
    }

    fn refused(&self, signature: &Value, why: &str) {
        let ran = self.give(signature);
        assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
        assert!(
            ran.err.contains(why) && ran.err.contains("hint"),
            "{why}: {}",
            ran.err
        );
    }

    fn has(&self, stored: &Stored) -> bool {
        let listed = self.made.vault("list", &["--json"]).fine().out;
        listed.contains(&stored.name.to_hex())
    }

    fn end(self) {
        self.vault.stop();
        assert_eq!(self.gate.stop(), 0);
        let sound = self.made.vault("verify", &[]).fine();
        assert!(sound.out.contains("sound"), "{}", sound.out);
        drop(self.here);
    }
}

/// What their browser sends along with whatever it posts.
fn token(person: &mut Person) -> String {
    let page = person.page("/deletion").unwrap();
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// What the console gives a person who signs this ticket.
fn sign(person: &mut Person, ticket: &Value) -> Value {
    let csrf = token(person);
    let body = json!({ "ticket": ticket.to_string() });
    let asked = person.post("/deletion/challenge", &csrf, &body).unwrap();
    let origin = person.origin.clone();
    let credential = person.phone.get_json(&origin, &asked).unwrap();
    let body = json!({ "ticket": ticket.to_string(), "credential": credential });
    let signed = person.post("/deletion/sign", &csrf, &body).unwrap();
    serde_json::from_str(signed["carry"].as_str().unwrap()).unwrap()
}

#[test]
fn two_people_sign_at_the_console_and_after_the_delay_it_is_gone() {
    let mut scene = Scene::new();
    let stored = scene.stored(&["gone", "kept"]);
    let ticket = scene.delete(&[&stored[0]]);
    let signature = sign(&mut scene.kim, &ticket);
    let first = scene.give(&signature).fine().json();
    assert_eq!(first["due_ms"], Value::Null, "one passkey is too few");
    // The same signature again, and the same person again.
    scene.refused(&signature, "counts once");
    let again = sign(&mut scene.kim, &ticket);
    scene.refused(&again, "counts once");
    std::thread::sleep(DELAY + Duration::from_secs(6));
    assert!(
        scene.has(&stored[0]),
        "one passkey is too few, however long"
    );
    let second = sign(&mut scene.lee, &ticket);
    let due = scene.give(&second).fine().json();
    assert!(due["due_ms"].as_i64().is_some(), "{due}");
    assert!(
        scene.has(&stored[0]),
        "the delay has begun, and is not over"
    );
    let open = scene.made.vault("deletions", &["--json"]).fine().json();
    assert_eq!(open["id"], ticket["request"]);
    eventually("the deletion to be done", || {
        (!scene.has(&stored[0])).then_some(())
    });
    assert!(scene.has(&stored[1]));
    let index = std::fs::read_to_string(scene.made.dir().join("index")).unwrap();
    for word in [
        "deletion-asked",
        "deletion-signed",
        "deletion-due",
        "\"deleted\"",
    ] {
        assert!(index.contains(word), "{word}");
    }
    // Nothing of a deletion that was done can be used again.
    scene.refused(&second, "no open deletion");
    scene.end();
}

#[test]
fn what_was_signed_for_something_else_deletes_nothing() {
    let mut scene = Scene::new();
    let stored = scene.stored(&["one", "two"]);
    let (ticket, other) = (scene.delete(&[&stored[0]]), scene.delete(&[&stored[1]]));
    // For another list.
    let mut moved = sign(&mut scene.kim, &ticket);
    moved["challenge"]["request"] = other["request"].clone();
    scene.refused(&moved, "another deletion");
    // By a ticket that somebody painted over on its way to the console.
    for (part, lie) in [
        ("target", json!("scratch")),
        ("bytes", json!(1)),
        ("at_ms", json!(1)),
    ] {
        let mut painted = ticket.clone();
        painted["objects"][0][part] = lie;
        let signature = sign(&mut scene.kim, &painted);
        scene.refused(&signature, "another deletion");
    }
    let mut painted = ticket.clone();
    painted["objects"][0]["name"] = other["objects"][0]["name"].clone();
    let signature = sign(&mut scene.kim, &painted);
    scene.refused(&signature, "another deletion");
    // For signing in: the console's own challenge, with what the vault wants to read beside it.
    let csrf = token(&mut scene.kim);
    let asked = scene
        .kim
        .post("/sign-in/challenge", &csrf, &json!({}))
        .unwrap();
    let origin = scene.kim.origin.clone();
    let credential = scene.kim.phone.get_json(&origin, &asked).unwrap();
    let good = sign(&mut scene.kim, &ticket);
    let mut wrong = good.clone();
    let response = &credential["response"];
    let fields = wrong["assertion"].as_object().unwrap().keys().cloned();
    for field in fields.collect::<Vec<_>>() {
        let theirs = match field.as_str() {
            "client_data_json" => &response["clientDataJSON"],
            "authenticator_data" => &response["authenticatorData"],
            "signature" => &response["signature"],
            _ => continue,
        };
        wrong["assertion"][field] = theirs.clone();
    }
    assert_ne!(wrong, good);
    scene.refused(&wrong, "does not count");
    // As somebody else.
    let mut wrong = good;
    wrong["challenge"]["person"] = json!("person_nobody");
    scene.refused(&wrong, "does not know that person");
    for request in [&ticket, &other] {
        let id = request["request"].as_str().unwrap();
        let open = scene.made.vault("deletions", &["--json"]).fine().out;
        assert!(
            open.contains(id) && open.contains("\"signatures\":[]"),
            "{open}"
        );
    }
    scene.end();
}

#[test]
fn a_deletion_that_was_signed_is_cancelled_within_its_delay() {
    let mut scene = Scene::new();
    let stored = scene.stored(&["stays"]);
    let ticket = scene.delete(&[&stored[0]]);
    for signature in [sign(&mut scene.kim, &ticket), sign(&mut scene.lee, &ticket)] {
        scene.give(&signature).fine();
    }
    let id = ticket["request"].as_str().unwrap();
    scene
        .made
        .vault("cancel", &[id, "--reason", "not this one"])
        .fine();
    std::thread::sleep(DELAY + Duration::from_secs(6));
    assert!(scene.has(&stored[0]));
    let again = scene.made.vault("cancel", &[id, "--reason", "again"]);
    assert_eq!(again.code, 1, "{}{}", again.out, again.err);
    scene
        .made
        .vault("lift", &["--reason", "nothing is frozen"])
        .fine();
    // What has not reached the end of its retention is not asked for at all.
    let early = scene.made.vault("delete", &["ffff", "--reason", "no"]);
    assert!(
        early.code == 2 && early.err.contains("hint"),
        "{}",
        early.err
    );
    scene.end();
}

#[test]
fn one_passkey_of_anybody_enrolled_cancels_at_the_console() {
    let mut scene = Scene::new();
    let stored = scene.stored(&["stays"]);
    let ticket = scene.delete(&[&stored[0]]);
    for signature in [sign(&mut scene.kim, &ticket), sign(&mut scene.lee, &ticket)] {
        scene.give(&signature).fine();
    }
    // Everybody sees it, where they look in any case.
    let id = ticket["request"].as_str().unwrap();
    let status = scene.here.run(&["status"]).fine().out;
    assert!(
        status.contains(id) && status.contains("1 objects go at"),
        "{status}"
    );
    let status = scene.here.run(&["--json", "status"]).fine().json();
    assert_eq!(status["deletions"][0]["request"], id);
    let listed = scene.made.vault("list", &[]).fine();
    assert!(listed.err.contains(id), "{}", listed.err);
    let shop = ["--json", "--target", "shop"];
    let listed = scene.made.vault("list", &shop).fine().json();
    assert_eq!(listed["deletion"]["request"], id);
    // One of them thinks better of it.
    let csrf = token(&mut scene.lee);
    let wanted = json!({ "request": id });
    let asked = scene
        .lee
        .post("/deletion/cancel/challenge", &csrf, &wanted)
        .unwrap();
    let origin = scene.lee.origin.clone();
    let credential = scene.lee.phone.get_json(&origin, &asked).unwrap();
    let body = json!({ "request": id, "credential": credential });
    scene.lee.post("/deletion/cancel", &csrf, &body).unwrap();
    let status = scene.here.run(&["--json", "status"]).fine().json();
    assert_eq!(status["deletions"], json!([]));
    std::thread::sleep(DELAY + Duration::from_secs(6));
    assert!(scene.has(&stored[0]));
    scene.end();
}
