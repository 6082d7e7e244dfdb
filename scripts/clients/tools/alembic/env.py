"""Alembic's environment: the database at URL, one transaction for all migrations."""

import os

from alembic import context
from sqlalchemy import create_engine

url = os.environ["URL"].replace("postgresql://", "postgresql+psycopg://", 1)
with create_engine(url).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
