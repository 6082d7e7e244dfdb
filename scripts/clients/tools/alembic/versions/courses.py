"""A course platform's tables."""

import sqlalchemy as sa
from alembic import op

revision = "courses"
down_revision = None


def upgrade():
    op.create_table("courses", sa.Column("id", sa.Integer, primary_key=True), sa.Column("title", sa.Text))
    op.create_table("students", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))
    op.create_table(
        "enrolments",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("course", sa.Integer, sa.ForeignKey("courses.id")),
        sa.Column("student", sa.Integer, sa.ForeignKey("students.id")),
    )


def downgrade():
    for table in ("enrolments", "students", "courses"):
        op.drop_table(table)
