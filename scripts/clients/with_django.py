"""Django: start-up, inspectdb, ORM. Run by `run`; the contract is in README.md."""

import io

import django
from django.conf import settings
from django.core import management

from transcript import parameters, show, step, expect

KEYS = range(1500, 1510)


def configure():
    given = parameters()
    settings.configure(
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "HOST": given.pop("host"),
                "PORT": given.pop("port"),
                "USER": given.pop("user"),
                "PASSWORD": given.pop("password"),
                "NAME": given.pop("dbname"),
                "OPTIONS": given,
            }
        },
        USE_TZ=True,
        TIME_ZONE="Europe/Berlin",
    )
    django.setup()


configure()

from django.db import DataError, IntegrityError, connection, models, transaction  # noqa: E402 (needs the settings)


class Note(models.Model):
    id = models.IntegerField(primary_key=True)
    body = models.TextField(null=True)
    n = models.IntegerField(null=True)

    class Meta:
        app_label = "conformance"
        db_table = "notes"
        managed = False


class Customer(models.Model):
    id = models.BigIntegerField(primary_key=True)
    name = models.TextField()
    city = models.TextField()
    born_on = models.DateField()
    created_at = models.DateTimeField()

    class Meta:
        app_label = "conformance"
        db_table = "customers"
        managed = False


class Reservation(models.Model):
    id = models.BigIntegerField(primary_key=True)
    customer = models.ForeignKey(Customer, models.DO_NOTHING)
    starts_on = models.DateField()
    total = models.DecimalField(max_digits=10, decimal_places=2)
    status = models.TextField()

    class Meta:
        app_label = "conformance"
        db_table = "reservations"
        managed = False


def clean():
    for key in KEYS:
        Note.objects.filter(pk=key).delete()


def describe(error):
    return error.__cause__.sqlstate + " " + error.__cause__.diag.message_primary


def start_up():
    step("start-up and introspection")
    connection.ensure_connection()
    show("vendor", connection.vendor, connection.display_name)
    show("features", connection.features.supports_transactions, connection.features.has_select_for_update_skip_locked)
    with connection.cursor() as cursor:
        inspect = connection.introspection
        show("tables", sorted((table.name, table.type) for table in inspect.get_table_list(cursor)))
        show("key", inspect.get_primary_key_column(cursor, "customers"))
        show("constraints", sorted(
            (name, tuple(about["columns"] or ()), about["unique"], about["foreign_key"])
            for name, about in inspect.get_constraints(cursor, "reservations").items()
        ))
        show("time zone", cursor.execute("SHOW TimeZone").fetchone())
    models_py = io.StringIO()
    management.call_command("inspectdb", "--include-views", "--include-partitions", stdout=models_py)
    print(models_py.getvalue())


def reads():
    step("queries")
    show("first", Customer.objects.order_by("id").values_list("name", "city", "born_on", "created_at").first())
    show("count", Customer.objects.filter(city__in=["Oslo", "Turin"], name__startswith="A").count())
    show("exists", Customer.objects.filter(name__icontains="o'neill").exists())
    by_city = Customer.objects.values("city").annotate(n=models.Count("id"), youngest=models.Max("born_on")).order_by("city")
    for row in by_city:
        show("city", row)
    joined = Reservation.objects.select_related("customer").filter(customer__city="Oslo").order_by("id")[:3]
    show("joined", [(r.id, r.customer.name, r.total) for r in joined])
    show("aggregate", Reservation.objects.aggregate(models.Sum("total"), models.Avg("total")))
    show("by month", list(Reservation.objects.dates("starts_on", "month")[:3]))
    show("in bulk", sorted(Customer.objects.in_bulk([1, 2, 3])))
    show("raw", [c.name for c in Customer.objects.raw("SELECT * FROM customers WHERE id = %s", [4])])
    show("explained", "Limit" in Customer.objects.all()[:1].explain())
    with transaction.atomic():
        show("server-side", sum(1 for _ in Customer.objects.order_by("id").iterator(chunk_size=4000)))
    # In autocommit this declares its cursor WITH HOLD.
    show("server-side, held", sum(1 for _ in Customer.objects.filter(id__lt=50).iterator(chunk_size=20)))


def writes():
    step("writing notes")
    Note.objects.create(id=1500, body="one", n=1)
    Note.objects.bulk_create([Note(id=1501, body="two", n=2), Note(id=1502, body=None, n=None)])
    show("updated", Note.objects.filter(pk=1500).update(n=models.F("n") + 10))
    note = Note.objects.get(pk=1501)
    note.body = "changed"
    note.save()
    show("created", Note.objects.update_or_create(pk=1503, defaults={"body": "new"})[1])
    show("got", Note.objects.get_or_create(pk=1503)[1])
    with expect(IntegrityError, describe):
        Note.objects.create(id=1500)
    try:
        with transaction.atomic():
            Note.objects.filter(pk=1500).delete()
            with expect(DataError, describe), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT 1 / 0")
            show("inside", Note.objects.filter(pk=1500).exists())
            raise KeyError("roll back")
    except KeyError:
        show("after", Note.objects.filter(pk=1500).exists())
    with transaction.atomic():
        show("locked", Note.objects.select_for_update().get(pk=1500).n)
    show("all", list(Note.objects.filter(pk__in=list(KEYS)).order_by("pk").values_list()))
    show("deleted", Note.objects.filter(pk=1502).delete())


def main():
    clean()
    start_up()
    reads()
    writes()
    clean()
    connection.close()


main()
