"""A delivery may wait for what other lanes of its destination hold."""

from alembic import op

revision = "store_0004_behind"
down_revision = "store_0003_hold"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE outbox ADD COLUMN behind TEXT DEFAULT '' NOT NULL")


def downgrade() -> None:
    raise NotImplementedError("files go forward only; restore a backup to go back")
