//! Undoing, cut short by SIGKILL: the file is one of its two texts at every moment, and a repeat comes to the end.

use std::path::Path;
use std::time::Duration;

use crate::adopt::{adopt, folder, read, run, start};
use crate::support::{Installation, eventually};

fn sealed(installation: &Installation) -> Vec<Vec<u8>> {
    let all = std::fs::read_dir(installation.data().join("adopted")).unwrap();
    let of_records = |path: &Path| path.extension().is_some_and(|e| e == "sealed");
    let paths = all.flatten().map(|e| e.path()).filter(|p| of_records(p));
    paths.filter_map(|p| std::fs::read(p).ok()).collect()
}

/// It is one of the two texts; a repeat finishes; nothing is left anywhere, and the lease has ended.
fn finishes(installation: &Installation, path: &Path, original: &[u8], written: &[u8], when: &str) {
    let now = std::fs::read(path).unwrap();
    assert!(
        now == original || now == written,
        "{when}: {}",
        String::from_utf8_lossy(&now)
    );
    assert!(
        now == original || !sealed(installation).is_empty(),
        "{when}: the original is nowhere"
    );
    let again = run(installation, &["adopt", "--undo"], path);
    // What had come to its end already has nothing to undo.
    let over = again.code == 2 && again.err.contains("was not adopted");
    assert!(again.code == 0 || over, "{when}: {}", again.err);
    assert_eq!(std::fs::read(path).unwrap(), original, "{when}");
    assert_eq!(sealed(installation), Vec::<Vec<u8>>::new(), "{when}");
    let left = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(left, 1, "{when}: nothing is left beside it");
    eventually("the lease to end", || {
        let leases = installation.run(&["--json", "lease", "list"]).fine().out;
        leases.trim().is_empty().then_some(())
    });
}

#[test]
fn an_undo_that_is_killed_loses_nothing_and_a_repeat_finishes() {
    let installation = Installation::new();
    let (serving, mut person) = installation.serve_with_person();
    let (_folder, path, original) = folder(&installation);
    let undo = ["adopt", "--undo"];

    // Written down as begun, and the journal does not answer: before the swap.
    adopt(&installation, &mut person, &["--seal-others"], &path);
    let written = read(&path).into_bytes();
    let before = sealed(&installation);
    serving.signal("STOP");
    let mut child = start(&installation, &undo, &path);
    eventually("the record to say so", || {
        (sealed(&installation) != before).then_some(())
    });
    std::thread::sleep(Duration::from_millis(100));
    child.kill().unwrap();
    child.wait().unwrap();
    serving.signal("CONT");
    assert_eq!(std::fs::read(&path).unwrap(), written, "not swapped yet");
    finishes(
        &installation,
        &path,
        &original,
        &written,
        "before the journal",
    );

    // Right after the swap, and then wherever it stands after so long.
    for delay in [
        None,
        Some(0),
        Some(3),
        Some(8),
        Some(15),
        Some(25),
        Some(40),
    ] {
        adopt(&installation, &mut person, &["--seal-others"], &path);
        let written = read(&path).into_bytes();
        let mut child = start(&installation, &undo, &path);
        match delay {
            None => {
                while std::fs::read(&path).unwrap() != original
                    && child.try_wait().unwrap().is_none()
                {}
            }
            Some(ms) => std::thread::sleep(Duration::from_millis(ms)),
        }
        let _ = child.kill();
        child.wait().unwrap();
        let when = format!("{delay:?}");
        finishes(&installation, &path, &original, &written, &when);
    }
}
