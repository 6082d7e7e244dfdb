//! Values come back to the bit, whatever the agent's settings.

use super::scene::Scene;

const TABLE: &str = "create type mood as enum ('sad', 'it''s \"ok\"\\'); \
    create type pair as (a int, b text); create type deep as (p pair, ps pair[]); \
    create domain small as int check (value < 1000); create domain words as text[]; \
    create table typ(id int primary key generated always as identity, f4 float4, f8 float8[], nu numeric, nus numeric[], \
      ts timestamptz, t timestamp, d date, tz timetz, iv interval, by bytea, ar text[], ars int[][], m mood, ms mood[], \
      pr pair, dp deep, sm small, wo words, j json, jb jsonb, bp char(6), ch \"char\", vc varchar(5), na name, mo money, \
      r tstzrange, mr nummultirange, cl regclass, ty regtype, x xml, bits bit(4), vb varbit, ip inet, ci cidr, mac macaddr, \
      pt point, pa path, bx box, ci2 circle, tv tsvector, tq tsquery, u uuid, l pg_lsn, o oid, big text, jp jsonpath, \
      twice int generated always as (id * 2) stored); \
    insert into typ(f4) select g from generate_series(1, 12) g; \
    update typ set f8 = array['NaN', 'Infinity', '-Infinity', '-0', 0.1::float8 + 0.2, 5e-324, 1.7976931348623157e308], \
      f4 = 1.0::float4 / 3, nu = 'NaN', nus = array['Infinity', '-Infinity', 1.500, 0.0000, -12345678901234567890.123] where id = 1; \
    update typ set ts = '0044-03-15 12:00:00.000001+00 BC', t = '294276-12-31 23:59:59.999999', d = '-infinity', \
      tz = '24:00:00+15:59:59', iv = '-1 mon +2 days -00:00:00.000001' where id = 2; \
    update typ set ts = 'infinity', d = '5874897-12-31', iv = '178000000 years 11 mons -30 days' where id = 3; \
    update typ set by = '\\x00ff5c0a0d09', bp = 'a', ch = '\\', vc = E' \\t ', na = 'N \"' where id = 4; \
    update typ set ar = array[null, 'NULL', '', E'a\\nb\\tc\\\\', '{\"', ',', ' x '], ars = '[0:1][3:4]={{1,2},{3,null}}', \
      wo = array['}', E'\\\\N', E'\\\\.'] where id = 5; \
    update typ set m = 'it''s \"ok\"\\', ms = array['sad', null]::mood[], pr = row(1, E'x,\"y\\\\\\n()'), \
      dp = row(row(null, ''), array[row(2, ' '), null]::pair[]), sm = 7 where id = 6; \
    update typ set j = '{\"a\" : 1.10, \"a\":2}', jb = '{\"a\": 1.10, \"b\": [null, \"\\u00e9\\u2028\"]}', mo = (-1234567.89)::numeric::money, \
      jp = '$.a[*] ? (@ > 1)' where id = 7; \
    update typ set r = '[\"2026-01-01 00:00:00+00\",infinity)', mr = '{(1.0,2.00],[5,7)}', cl = 'public.typ', ty = 'public.mood', \
      x = '<?xml version=\"1.0\"?><a>b&lt;</a>' where id = 8; \
    update typ set bits = B'1010', vb = B'', ip = '10.1.2.3/8', ci = '10.0.0.0/8', mac = '08:00:2b:01:02:03', pt = '(0.1,-0)', \
      pa = '[(1,2),(3,4)]', bx = '(3,4),(1,2)', ci2 = '<(1,2),0.3>' where id = 9; \
    update typ set tv = 'a:1A ''b c'':2', tq = '''a b'' & !c:*', u = '00000000-0000-0000-0000-000000000001', l = '16/B374D848', \
      o = 4294967295, big = repeat(md5('x'), 40000) where id = 10; \
    update typ set big = E'\\u0001\\u007f\\u00a0\\ufeff\\U0001F600 \\\\N \\\\. ', vc = '', by = '' where id = 11";

const WHOLE: &str = "set search_path = ''; set timezone = 'UTC'; select id, md5(t::text), t.f8, t.by, \
    encode(array_send(t.f8), 'hex'), encode(numeric_send(t.nu), 'hex'), encode(interval_send(t.iv), 'hex'), \
    encode(timestamptz_send(t.ts), 'hex'), encode(array_send(t.ar), 'hex'), encode(array_send(t.ars), 'hex'), \
    encode(record_send(t.dp), 'hex'), twice \
    from public.typ t order by id";

