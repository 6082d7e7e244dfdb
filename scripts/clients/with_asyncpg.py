"""asyncpg, as applications use it. Run by `run`; the contract is in README.md."""

import asyncio
import datetime
import decimal
import io
import json
import uuid

import asyncpg

from transcript import expect, parameters, show, step, tls

KEYS = range(1300, 1310)


def describe(error):
    return f"{error.sqlstate} {error.message}"


def arguments():
    settings = parameters()
    return {
        "host": settings["host"],
        "port": int(settings["port"]),
        "user": settings["user"],
        "password": settings["password"],
        "database": settings["dbname"],
        "ssl": tls(settings) or False,
    }


async def clean(connection):
    for key in KEYS:
        await connection.execute("DELETE FROM notes WHERE id = $1", key)


async def queries(connection):
    step("queries")
    show("value", await connection.fetchval("SELECT 41 + $1::int", 1))
    show("row", dict(await connection.fetchrow("SELECT id, name, born_on, created_at FROM customers WHERE id = $1", 5)))
    show("rows", [tuple(row) for row in await connection.fetch("SELECT * FROM vehicle_classes ORDER BY code")])
    show("simple protocol", await connection.execute("SELECT 1; SELECT 2"))
    show("nothing", await connection.fetchrow("SELECT 1 WHERE false"))
    with expect(asyncpg.DivisionByZeroError, describe):
        await connection.fetchval("SELECT 1 / $1::int", 0)
    with expect(asyncpg.PostgresSyntaxError, describe):
        await connection.execute("SELEKT 1")
    with expect(asyncpg.DataError, lambda error: str(error).split("(")[0]):
        await connection.fetchval("SELECT $1::int", "no number")


async def types(connection):
    step("types, and looking them up")
    # An enum, its array, a row type and a domain: asyncpg asks the catalogue for each.
    show("enum", await connection.fetchval("SELECT status FROM vehicles WHERE id = 1"))
    show("enum array", await connection.fetchval("SELECT array_agg(DISTINCT status ORDER BY status) FROM reservations"))
    show("row type", tuple(await connection.fetchval("SELECT c FROM vehicle_classes c WHERE code = 'van'")))
    show("enum argument", await connection.fetchval("SELECT count(*) FROM vehicles WHERE status = $1::vehicle_status", "sold"))
    values = {
        "int8": 2**62, "numeric": decimal.Decimal("123456789.0000000001"), "float8": 0.1, "text": "naïve – ☃ 𝄞",
        "bytea": bytes(range(32)), "bool": False, "date": datetime.date(2026, 2, 28),
        "timestamp": datetime.datetime(2026, 4, 25, 12, 0, 0, 123456),
        "timestamptz": datetime.datetime(2026, 4, 25, 12, 0, tzinfo=datetime.timezone.utc),
        "interval": datetime.timedelta(days=3, microseconds=5), "int4[]": [1, None, 3], "text[]": ["a", 'b"', "c,d"],
        "uuid": uuid.UUID("550e8400-e29b-41d4-a716-446655440000"), "int4range": asyncpg.Range(1, 5), "text": None,
    }
    for name, value in values.items():
        show(name, await connection.fetchval(f"SELECT $1::{name}", value))
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    show("jsonb", await connection.fetchval("SELECT $1::jsonb", {"k": [1, None, {"x": "y"}]}))


async def prepared(connection):
    step("prepared statements")
    statement = await connection.prepare("SELECT id, plate, status, tags FROM vehicles WHERE id = $1")
    show("parameters", [(p.name, p.kind) for p in statement.get_parameters()])
    show("attributes", [(a.name, a.type.name, a.type.kind) for a in statement.get_attributes()])
    for key in (1, 2, 99999):
        row = await statement.fetchrow(key)
        show("run", tuple(row) if row else None)
    show("status", statement.get_statusmsg())
    for key in range(1, 8):
        name = await connection.fetchval("SELECT name FROM customers WHERE id = $1", key)
    show("from the cache", name)
    with expect(asyncpg.UndefinedColumnError, describe):
        await connection.prepare("SELECT nothing FROM vehicles")


