"""psycopg 3, as applications use it. Run by `run`; the contract is in README.md."""

import datetime
import decimal
import threading
import time

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.enum import EnumInfo
from psycopg.types.json import Jsonb
from psycopg.types.range import Range

from transcript import dsn, expect, show, step

KEYS = range(1200, 1210)


def describe(error):
    return f"{error.sqlstate} {error.diag.message_primary}"


def clean(connection):
    for key in KEYS:
        connection.execute("DELETE FROM notes WHERE id = %s", (key,))


def simple(connection):
    step("simple and parameterised queries")
    show("no parameters", connection.execute("SELECT 1 AS one, 'two' AS two").fetchall())
    rows = connection.execute(
        "SELECT id, name, loyalty, born_on, created_at FROM customers WHERE id = ANY(%s) ORDER BY id", ([1, 2, 3],)
    )
    show("columns", [(column.name, column.type_code) for column in rows.description])
    for row in rows:
        show("row", *row)
    # Several statements in one message: psycopg sends these by the simple protocol.
    cursor = connection.execute("SELECT 1; SELECT 2, 3")
    show("first", cursor.fetchall())
    cursor.nextset()
    show("second", cursor.fetchall())
    with connection.cursor(row_factory=dict_row) as cursor:
        show("dict", cursor.execute("SELECT code, daily_rate FROM vehicle_classes ORDER BY code LIMIT 1").fetchone())
    query = sql.SQL("SELECT {} FROM {} WHERE id = %s").format(sql.Identifier("plate"), sql.Identifier("vehicles"))
    show("composed", connection.execute(query, (3,)).fetchone())
    with psycopg.ClientCursor(connection) as cursor:
        show("bound by the client", cursor.execute("SELECT %s, %s", ("it's", None)).fetchone())
    with connection.cursor(binary=True) as cursor:
        show("binary", cursor.execute("SELECT 1.5::float8, 'x'::text, true, NULL::int").fetchone())
    show("no result", connection.execute("SET statement_timeout = '60s'").statusmessage)


def types(connection):
    step("types, there and back")
    values = {
        "int": 2**62, "negative": -1, "numeric": decimal.Decimal("12345678901234567890.123456789"), "float": 0.1,
        "nan": "NaN", "text": "naïve – ☃ 𝄞", "bytes": bytes(range(256)), "bool": True, "none": None,
        "date": datetime.date(2026, 2, 28), "time": datetime.time(23, 59, 59, 999999),
        "timestamp": datetime.datetime(2026, 4, 25, 12, 0, 0, 123456),
        "timestamptz": datetime.datetime(2026, 4, 25, 12, 0, tzinfo=datetime.timezone.utc),
        "interval": datetime.timedelta(days=3, seconds=4, microseconds=5),
        "array": [1, 2, None, 4], "nested": [["a", "b"], ["c", 'd"']], "jsonb": Jsonb({"k": [1, "two", None, {"three": 3.5}]}),
        "range": Range(1, 5, "[)"),
    }
    for binary in (False, True):
        with connection.cursor(binary=binary) as cursor:
            for name, value in values.items():
                show(f"{name}, binary={binary}", cursor.execute("SELECT %s", (value,)).fetchone()[0])
    row = connection.execute(
        "SELECT '550e8400-e29b-41d4-a716-446655440000'::uuid, '10.0.0.0/8'::cidr, '1 mon 2 days'::interval,"
        " '{1.50,NULL}'::numeric[], 'infinity'::float8, '(1,2)'::point, 'a=>b'::text::bytea, B'101'"
    ).fetchone()
    show("others", *row)
    info = EnumInfo.fetch(connection, "vehicle_status")
    show("an enum", info.labels)
    show("enum values", connection.execute("SELECT status FROM vehicles ORDER BY id LIMIT 3").fetchall())
    show("rows with json and arrays", connection.execute("SELECT features, tags FROM vehicles ORDER BY id LIMIT 3").fetchall())


def prepared(connection):
    step("prepared statements")
    for key in (1, 2, 3):
        row = connection.execute("SELECT name FROM customers WHERE id = %s", (key,), prepare=True).fetchone()
        show("prepared at once", row)
    # After five runs psycopg prepares by itself.
    for key in range(1, 9):
        row = connection.execute("SELECT plate FROM vehicles WHERE id = %s", (key,)).fetchone()
    show("prepared by habit", row)
    with expect(psycopg.errors.DivisionByZero, describe):
        for divisor in (1, 0):
            connection.execute("SELECT 10 / %s::int", (divisor,), prepare=True)
    show("and on", connection.execute("SELECT 10 / %s::int", (5,), prepare=True).fetchone())


def writes(connection):
    step("writing notes")
    cursor = connection.execute("INSERT INTO notes VALUES (%s, %s, %s) RETURNING id, body, n", (1200, "one", 1))
    show("inserted", cursor.statusmessage, cursor.fetchone())
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO notes VALUES (%s, %s, %s)", [(1201, "two", 2), (1202, "three", 3)])
        show("many", cursor.rowcount)
        cursor.executemany("UPDATE notes SET n = n * 2 WHERE id = %s RETURNING n", [(1201,), (1202,)], returning=True)
        results = [cursor.fetchall()]
        while cursor.nextset():
            results.append(cursor.fetchall())
        show("many, returning", results)
    with expect(psycopg.errors.UniqueViolation, lambda e: f"{describe(e)} / {e.diag.message_detail} / {e.diag.constraint_name}"):
        connection.execute("INSERT INTO notes VALUES (1200, 'again', 1)")
    show("deleted", connection.execute("DELETE FROM notes WHERE id = %s", (1202,)).statusmessage)