#[tokio::test]
async fn every_type_comes_back_to_the_bit() {
    for major in backstop_testing::postgres::Major::available().unwrap() {
        let stage = super::super::super::images::tests::stage::Stage::on(
            major,
            &format!("{TABLE}; grant all on all tables in schema public to agent"),
        )
        .await;
        let mut scene = Scene::with(stage).await;
        let before = scene.stage.server.psql(WHOLE).unwrap();
        // Settings of the agent's that write values otherwise.
        scene
            .stage
            .say("set datestyle = 'SQL, DMY'; set intervalstyle = 'iso_8601'; set timezone = 'Asia/Kathmandu'; \
                  set bytea_output = 'escape'; set extra_float_digits = -15; set quote_all_identifiers = on; \
                  set search_path = 'public'")
            .await;
        let deleted = scene.run("delete from typ").await;
        let back = scene.undo(&[&deleted], false).await.unwrap().1;
        assert_eq!(scene.stage.server.psql(WHOLE).unwrap(), before, "{major}");
        // New rows are read by the agent's own connection, old ones by the gate's: both the same.
        scene.undo(&[&back], false).await.unwrap();
        let count = scene.stage.server.psql("select count(*) from typ").unwrap();
        assert_eq!(count, "0");
        let mut scene = Scene::with(scene.stage).await;
        scene.undo(&[&deleted], false).await.unwrap();
        let touched = scene
            .run("update typ set vc = 'new'; update typ set f4 = 0 where id = 3")
            .await;
        let now = scene.stage.server.psql(WHOLE).unwrap();
        let (summary, own) = scene.undo(&[&touched], false).await.unwrap();
        assert_eq!(summary.conflicts_in_all(), 0);
        assert_eq!(scene.stage.server.psql(WHOLE).unwrap(), before, "{major}");
        scene.undo(&[&own], false).await.unwrap();
        assert_eq!(scene.stage.server.psql(WHOLE).unwrap(), now, "{major}");
    }
}

/// Whoever has no Backstop any more opens the file with psql.
#[tokio::test]
async fn psql_puts_the_images_into_a_scratch_schema() {
    let mut scene = Scene::new(&format!(
        "{TABLE}; create table \"odd \"\"name\n; drop\"(\"a b\" int primary key, \"select\" text)"
    ))
    .await;
    let taken = scene
        .run("insert into \"odd \"\"name\n; drop\" values (1, E'\\\\.\\ndrop table typ;'); delete from typ")
        .await;
    let script = String::from_utf8(taken.bytes.clone()).unwrap();
    scene
        .stage
        .server
        .psql_as(&scene.stage.server.owner(), &script)
        .unwrap();
    let number = 1 + taken.rows.keys().position(|name| name == "typ").unwrap();
    // Relations stand by OID: the odd one was made after the other.
    let back = scene.stage.server.psql(&format!(
        "insert into typ overriding system value select id, f4, f8, nu, nus, ts, t, d, tz, iv, by, ar, ars, m, ms, pr, dp, sm, wo, j, jb, bp, \
         ch, vc, na, mo, r, mr, cl, ty, x, bits, vb, ip, ci, mac, pt, pa, bx, ci2, tv, tq, u, l, o, big, jp from backstop_images.old_{}",
        if number == 1 { 1 } else { number - 1 }
    ));
    back.unwrap();
    assert_eq!(
        scene.stage.server.psql("select count(*) from typ").unwrap(),
        "12"
    );
    // Where a type is missing nothing of the rows is run as SQL, and nothing stays.
    let stolen = "alter type mood rename to temper; drop schema backstop_images cascade;";
    scene.stage.server.psql(stolen).unwrap();
    let refused = scene
        .stage
        .server
        .psql_as(&scene.stage.server.owner(), &script)
        .unwrap_err();
    assert!(refused.to_string().contains("mood"), "{refused}");
    assert_eq!(
        scene
            .stage
            .server
            .psql("select count(*) from pg_namespace where nspname = 'backstop_images'")
            .unwrap(),
        "0"
    );
    assert_eq!(
        scene.stage.server.psql("select count(*) from typ").unwrap(),
        "12"
    );
}
