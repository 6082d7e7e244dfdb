//! Deleting: only people, enough of them, only what is past its retention, only after the delay.

use std::{path::PathBuf, sync::Arc, time::Duration};

use backstop_core::{
    passkey::{Assertion, Expected, Passkey, Registration, verify_registration},
    person::Person,
};
use backstop_testing::authenticator::Authenticator;
use backstop_vault::{
    Class, Refusal, Stored, VaultError,
    deletion::{CancelChallenge, Cancellation, Challenge, Request, Signature, Ticket},
    server::{
        People,
        operator::{Operate, Operated, operate},
    },
    store::Options,
    verify::verify,
};
use bytes::Bytes;

use crate::support::{Served, SetTime, label, uid};

const ORIGIN: &str = "https://backstop.test";
const DAY: i64 = 86_400_000;
const START: i64 = 1_800_000_000_000;

/// A person with a passkey.
struct Someone {
    authenticator: Authenticator,
    person: Person,
}

impl Someone {
    fn new(id: &str) -> Self {
        let mut authenticator = Authenticator::new();
        let challenge = [3; 32];
        let made = authenticator
            .register(ORIGIN, "backstop.test", id.as_bytes(), id, &challenge)
            .unwrap();
        let origins = [ORIGIN.to_owned()];
        let expected = Expected {
            rp_id: "backstop.test",
            origins: &origins,
            challenge: &challenge,
        };
        let registration = Registration {
            credential_id: made.credential_id,
            client_data_json: made.client_data_json,
            attestation_object: made.attestation_object,
        };
        let passkey: Passkey = verify_registration(&expected, &registration).unwrap();
        let person = Person {
            id: id.to_owned(),
            name: id.to_owned(),
            enrolled_ms: 0,
            passkeys: vec![passkey],
            recovery: None,
        };
        Self {
            authenticator,
            person,
        }
    }

    fn sign(&mut self, challenge: &Challenge) -> Signature {
        Signature {
            challenge: challenge.clone(),
            assertion: self.assert(&challenge.bytes().unwrap()),
        }
    }

    fn cancel(&mut self, challenge: &CancelChallenge) -> Cancellation {
        Cancellation {
            challenge: challenge.clone(),
            assertion: self.assert(&challenge.bytes().unwrap()),
        }
    }

    fn assert(&mut self, bytes: &[u8; 32]) -> Assertion {
        let made = self
            .authenticator
            .assert(ORIGIN, "backstop.test", bytes, &[])
            .unwrap();
        Assertion {
            credential_id: made.credential_id,
            client_data_json: made.client_data_json,
            authenticator_data: made.authenticator_data,
            signature: made.signature,
            user_handle: made.user_handle,
        }
    }
}

struct Scene {
    served: Served,
    time: Arc<SetTime>,
    anna: Someone,
    ben: Someone,
}

