//! What comes back, and what does not.

use super::scene::Scene;
use crate::postgres::undo::UndoError;

const SHOP: &str = "create table p(id int primary key, v text); \
    create table c(id int primary key, p int references p on delete cascade, v text); \
    create table g(id int primary key, c int references c on delete set null, v text); \
    insert into p select x, 'p' || x from generate_series(1, 10) x; \
    insert into c select x, (x - 1) / 2 + 1, 'c' || x from generate_series(1, 20) x; \
    insert into g select x, (x - 1) / 2 + 1, 'g' || x from generate_series(1, 40) x; \
    create table log(at timestamptz default now(), what text); \
    insert into log(what) values ('begin'), ('begin')";

#[tokio::test]
async fn cascades_come_back_and_an_undo_can_be_undone() {
    let mut scene = Scene::new(SHOP).await;
    let before = scene.everything();
    let taken = scene
        .run("delete from p where id = 3; update p set v = 'x' where id = 4; insert into p values (11, 'new'); \
              insert into log(what) values ('begin'), ('done')")
        .await;
    let after = scene.everything();
    assert_ne!(before, after);
    let planned = scene.plan(&[&taken]).await.unwrap();
    assert_eq!(scene.everything(), after, "a dry run changed something");
    let p = planned.tables.iter().find(|t| t.name == "p").unwrap();
    assert_eq!((p.back, p.remove, p.revert, p.conflicts), (1, 1, 1, 0));
    let (done, own) = scene.undo(&[&taken], false).await.unwrap();
    assert_eq!(done.tables, planned.tables);
    assert_eq!(scene.everything(), before);
    let (_, again) = scene.undo(&[&own], false).await.unwrap();
    assert_eq!(scene.everything(), after);
    scene.undo(&[&again], false).await.unwrap();
    assert_eq!(scene.everything(), before);
}

#[tokio::test]
async fn what_was_changed_since_is_a_conflict_row_by_row() {
    let mut scene = Scene::new(SHOP).await;
    let taken = scene
        .run("update p set v = 'agent' where id in (1, 2, 3); delete from g where id = 40")
        .await;
    scene
        .stage
        .server
        .psql("update p set v = 'person' where id = 2; insert into g values (40, null, 'other'); delete from c where p = 3; delete from p where id = 3")
        .unwrap();
    let now = scene.everything();
    let refused = scene.undo(&[&taken], false).await.unwrap_err();
    let UndoError::Conflicts(summary) = refused else {
        panic!("{refused}")
    };
    let listed: Vec<_> = summary
        .conflicts
        .iter()
        .map(|c| {
            (
                c.table.as_str(),
                c.key.as_deref().unwrap(),
                c.there.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        listed,
        [
            ("p", "(2)", Some("(2,person)")),
            ("p", "(3)", None),
            ("g", "(40)", Some("(40,,other)"))
        ]
    );
    assert_eq!(scene.everything(), now);
    scene.undo(&[&taken], true).await.unwrap();
    assert_eq!(
        scene
            .stage
            .server
            .psql("select string_agg(v, ',' order by id) from p where id < 4")
            .unwrap(),
        "p1,person"
    );
}
