//! Backups are copies of the data on the data's own volume.

use backstop_testing::postgres::PostgresServer;
use backstop_testing::railway::RailwayDouble;
use serde_json::{Value, json};

use super::{ask, data, error};

#[test]
fn a_backup_restores_the_database_as_it_was_and_takes_newer_ones_with_it() {
    let server = PostgresServer::start_any().unwrap();
    server
        .psql("CREATE TABLE t AS SELECT generate_series(1, 1000) AS id")
        .unwrap();
    let double = RailwayDouble::with_database(server).unwrap();
    let instance = double.tenancy().production_instance.clone();
    let made = data(
        &double,
        &format!(
            "mutation {{ volumeInstanceBackupCreate(volumeInstanceId: \"{instance}\", name: \"first\") {{ workflowId }} }}"
        ),
    );
    let workflow = made["volumeInstanceBackupCreate"]["workflowId"]
        .as_str()
        .unwrap();
    let ended = data(
        &double,
        &format!("{{ workflowStatus(workflowId: \"{workflow}\") {{ status error }} }}"),
    );
    assert_eq!(ended["workflowStatus"]["status"], "Complete");
    rows(&double, "DELETE FROM t WHERE id > 10");
    double.back_up().unwrap();
    rows(&double, "DROP TABLE t");
    let listed = list(&double, &instance);
    assert_eq!((listed.len(), double.left().backup_folders), (2, 2));
    assert_eq!(listed[0]["name"], "first");

    let restore = |id: &Value| {
        data(
            &double,
            &format!(
                "mutation {{ volumeInstanceBackupRestore(volumeInstanceId: \"{instance}\", volumeInstanceBackupId: {id}) {{ workflowId }} }}"
            ),
        )
    };
    restore(&listed[1]["id"]);
    assert_eq!(rows(&double, "SELECT count(*) FROM t"), "10");
    assert_eq!(list(&double, &instance).len(), 2);
    restore(&listed[0]["id"]);
    assert_eq!(rows(&double, "SELECT count(*) FROM t"), "1000");
    assert_eq!(
        (list(&double, &instance).len(), double.left().backup_folders),
        (1, 1)
    );
    assert!(
        data(
            &double,
            &format!("{{ volumeInstance(id: \"{instance}\") {{ currentSizeMB }} }}")
        )["volumeInstance"]["currentSizeMB"]
            .as_f64()
            .unwrap()
            > 5.0
    );

    data(
        &double,
        &format!(
            "mutation {{ volumeInstanceBackupDelete(volumeInstanceId: \"{instance}\", volumeInstanceBackupId: {}) {{ workflowId }} }}",
            listed[0]["id"]
        ),
    );
    assert_eq!(
        (list(&double, &instance).len(), double.left().backup_folders),
        (0, 0)
    );
    // The data are there still.
    assert_eq!(rows(&double, "SELECT count(*) FROM t"), "1000");
}

#[test]
fn a_lock_only_ends_the_expiry_and_schedules_can_be_set_to_nothing() {
    let double = RailwayDouble::start().unwrap();
    let (instance, volume) = (
        &double.tenancy().production_instance,
        &double.tenancy().volume,
    );
    double.back_up().unwrap();
    let backup = list(&double, instance).remove(0);
    assert!(backup["expiresAt"].is_string());
    data(
        &double,
        &format!(
            "mutation {{ volumeInstanceBackupLock(volumeInstanceId: \"{instance}\", volumeInstanceBackupId: {}) }}",
            backup["id"]
        ),
    );
    assert_eq!(list(&double, instance)[0]["expiresAt"], json!(null));

    let schedules = format!(
        "{{ volumeInstanceBackupScheduleList(volumeInstanceId: \"{instance}\") {{ kind cron retentionSeconds }} }}"
    );
    let set = |kinds: &str| {
        data(
            &double,
            &format!(
                "mutation {{ volumeInstanceBackupScheduleUpdate(volumeInstanceId: \"{instance}\", kinds: [{kinds}]) }}"
            ),
        );
        data(&double, &schedules)["volumeInstanceBackupScheduleList"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(set("DAILY, WEEKLY"), 2);
    assert_eq!(set(""), 0);

    // A locked backup goes with its volume as any other.
    data(
        &double,
        &format!("mutation {{ volumeDelete(volumeId: \"{volume}\") }}"),
    );
    assert_eq!(double.left().backups, 0);
    let (_, body) = ask(
        &double,
        &format!("{{ volumeInstanceBackupList(volumeInstanceId: \"{instance}\") {{ id }} }}"),
    );
    assert_eq!(error(&body), "Volume instance not found");
}

#[test]
fn volumes_are_made_changed_and_deleted() {
    let double = RailwayDouble::start().unwrap();
    let ids = double.tenancy();
    let made = data(
        &double,
        &format!(
            "mutation {{ volumeCreate(input: {{ projectId: \"{}\", mountPath: \"/data\" }}) {{ id name volumeInstances {{ edges {{ node {{ mountPath state }} }} }} }} }}",
            ids.project
        ),
    );
    let volume = &made["volumeCreate"];
    assert_eq!(
        volume["volumeInstances"]["edges"].as_array().unwrap().len(),
        2,
        "one in each environment"
    );
    let changed = data(
        &double,
        &format!(
            "mutation {{ volumeUpdate(volumeId: {id}, input: {{ name: \"cache\" }}) {{ name }} volumeInstanceUpdate(volumeId: {id}, input: {{ mountPath: \"/cache\" }}) }}",
            id = volume["id"]
        ),
    );
    assert_eq!(changed["volumeUpdate"]["name"], "cache");
    // One request, several deletions: the second of the same does not find it, and the first has happened.
    let (_, body) = ask(
        &double,
        &format!(
            "mutation {{ a: volumeDelete(volumeId: {id}) b: volumeDelete(volumeId: {id}) }}",
            id = volume["id"]
        ),
    );
    assert_eq!(error(&body), "Volume not found");
    assert_eq!(double.left().volumes, 1);
}

fn rows(double: &RailwayDouble, sql: &str) -> String {
    double.database().unwrap().psql(sql).unwrap()
}

fn list(double: &RailwayDouble, instance: &str) -> Vec<Value> {
    let query = format!(
        "{{ volumeInstanceBackupList(volumeInstanceId: \"{instance}\") {{ id name createdAt expiresAt externalId }} }}"
    );
    data(double, &query)["volumeInstanceBackupList"]
        .as_array()
        .unwrap()
        .clone()
}