impl Scene {
    async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        backstop_vault::init::make(&home.path().join("vault"), "vault.test").unwrap();
        let (anna, ben) = (Someone::new("person_anna"), Someone::new("person_ben"));
        let people = People {
            people: vec![anna.person.clone(), ben.person.clone()],
            origins: vec![ORIGIN.to_owned()],
        };
        let time = SetTime::new(START);
        let options = Options {
            retention: [Duration::from_secs(86_400); 3],
            ..Options::default()
        };
        let identity = backstop_vault::reader::Identity::generate();
        let served =
            Served::start(home, identity, options, people, time.clone(), vec![uid()]).await;
        Self {
            served,
            time,
            anna,
            ben,
        }
    }

    fn dir(&self) -> PathBuf {
        self.served.dir()
    }

    async fn put(&self, content: &'static [u8]) -> Stored {
        self.served
            .client()
            .put(&label(Class::Images), Bytes::from_static(content))
            .await
            .unwrap()
    }

    async fn ask(&self, asked: Operate) -> Result<Operated, VaultError> {
        operate(&self.dir(), &asked).await
    }

    async fn request(&self, stored: &[Stored]) -> Result<Request, VaultError> {
        let names = stored.iter().map(|one| one.name).collect();
        let asked = Operate::AskDeletion {
            names,
            reason: "past its retention".to_owned(),
        };
        match self.ask(asked).await? {
            Operated::Request(request) => Ok(request),
            other => panic!("{other:?}"),
        }
    }

    async fn ticket(&self, request: &Request) -> Ticket {
        let request = request.id.clone();
        match self.ask(Operate::Ticket { request }).await.unwrap() {
            Operated::Ticket(ticket) => ticket,
            other => panic!("{other:?}"),
        }
    }

    async fn challenge(&self, request: &Request, person: &str) -> Challenge {
        self.ticket(request).await.challenge(person).unwrap()
    }

    async fn give(&self, request: &Request, signature: Signature) -> Result<Request, VaultError> {
        let asked = Operate::Sign {
            request: request.id.clone(),
            signature: Box::new(signature),
        };
        match self.ask(asked).await? {
            Operated::Request(request) => Ok(request),
            other => panic!("{other:?}"),
        }
    }

    async fn both_sign(&mut self, request: &Request) -> Request {
        let challenge = self.challenge(request, "person_anna").await;
        let signature = self.anna.sign(&challenge);
        assert_eq!(self.give(request, signature).await.unwrap().due_ms, None);
        let challenge = self.challenge(request, "person_ben").await;
        let signature = self.ben.sign(&challenge);
        self.give(request, signature).await.unwrap()
    }

    fn has(&self, stored: &Stored) -> bool {
        self.served.vault.store().has(&stored.name).is_some()
    }

    /// What the server does now and then.
    async fn round(&self) {
        self.served.vault.do_due().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_and_three_days_delete_and_the_index_says_so() {
    let mut scene = Scene::new().await;
    let (gone, kept) = (scene.put(b"gone").await, scene.put(b"kept").await);
    let error = scene.request(&[gone]).await.unwrap_err();
    assert_eq!(error.refusal(), Some(Refusal::TooEarly), "{error}");
    scene.time.pass(2 * DAY);
    let request = scene.request(&[gone]).await.unwrap();
    scene.round().await;
    assert!(scene.has(&gone), "asking alone does nothing");
    let due = scene.both_sign(&request).await.due_ms.unwrap();
    assert_eq!(due, START + 5 * DAY);
    scene.time.pass(3 * DAY - 1000);
    scene.round().await;
    assert!(scene.has(&gone), "not before the delay is over");
    scene.time.pass(2000);
    scene.round().await;
    assert!(!scene.has(&gone) && scene.has(&kept));
    let used = scene.served.vault.status().used;
    assert_eq!(used, 4096);
    let (home, identity) = scene.served.stop().await;
    let dir = home.path().join("vault");
    let report = verify(&dir).unwrap();
    assert!(report.is_sound() && report.objects == 1, "{report:#?}");
    let index = std::fs::read_to_string(dir.join("index")).unwrap();
    for word in [
        "deletion-asked",
        "deletion-signed",
        "deletion-due",
        "\"deleted\"",
        "person_ben",
    ] {
        assert!(index.contains(word), "{word}");
    }
    let served = Served::start(
        home,
        identity,
        Options::default(),
        People::default(),
        scene.time,
        vec![uid()],
    )
    .await;
    assert_eq!(served.vault.store().has(&gone.name), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_enrolled_people_signs_and_each_once() {
    let mut scene = Scene::new().await;
    let (one, two) = (scene.put(b"one").await, scene.put(b"two").await);
    scene.time.pass(2 * DAY);
    let (request, other) = (
        scene.request(&[one]).await.unwrap(),
        scene.request(&[two]).await.unwrap(),
    );
    let challenge = scene.challenge(&request, "person_anna").await;
    let good = scene.anna.sign(&challenge);
    let mut refused = Vec::new();
    // For another request.
    refused.push(scene.give(&other, good.clone()).await);
    // Somebody with a passkey whom the vault does not know, under their own name and under Anna's.
    let mut mallory = Someone::new("person_mallory");
    let theirs = scene.challenge(&request, "person_mallory").await;
    refused.push(scene.give(&request, mallory.sign(&theirs)).await);
    refused.push(scene.give(&request, mallory.sign(&challenge)).await);
    // Ben's passkey over Anna's challenge, and Anna's over Ben's.
    let wrong = scene.ben.sign(&challenge);
    refused.push(scene.give(&request, wrong).await);
    let bens = scene.challenge(&request, "person_ben").await;
    let wrong = scene.anna.sign(&bens);
    refused.push(scene.give(&request, wrong).await);
    // Changed after it was signed.
    let mut changed = good.clone();
    changed.challenge.expires_ms += 1;
    refused.push(scene.give(&request, changed).await);
    let mut changed = good.clone();
    changed.challenge.purpose = "decide".to_owned();
    refused.push(scene.give(&request, changed).await);
    // What was shown to the person is not what the vault has; then another reason than the vault's.
    let mut painted = scene.ticket(&request).await;
    painted.objects[0].target = "a test database".to_owned();
    let theirs = painted.challenge("person_anna").unwrap();
    let signed = scene.anna.sign(&theirs);
    refused.push(scene.give(&request, signed).await);
    let mut painted = scene.ticket(&request).await;
    painted.reason = "tidying up".to_owned();
    let theirs = painted.challenge("person_anna").unwrap();
    let signed = scene.anna.sign(&theirs);
    refused.push(scene.give(&request, signed).await);
    // One that its signer would have count for ever.
    let mut lasting = scene.ticket(&request).await;
    lasting.expires_ms += 60_000;
    let theirs = lasting.challenge("person_anna").unwrap();
    let signed = scene.anna.sign(&theirs);
    refused.push(scene.give(&request, signed).await);
    let mut changed = good.clone();
    changed.assertion.signature[10] ^= 1;
    refused.push(scene.give(&request, changed).await);
    // Without the person being verified.
    scene.anna.authenticator.verify_person(false);
    let unverified = scene.anna.sign(&challenge);
    scene.anna.authenticator.verify_person(true);
    refused.push(scene.give(&request, unverified).await);
    for (n, done) in refused.into_iter().enumerate() {
        assert_eq!(
            done.unwrap_err().refusal(),
            Some(Refusal::NotAllowed),
            "case {n}"
        );
    }
    // Too late.
    let late = scene.challenge(&request, "person_ben").await;
    let late = scene.ben.sign(&late);
    scene.time.pass(DAY + 1000);
    assert!(scene.give(&request, late).await.is_err());
    // Once, and not twice.
    let challenge = scene.challenge(&request, "person_anna").await;
    let good = scene.anna.sign(&challenge);
    scene.give(&request, good.clone()).await.unwrap();
    assert!(scene.give(&request, good).await.is_err());
    let again = scene.challenge(&request, "person_anna").await;
    let again = scene.anna.sign(&again);
    let error = scene.give(&request, again).await.unwrap_err().to_string();
    assert!(error.contains("counts once"), "{error}");
    scene.time.pass(30 * DAY);
    scene.round().await;
    assert!(scene.has(&one), "one person is not two");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_can_be_cancelled_extended_away_and_frozen() {
    let mut scene = Scene::new().await;
    let stored = [
        scene.put(b"1").await,
        scene.put(b"2").await,
        scene.put(b"3").await,
    ];
    scene.time.pass(2 * DAY);
    let mut requests = Vec::new();
    for one in &stored {
        let request = scene.request(&[*one]).await.unwrap();
        scene.both_sign(&request).await;
        requests.push(request);
    }
    let cancel = Operate::CancelDeletion {
        request: requests[0].id.clone(),
        reason: "not yet".to_owned(),
    };
    scene.ask(cancel).await.unwrap();
    let names = vec![stored[1].name];
    let until_ms = START + 100 * DAY;
    scene
        .ask(Operate::Extend {
            names: names.clone(),
            until_ms,
        })
        .await
        .unwrap();
    let shorter = scene
        .ask(Operate::Extend {
            names,
            until_ms: until_ms - 1,
        })
        .await
        .unwrap_err();
    assert!(
        shorter.to_string().contains("extended, never shortened"),
        "{shorter}"
    );
    scene.time.pass(4 * DAY);
    scene.time.set(90 * DAY);
    scene.round().await;
    assert!(
        stored.iter().all(|one| scene.has(one)),
        "the clock jumped: nothing goes"
    );
    scene.time.set(-90 * DAY);
    scene.round().await;
    assert!(
        scene.has(&stored[2]),
        "a clock that is right again is not yet trusted"
    );
    scene
        .ask(Operate::LiftFreeze {
            reason: "it was NTP".to_owned(),
        })
        .await
        .unwrap();
    scene.round().await;
    assert!(scene.has(&stored[0]) && scene.has(&stored[1]) && !scene.has(&stored[2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_outlives_a_restart_with_its_signatures() {
    let mut scene = Scene::new().await;
    let stored = scene.put(b"gone").await;
    scene.time.pass(2 * DAY);
    let request = scene.request(&[stored]).await.unwrap();
    let signed = scene.both_sign(&request).await;
    let people = People {
        people: vec![scene.anna.person.clone(), scene.ben.person.clone()],
        origins: vec![ORIGIN.to_owned()],
    };
    let (home, identity) = scene.served.stop().await;
    let options = Options {
        retention: [Duration::from_secs(86_400); 3],
        ..Options::default()
    };
    scene.served = Served::start(
        home,
        identity,
        options,
        people,
        scene.time.clone(),
        vec![uid()],
    )
    .await;
    match scene.ask(Operate::Requests).await.unwrap() {
        Operated::Requests(open) => assert_eq!(open, [signed]),
        other => panic!("{other:?}"),
    }
    scene.time.pass(4 * DAY);
    scene.round().await;
    assert!(!scene.has(&stored));
}

/// Killed after the deletion was recorded and before the file was gone: the next start finishes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_a_crash_cut_short_is_finished() {
    let mut scene = Scene::new().await;
    let stored = scene.put(b"gone").await;
    scene.served.vault.store().settle().unwrap();
    let hex = stored.name.to_hex();
    let file = scene.dir().join("objects").join(&hex[..2]).join(&hex);
    let bytes = std::fs::read(&file).unwrap();
    scene.time.pass(2 * DAY);
    let request = scene.request(&[stored]).await.unwrap();
    scene.both_sign(&request).await;
    scene.time.pass(4 * DAY);
    scene.round().await;
    let (home, identity) = scene.served.stop().await;
    assert!(!file.exists());
    std::fs::write(&file, bytes).unwrap();
    assert!(!verify(&home.path().join("vault")).unwrap().is_sound());
    let (options, people) = (Options::default(), People::default());
    let time = scene.time.clone();
    let served = Served::start(home, identity, options, people, time, vec![uid()]).await;
    assert!(!file.exists());
    let (home, _) = served.stop().await;
    assert!(verify(&home.path().join("vault")).unwrap().is_sound());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_passkey_of_anybody_enrolled_cancels_over_the_gates_road_and_nothing_else_does() {
    let mut scene = Scene::new().await;
    let (kept, other) = (scene.put(b"kept").await, scene.put(b"other").await);
    scene.time.pass(2 * DAY);
    let (request, second) = (
        scene.request(&[kept]).await.unwrap(),
        scene.request(&[other]).await.unwrap(),
    );
    scene.both_sign(&request).await;
    let client = scene.served.client();
    let vault = scene.served.vault.name().to_owned();
    let open = client.status().await.unwrap().deletions;
    assert_eq!(open.len(), 2);
    let seen = open.iter().find(|one| one.request == request.id).unwrap();
    assert_eq!((seen.objects, seen.signed_by.len()), (1, 2));
    assert!(seen.due_ms.is_some());
    let due = backstop_vault::list(&scene.dir()).unwrap();
    assert_eq!(due[0].deletion.as_ref().unwrap().due_ms, seen.due_ms);
    // What does not count: a stranger's, one for another deletion or vault, one in another's name, and what was
    // signed to delete.
    let right = CancelChallenge::new(&vault, &request.id, "person_anna");
    let mut eve = Someone::new("person_eve");
    let strange = eve.cancel(&CancelChallenge::new(&vault, &request.id, "person_eve"));
    let named = Cancellation {
        challenge: right.clone(),
        ..eve.cancel(&right)
    };
    let elsewhere = scene.anna.cancel(&CancelChallenge::new(
        "vault.other+1+x",
        &request.id,
        "person_anna",
    ));
    let mut moved = scene
        .anna
        .cancel(&CancelChallenge::new(&vault, &second.id, "person_anna"));
    moved.challenge.request = request.id.clone();
    let delete = scene.challenge(&request, "person_anna").await;
    let deleting = Cancellation {
        challenge: right.clone(),
        assertion: scene.anna.sign(&delete).assertion,
    };
    for wrong in [strange, named, elsewhere, moved, deleting] {
        let error = client.cancel(&wrong).await.unwrap_err();
        assert_eq!(error.refusal(), Some(Refusal::NotAllowed), "{error}");
    }
    assert_eq!(client.status().await.unwrap().deletions.len(), 2);
    // And what was signed to cancel signs no deletion.
    let cancel = scene
        .ben
        .cancel(&CancelChallenge::new(&vault, &second.id, "person_ben"));
    let challenge = scene.challenge(&second, "person_ben").await;
    let crossed = Signature {
        challenge,
        assertion: cancel.assertion,
    };
    assert!(scene.give(&second, crossed).await.is_err());
    // One person's is enough, though two have signed; after the delay it is still there.
    let word = scene.anna.cancel(&right);
    client.cancel(&word).await.unwrap();
    scene.time.pass(4 * DAY);
    scene.round().await;
    assert!(scene.has(&kept));
    let error = client.cancel(&word).await.unwrap_err();
    assert_eq!(error.refusal(), Some(Refusal::Unknown), "{error}");
    assert_eq!(
        backstop_vault::list(&scene.dir()).unwrap()[0].deletion,
        None
    );
    let (home, _) = scene.served.stop().await;
    let index = std::fs::read_to_string(home.path().join("vault/index")).unwrap();
    let line = index
        .lines()
        .find(|line| line.contains("deletion-cancelled"));
    assert!(line.unwrap().contains("\"by\":{\"challenge\""), "{line:?}");
    assert!(verify(&home.path().join("vault")).unwrap().is_sound());
}
