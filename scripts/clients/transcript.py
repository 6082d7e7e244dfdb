"""What the Python programs share: the DSN, and how a transcript is written.

It must not hide anything: what a client raises is either expected or fails the program.
"""

import contextlib
import os
import ssl

from psycopg import conninfo


def dsn():
    """The connection string, as libpq reads it."""
    return os.environ["DSN"]


def parameters():
    """The connection string's keywords and values."""
    return conninfo.conninfo_to_dict(dsn())


def tls(settings):
    """The TLS context that `sslmode` and `sslrootcert` ask for; None for none."""
    if settings.get("sslmode") != "verify-full":
        return None
    return ssl.create_default_context(cafile=settings["sslrootcert"])


def step(title):
    print(f"== {title}", flush=True)


def show(label, *values):
    print(f"{label}: " + " | ".join(repr(value) for value in values), flush=True)


@contextlib.contextmanager
def expect(kind, describe):
    """Whatever runs inside must raise `kind`, which is written down by `describe`."""
    try:
        yield
    except kind as error:
        print(f"{type(error).__name__}: {describe(error)}", flush=True)
    else:
        raise SystemExit(f"{kind.__name__} was expected and did not come")
