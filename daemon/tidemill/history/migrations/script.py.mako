"""${message}."""

from typing import Final

revision: Final = ${repr(up_revision)}
down_revision: Final = ${repr(down_revision)}

STATEMENTS: Final[tuple[str, ...]] = ()


def statements(dialect: str) -> list[str]:
    """Return the SQL of this version for a database."""
    return list(STATEMENTS)


def upgrade() -> None:
    """Apply this version; called by Alembic."""
    from alembic import op

    for text in statements(op.get_bind().dialect.name):
        op.execute(text)