def transactions(connection):
    step("transactions")
    with connection.transaction():
        connection.execute("UPDATE notes SET body = 'committed' WHERE id = 1200")
        with expect(psycopg.errors.DivisionByZero, describe), connection.transaction():
            connection.execute("UPDATE notes SET body = 'rolled back' WHERE id = 1200")
            connection.execute("SELECT 1 / 0")
    show("the savepoint is undone", connection.execute("SELECT body FROM notes WHERE id = 1200").fetchone())
    with connection.transaction(force_rollback=True):
        connection.execute("DELETE FROM notes WHERE id = 1200")
        show("inside", connection.info.transaction_status.name)
    show("outside", connection.info.transaction_status.name)
    connection.autocommit = False
    connection.execute("SELECT 1")
    with expect(psycopg.errors.UndefinedTable, describe):
        connection.execute("SELECT * FROM nowhere")
    with expect(psycopg.errors.InFailedSqlTransaction, describe):
        connection.execute("SELECT 1")
    show("failed", connection.info.transaction_status.name)
    connection.rollback()
    connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
    connection.read_only = True
    show("serializable", connection.execute("SHOW transaction_isolation").fetchone())
    with expect(psycopg.errors.ReadOnlySqlTransaction, describe):
        connection.execute("DELETE FROM notes WHERE id = 1200")
    connection.rollback()
    connection.read_only = connection.isolation_level = None
    connection.autocommit = True


def cursors(connection):
    step("server-side cursors")
    with connection.transaction(), connection.cursor(name="page", scrollable=True) as cursor:
        cursor.execute("SELECT id, plate FROM vehicles WHERE class_code = %s ORDER BY id", ("van",))
        show("two", cursor.fetchmany(2))
        cursor.scroll(10, mode="absolute")
        show("after a jump", cursor.fetchone())
        cursor.itersize = 50
        show("the rest", sum(1 for _ in cursor))


def copies(connection):
    step("COPY both ways")
    with connection.cursor() as cursor:
        with cursor.copy("COPY notes (id, body, n) FROM STDIN") as copy:
            copy.write_row((1203, "tab\tand\nnewline", 3))
            copy.write_row((1204, None, None))
        show("copied in", cursor.rowcount)
        with cursor.copy("COPY notes (id, body, n) FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int4", "text", "int4"])
            copy.write_row((1205, "binary", 5))
        show("copied in, binary", cursor.rowcount)
        with cursor.copy("COPY (SELECT id, body, n FROM notes WHERE id IN (1203, 1204, 1205) ORDER BY id) TO STDOUT") as copy:
            for data in copy:
                show("data", bytes(data))
        with cursor.copy("COPY (SELECT id, city FROM customers ORDER BY id LIMIT 2000) TO STDOUT (FORMAT csv)") as copy:
            show("bytes of a longer one", sum(len(data) for data in copy))
    with expect(psycopg.errors.BadCopyFileFormat, describe), connection.cursor() as cursor:
        with cursor.copy("COPY notes FROM STDIN") as copy:
            copy.write(b"1206\ttoo few\n")
    # What goes wrong inside becomes a CopyFail, and comes out again as it was.
    with expect(KeyError, str), connection.cursor() as cursor:
        with cursor.copy("COPY notes FROM STDIN") as copy:
            copy.write_row((1206, "never", 1))
            raise KeyError("the client gives up")
    show("none of it", connection.execute("SELECT count(*) FROM notes WHERE id = 1206").fetchone())


def pipelines(connection):
    step("pipeline mode")
    with connection.pipeline():
        cursors = [connection.execute("SELECT %s::int * 2", (n,)) for n in range(5)]
        show("results", [cursor.fetchone()[0] for cursor in cursors])
        connection.execute("UPDATE notes SET n = 100 WHERE id = 1200")
        show("a write among them", connection.execute("SELECT n FROM notes WHERE id = 1200").fetchone())
    # Where in the pipeline the error comes out depends on how soon the answer is there.
    with expect(psycopg.errors.DivisionByZero, describe), connection.pipeline() as pipeline:
        connection.execute("UPDATE notes SET n = 0 WHERE id = 1200")
        connection.execute("SELECT 1 / 0")
        connection.execute("SELECT 'skipped'")
        pipeline.sync()
    show("the write before the error is undone", connection.execute("SELECT n FROM notes WHERE id = 1200").fetchone())
    with connection.transaction(), connection.pipeline() as pipeline:
        connection.execute("UPDATE notes SET n = 101 WHERE id = 1200")
        pipeline.sync()
        show("synchronised", connection.execute("SELECT n FROM notes WHERE id = 1200").fetchone())
    show("and on", connection.execute("SELECT 'fine'").fetchone())


def cancels(connection):
    step("cancel")
    def soon():
        time.sleep(0.5)
        connection.cancel_safe()
    thread = threading.Thread(target=soon)
    thread.start()
    with expect(psycopg.errors.QueryCanceled, describe):
        connection.execute("SELECT count(*) FROM reservations a, reservations b WHERE a.total > b.total")
    thread.join()
    show("and on", connection.execute("SELECT 'fine'").fetchone())


def main():
    with psycopg.connect(dsn(), autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: show("notice", notice.severity, notice.message_primary))
        show("encoding", connection.info.encoding, connection.info.parameter_status("standard_conforming_strings"))
        clean(connection)
        for part in (simple, types, prepared, writes, transactions, cursors, copies, pipelines, cancels):
            part(connection)
        clean(connection)


main()
