"""Releases are found without looking through all entries."""

from alembic import op

revision = "journal_0004"
down_revision = "journal_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX entries_released ON entries (h) WHERE kind = 2")


def downgrade() -> None:
    raise NotImplementedError("files go forward only; restore a backup to go back")
