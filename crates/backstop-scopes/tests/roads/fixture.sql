-- Roles of every kind, each with a road of its own or with none. Every table has one row, so that a constant is a
-- fine value for a key.
create schema s; grant usage on schema s to public;
create schema closed;                       -- nobody has USAGE
create role keeper; grant usage on schema s to keeper;

-- Plain tables, and who may do what to them.
create table s.plain (id int primary key, n int); insert into s.plain values (1, 1); alter table s.plain owner to keeper;
create role nobody login;
create role reader login; grant select on s.plain to reader;
create role deleter login; grant delete on s.plain to deleter;
create role truncater login; grant truncate on s.plain to truncater;
create role updater login; grant update on s.plain to updater;
create role column_updater login; grant update (n) on s.plain to column_updater;
create role inserter login; grant insert on s.plain to inserter;
create role regranter login; grant delete on s.plain to regranter with grant option;
create table s.open (id int); insert into s.open values (1); alter table s.open owner to keeper; grant delete on s.open to public;
create table closed.shut (id int); insert into closed.shut values (1);
create role shut_out login; grant delete, truncate, update on closed.shut to shut_out;
create role shut_owner login; alter table closed.shut owner to shut_owner;

-- Owners, and who is one by membership.
create role owner_a login; create table s.owned (id int primary key); insert into s.owned values (1); alter table s.owned owner to owner_a;
create role in_owner_a login; grant owner_a to in_owner_a;
create role far_in_owner_a login; grant in_owner_a to far_in_owner_a;
create role aloof login noinherit; grant owner_a to aloof;
create role aloof_twice login; grant aloof to aloof_twice;
create role admin_of_a login; grant owner_a to admin_of_a with admin option;
create role boss superuser;
create role under_boss login; grant boss to under_boss;
create role boss_login login superuser;
create role humble_owner login; create table s.humble (id int); insert into s.humble values (1); alter table s.humble owner to humble_owner;
revoke all on s.humble from humble_owner;

-- Owners of what tables are in.
create role schema_owner login; create schema so authorization schema_owner; grant usage on schema so to keeper;
create table so.of_another (id int); insert into so.of_another values (1); alter table so.of_another owner to keeper;
create view so.a_view as select * from so.of_another; alter view so.a_view owner to keeper;
create materialized view so.a_copy as select * from so.of_another; alter materialized view so.a_copy owner to keeper;
create table public.in_public (id int); insert into public.in_public values (1);
create role db_owner login; grant db_owner to nobody; revoke db_owner from nobody;

-- Roles that are powers.
create role writes_all login; grant pg_write_all_data to writes_all;
create role reads_all login; grant pg_read_all_data to reads_all;
create role writes_files login; grant pg_write_server_files to writes_files;
create role reads_files login; grant pg_read_server_files to reads_files;
create role runs_programs login; grant pg_execute_server_program to runs_programs;
create role signals login; grant pg_signal_backend to signals;
create role replicates login replication;
create role maker login createrole;
create role admin_maker login createrole; create role made login;
create table s.of_made (id int); insert into s.of_made values (1); alter table s.of_made owner to made;
grant made to admin_maker with admin option;

-- Foreign keys: rows go that no right is asked for.
create table s.parent (id int primary key, n int); insert into s.parent values (1, 1);
create table s.child (id int primary key references s.parent on delete cascade on update cascade); insert into s.child values (1);
create table s.grandchild (id int primary key references s.child on delete cascade on update cascade); insert into s.grandchild values (1);
create table s.nulled (id int, p int references s.parent on delete set null on update cascade); insert into s.nulled values (1, 1);
create table s.refusing (id int primary key); insert into s.refusing values (1);
create table s.refuses (id int references s.refusing); insert into s.refuses values (1);
create table s.quiet (id int primary key); insert into s.quiet values (1);
create table s.off (id int references s.quiet on delete cascade); insert into s.off values (1); alter table s.quiet disable trigger all;
create table s.lame (id int primary key, n int); insert into s.lame values (1, 1);
create table closed.lame_child (id int references s.lame on delete cascade); insert into closed.lame_child values (1);
alter table s.parent owner to keeper; alter table s.child owner to keeper; alter table s.grandchild owner to keeper;
alter table s.nulled owner to keeper; alter table s.refusing owner to keeper; alter table s.refuses owner to keeper;
alter table s.lame owner to keeper; alter table closed.lame_child owner to keeper;
create role cascader login; grant delete on s.parent to cascader;
create role key_updater login; grant update on s.parent to key_updater;
create role other_updater login; grant update (n) on s.parent to other_updater;
create role refused login; grant delete on s.refusing to refused;
create role into_quiet login; grant delete on s.quiet to into_quiet;
create role into_lame login; grant delete on s.lame to into_lame;
create role half_truncater login; grant truncate on s.refusing to half_truncater;
create role full_truncater login; grant truncate on s.refusing, s.refuses to full_truncater;
create role key_owner login; create table s.keyed (id int primary key); insert into s.keyed values (1); alter table s.keyed owner to key_owner;
create table s.keys_it (id int references s.keyed); insert into s.keys_it values (1); alter table s.keys_it owner to keeper;