async def writes(connection):
    step("writing notes")
    show("insert", await connection.execute("INSERT INTO notes VALUES ($1, $2, $3)", 1300, "one", 1))
    await connection.executemany("INSERT INTO notes VALUES ($1, $2, $3)", [(1301, "two", 2), (1302, None, None)])
    show("update", await connection.fetchval("UPDATE notes SET n = n + 1 WHERE id = $1 RETURNING n", 1300))
    with expect(asyncpg.UniqueViolationError, lambda error: f"{describe(error)} / {error.detail}"):
        await connection.execute("INSERT INTO notes VALUES (1300, 'again', 1)")
    show("delete", await connection.execute("DELETE FROM notes WHERE id = $1", 1302))


async def transactions(connection):
    step("transactions")
    async with connection.transaction():
        await connection.execute("UPDATE notes SET body = 'committed' WHERE id = 1300")
        with expect(asyncpg.DivisionByZeroError, describe):
            async with connection.transaction():
                await connection.execute("UPDATE notes SET body = 'rolled back' WHERE id = 1300")
                await connection.execute("SELECT 1 / 0")
        show("inside", connection.is_in_transaction())
    show("kept", await connection.fetchval("SELECT body FROM notes WHERE id = 1300"))
    transaction = connection.transaction(isolation="repeatable_read", readonly=True)
    await transaction.start()
    show("isolation", await connection.fetchval("SHOW transaction_isolation"))
    with expect(asyncpg.ReadOnlySQLTransactionError, describe):
        await connection.execute("DELETE FROM notes WHERE id = 1300")
    with expect(asyncpg.InFailedSQLTransactionError, describe):
        await connection.execute("SELECT 1")
    await transaction.rollback()
    show("after", connection.is_in_transaction())


async def cursors(connection):
    step("cursors")
    async with connection.transaction():
        plates = [row["plate"] async for row in connection.cursor("SELECT plate FROM vehicles ORDER BY id LIMIT 120", prefetch=7)]
        show("iterated", len(plates), plates[0], plates[-1])
        cursor = await connection.cursor("SELECT id FROM vehicles WHERE class_code = $1 ORDER BY id", "truck")
        show("fetched", [row["id"] for row in await cursor.fetch(3)])
        await cursor.forward(5)
        show("after a jump", (await cursor.fetchrow())["id"])


async def copies(connection):
    step("COPY")
    records = [(1303, "tab\tand\nnewline", 3), (1304, None, None)]
    show("records, binary", await connection.copy_records_to_table("notes", records=records))
    show("text", await connection.copy_to_table("notes", source=io.BytesIO(b"1305,csv,5\n"), format="csv"))
    out = io.BytesIO()
    show("out", await connection.copy_from_query("SELECT * FROM notes WHERE id = ANY($1) ORDER BY id", [1303, 1304, 1305], output=out, format="csv"))
    show("data", out.getvalue())
    out = io.BytesIO()
    show("a table", await connection.copy_from_table("vehicle_classes", output=out), len(out.getvalue()))
    with expect(asyncpg.BadCopyFileFormatError, describe):
        await connection.copy_to_table("notes", source=io.BytesIO(b"1306\n"))


async def cancels(connection):
    step("cancel")
    with expect(TimeoutError, str):
        await connection.fetchval("SELECT count(*) FROM reservations a, reservations b WHERE a.total > b.total", timeout=0.5)
    show("and on", await connection.fetchval("SELECT 'fine'"))


async def main():
    connection = await asyncpg.connect(**arguments())
    connection.add_log_listener(lambda _, message: show("notice", message.message))
    await clean(connection)
    for part in (queries, types, prepared, writes, transactions, cursors, copies, cancels):
        await part(connection)
    await connection.close()

    step("a pool, which resets its connections")
    async with asyncpg.create_pool(**arguments(), min_size=2, max_size=2) as pool:
        for _ in range(3):
            async with pool.acquire() as connection:
                await connection.execute("SET statement_timeout = '30s'")
        show("together", await asyncio.gather(*(pool.fetchval("SELECT $1::int", n) for n in range(6))))
        async with pool.acquire() as connection:
            await clean(connection)


asyncio.run(main())
