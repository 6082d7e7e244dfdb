"""SQLAlchemy 2 on psycopg: start-up, reflection, ORM. Run by `run`; the contract is in README.md."""

import sqlalchemy as sa
from sqlalchemy import orm

from transcript import expect, parameters, show, step

KEYS = range(1400, 1410)


class Base(orm.DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"

    id: orm.Mapped[int] = orm.mapped_column(primary_key=True, autoincrement=False)
    body: orm.Mapped[str | None]
    n: orm.Mapped[int | None]


def engine():
    settings = parameters()
    url = sa.URL.create(
        "postgresql+psycopg",
        username=settings.pop("user"),
        password=settings.pop("password"),
        host=settings.pop("host"),
        port=int(settings.pop("port")),
        database=settings.pop("dbname"),
        query=settings,
    )
    return sa.create_engine(url, pool_size=2, pool_pre_ping=True)


def describe(error):
    return f"{error.orig.sqlstate} {error.orig.diag.message_primary}"


def clean(connection):
    for key in KEYS:
        connection.execute(sa.delete(Note).where(Note.id == key))


def start_up(db):
    step("start-up")
    with db.connect() as connection:
        show("dialect", db.dialect.name, db.dialect.default_schema_name)
        show("version", ".".join(str(part) for part in db.dialect.server_version_info))
        show("isolation", connection.get_isolation_level(), db.dialect.default_isolation_level)


def inspection(db):
    step("inspection")
    inspector = sa.inspect(db)
    show("schemas", inspector.get_schema_names())
    show("tables", sorted(inspector.get_table_names()))
    show("views", sorted(inspector.get_view_names()), sorted(inspector.get_materialized_view_names()))
    show("enums", [(enum["name"], enum["labels"]) for enum in inspector.get_enums()])
    show("domains", [(domain["name"], str(domain["type"])) for domain in inspector.get_domains()])
    show("a view", inspector.get_view_definition("open_reservations"))
    for table in sorted(inspector.get_table_names()):
        show(f"{table} columns", [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in inspector.get_columns(table)])
        show(f"{table} key", inspector.get_pk_constraint(table)["constrained_columns"])
        show(f"{table} foreign keys", sorted(
            (tuple(key["constrained_columns"]), key["referred_table"], str(sorted(key["options"].items())))
            for key in inspector.get_foreign_keys(table)
        ))
        show(f"{table} indexes", sorted((index["name"], tuple(index["column_names"]), index["unique"]) for index in inspector.get_indexes(table)))
        show(f"{table} unique", sorted(tuple(c["column_names"]) for c in inspector.get_unique_constraints(table)))
        show(f"{table} checks", sorted(c["sqltext"] for c in inspector.get_check_constraints(table)))
        show(f"{table} comment", inspector.get_table_comment(table)["text"])


def reflection(db):
    step("reflection of the whole schema")
    metadata = sa.MetaData()
    metadata.reflect(db, views=True)
    for table in metadata.sorted_tables:
        show(table.name, [(column.name, repr(column.type)[:60]) for column in table.columns])
    reservations, customers = metadata.tables["reservations"], metadata.tables["customers"]
    query = (
        sa.select(customers.c.city, sa.func.count(), sa.func.sum(reservations.c.total))
        .join_from(reservations, customers)
        .where(reservations.c.status == "returned")
        .group_by(customers.c.city)
        .order_by(customers.c.city)
    )
    with db.connect() as connection:
        for row in connection.execute(query):
            show("row", *row)


def objects(db):
    step("ORM on notes")
    with orm.Session(db) as session:
        session.add_all([Note(id=1400, body="one", n=1), Note(id=1401, body="two", n=2), Note(id=1402)])
        session.commit()
        note = session.get_one(Note, 1400)
        note.body, note.n = "changed", Note.n + 10
        session.commit()
        show("changed", note.body, note.n)
        with expect(sa.exc.IntegrityError, describe), session.begin_nested():
            session.execute(sa.insert(Note).values(id=1400, body="again"))
        session.delete(session.get_one(Note, 1402))
        session.flush()
        session.rollback()
        mine = sa.select(Note).where(Note.id.in_(KEYS)).order_by(Note.id)
        show("all", [(note.id, note.body, note.n) for note in session.scalars(mine)])
        returned = session.execute(sa.update(Note).where(Note.id == 1401).values(n=Note.n * 2).returning(Note.n))
        show("returned", returned.scalar_one())
        session.commit()


def streams(db):
    step("streaming, two-level transactions, errors")
    with db.connect() as connection:
        result = connection.execution_options(yield_per=500).execute(sa.text("SELECT id FROM vehicles ORDER BY id"))
        show("streamed", sum(1 for _ in result))
    with db.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        show("isolation", connection.scalar(sa.text("SHOW transaction_isolation")))
    with db.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        show("autocommit", connection.scalar(sa.text("SELECT 1")))
    with db.connect() as connection, expect(sa.exc.ProgrammingError, describe):
        connection.execute(sa.text("SELECT * FROM nowhere"))
    with db.connect() as connection, expect(sa.exc.DataError, describe):
        connection.execute(sa.text("SELECT 1 / (:n - 1)"), {"n": 1})
    with db.begin() as connection:
        show("many", connection.execute(sa.insert(Note), [{"id": 1403 + n, "body": str(n), "n": n} for n in range(3)]).rowcount)


def main():
    db = engine()
    with db.begin() as connection:
        clean(connection)
    for part in (start_up, inspection, reflection, objects, streams):
        part(db)
    with db.begin() as connection:
        clean(connection)
    db.dispose()


main()
