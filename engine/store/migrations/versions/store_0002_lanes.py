"""The lane in which an order's messages go, where STAT orders have one of their own."""

from alembic import op

revision = "store_0002_lanes"
down_revision = "store_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
    CREATE TABLE order_lanes (
        number TEXT NOT NULL,
        destination TEXT NOT NULL,
        lane INTEGER NOT NULL,
        PRIMARY KEY (number, destination)
    ) WITHOUT ROWID, STRICT
    """
    )


def downgrade() -> None:
    raise NotImplementedError("files go forward only; restore a backup to go back")
