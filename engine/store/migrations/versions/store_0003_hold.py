"""A delivery may wait for a person: the reason stands with it."""

from alembic import op

revision = "store_0003_hold"
down_revision = "store_0002_lanes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE outbox ADD COLUMN hold TEXT DEFAULT '' NOT NULL")


def downgrade() -> None:
    raise NotImplementedError("files go forward only; restore a backup to go back")