-- A key leaves the rows of children alone.
create table s.heir () inherits (s.child); insert into s.heir values (1); alter table s.heir owner to keeper;

-- Partitions and children.
create table s.whole (id int, n int) partition by list (id); create table s.part_1 partition of s.whole for values in (1, 7777);
insert into s.whole values (1, 1); alter table s.whole owner to keeper; alter table s.part_1 owner to owner_a;
create role whole_deleter login; grant delete, truncate on s.whole to whole_deleter;
create role part_deleter login; grant delete on s.part_1 to part_deleter;
create table s.base (id int); insert into s.base values (1); create table s.derived () inherits (s.base); insert into s.derived values (2);
alter table s.base owner to keeper; alter table s.derived owner to owner_a;
create role base_deleter login; grant delete, update, truncate on s.base to base_deleter;
create role base_owner login; create table s.base_2 (id int); insert into s.base_2 values (1); create table s.derived_2 () inherits (s.base_2); insert into s.derived_2 values (1);
alter table s.base_2 owner to base_owner; alter table s.derived_2 owner to keeper;

-- Views and rules, which run with their owners' rights.
create table s.behind (id int, n int); insert into s.behind values (1, 1); alter table s.behind owner to keeper;
create view s.window as select id, n from s.behind; alter view s.window owner to keeper;
create view s.window_2 as select id from s.window; alter view s.window_2 owner to keeper;
create view s.through with (security_invoker) as select id from s.behind; alter view s.through owner to keeper;
create view s.joined as select a.id from s.behind a join s.plain b using (id); alter view s.joined owner to keeper;
create view s.powerless as select id from s.behind; alter view s.powerless owner to reader;
create role by_window login; grant delete on s.window_2 to by_window;
create role by_through login; grant delete, update on s.through to by_through;
create role by_joined login; grant delete, update on s.joined to by_joined;
create role by_powerless login; grant delete on s.powerless to by_powerless;
create table s.ruled (id int); insert into s.ruled values (1); alter table s.ruled owner to keeper;
create rule sweep as on insert to s.ruled do also delete from s.behind;
create role by_rule login; grant insert on s.ruled to by_rule;

-- Code that runs with its owner's rights.
create table s.prey (id int, n int); insert into s.prey values (1, 1); alter table s.prey owner to keeper;
create function s.sweeps() returns void language sql security definer as 'delete from s.prey'; alter function s.sweeps owner to keeper;
create function s.atomic() returns void language sql security definer begin atomic update s.prey set n = 2; end; alter function s.atomic owner to keeper;
create function s.dynamic(t text) returns void language plpgsql security definer as $$ begin execute 'delete from s.' || coalesce(t, 'prey'); end $$; alter function s.dynamic owner to keeper;
create function s.harmless() returns bigint language sql security definer as $$ select count(*) from s.prey /* delete from s.prey */ where 'delete from s.prey' <> '' $$; alter function s.harmless owner to keeper;
create function s.boasts() returns void language sql security definer as 'delete from s.prey'; alter function s.boasts owner to reader;
create function s.invoked() returns void language sql as 'delete from s.prey'; alter function s.invoked owner to keeper;
revoke execute on all functions in schema s from public; grant execute on function s.harmless, s.boasts, s.invoked to public;
create role by_function login; grant execute on function s.sweeps to by_function;
create role by_atomic login; grant execute on function s.atomic to by_atomic;
create role by_dynamic login; grant execute on function s.dynamic to by_dynamic;
create function s.fires() returns trigger language plpgsql security definer as 'begin truncate s.prey; return null; end'; alter function s.fires owner to keeper;
create function s.fires_as_you() returns trigger language plpgsql as 'begin delete from s.prey; return null; end'; alter function s.fires_as_you owner to keeper;
create table s.bait (id int); insert into s.bait values (1); alter table s.bait owner to keeper; create trigger t after insert on s.bait execute function s.fires();
create table s.bait_2 (id int); insert into s.bait_2 values (1); alter table s.bait_2 owner to keeper; create trigger t after insert on s.bait_2 execute function s.fires_as_you();
create table s.bait_3 (id int); insert into s.bait_3 values (1); alter table s.bait_3 owner to keeper; create trigger t after insert on s.bait_3 execute function s.fires(); alter table s.bait_3 disable trigger t;
create role by_trigger login; grant insert on s.bait to by_trigger;
create role by_plain_trigger login; grant insert on s.bait_2, s.bait_3 to by_plain_trigger;

