"""Rows that a person skipped before their lane came to them."""

from alembic import op

revision = "journal_0002"
down_revision = "journal_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
    CREATE TABLE skips (
        lane INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (lane, seq)
    ) WITHOUT ROWID, STRICT
    """
    )


def downgrade() -> None:
    raise NotImplementedError("files go forward only; restore a backup to go back")
