"""Rows that must be looked at before they leave, and that a person let go."""

from alembic import op

revision = "journal_0003"
down_revision = "journal_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
    CREATE TABLE approvals (
        lane INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (lane, seq)
    ) WITHOUT ROWID, STRICT
    """
    )


def downgrade() -> None:
    raise NotImplementedError("files go forward only; restore a backup to go back")