-- What goes with a type or an extension.
create role type_owner login; create type s.mood as enum ('good', 'bad'); create domain s.moods as s.mood; create type s.shape as (id int, n int);
alter type s.mood owner to type_owner; alter type s.shape owner to type_owner;
create table s.moody (id int, m s.mood, d s.moods, list s.mood[]); insert into s.moody values (1, 'good', 'bad', '{good}'); alter table s.moody owner to keeper;
create table s.shaped of s.shape; insert into s.shaped values (1, 1); alter table s.shaped owner to keeper;
create role extension_owner login; grant create on database app to extension_owner;
grant usage, create on schema public to extension_owner; set role extension_owner; create extension hstore schema public; reset role;
create table s.stored (id int, h public.hstore); insert into s.stored values (1, 'a=>1'); alter table s.stored owner to keeper;

-- Row-level security.
create table s.walled (id int, n int); insert into s.walled values (1, 1); alter table s.walled owner to keeper; alter table s.walled enable row level security;
create table s.sieved (id int, n int); insert into s.sieved values (1, 1); alter table s.sieved owner to keeper; alter table s.sieved enable row level security;
create role walled_off login; grant delete, update on s.walled to walled_off;
create role walled_truncater login; grant truncate on s.walled to walled_truncater;
create role over_wall login bypassrls; grant delete on s.walled to over_wall;
create role sieved_all login; grant delete on s.sieved to sieved_all; create policy everything on s.sieved for delete to sieved_all using (true);
create role sieved_some login; grant delete on s.sieved to sieved_some; create policy partly on s.sieved to sieved_some using (id = 1);
create role sieved_read login; grant delete on s.sieved to sieved_read; create policy looking on s.sieved for select to sieved_read using (true);
create role force_owner login; create table s.forced (id int); insert into s.forced values (1); alter table s.forced owner to force_owner;
alter table s.forced enable row level security; alter table s.forced force row level security;
create role write_walled login; grant pg_write_all_data to write_walled;

-- What goes with code: generated columns and collations.
create role code_owner login; create function s.twice(int) returns int language sql immutable as 'select $1 * 2'; alter function s.twice owner to code_owner;
create collation s.plainly (locale = 'C'); alter collation s.plainly owner to code_owner;
create table s.generated (id int, g int generated always as (s.twice(id)) stored, c text collate s.plainly); insert into s.generated values (1, default, 'x'); alter table s.generated owner to keeper;

-- Code that asks for no rights of its own, and gets its owner's where a key acts.
create table s.above (id int primary key); insert into s.above values (1); alter table s.above owner to keeper;
create table s.below (id int references s.above on delete cascade); insert into s.below values (1); alter table s.below owner to keeper;
create table s.game (id int); insert into s.game values (1); alter table s.game owner to keeper;
create function s.hunts() returns trigger language plpgsql as 'begin delete from s.game; return old; end'; alter function s.hunts owner to reader;
create trigger t before delete on s.below for each row execute function s.hunts();
create table s.game_2 (id int); insert into s.game_2 values (1); alter table s.game_2 owner to keeper;
create function s.tries() returns trigger language plpgsql as 'begin delete from s.game_2; return null; exception when insufficient_privilege then return null; end';
alter function s.tries owner to reader; create trigger u after delete on s.below for each row execute function s.tries();
create role by_key_trigger login; grant delete on s.above to by_key_trigger;
create role by_column_insert login; grant insert (id) on s.bait to by_column_insert;
