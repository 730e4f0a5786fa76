"""SQL text with tuples, on the driver's own cursor, inside the transaction that SQLAlchemy began.

SQLAlchemy keeps the engine, the connection and the transaction; building and compiling each statement
would cost two to four times what SQLite itself takes, so the rows go to the driver directly.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

Row = tuple[Any, ...]


class Statements:
    """Executes SQL written with ``?``, whatever the driver's own marks are."""

    def __init__(self, connection: Connection) -> None:
        self._cursor = connection.connection.cursor()
        self._marks = connection.dialect.paramstyle == "qmark"
        self._texts: dict[str, str] = {}

    def execute(self, sql: str, parameters: Row = ()) -> int:
        """Execute one statement; return how many rows it changed."""
        self._cursor.execute(self._text(sql), parameters)
        return int(self._cursor.rowcount)

    def execute_all(self, sql: str, rows: Sequence[Row]) -> int:
        """Execute one statement for each of *rows*; return how many rows it changed."""
        self._cursor.executemany(self._text(sql), rows)
        return int(self._cursor.rowcount)

    def row(self, sql: str, parameters: Row = ()) -> Row | None:
        """Return the first row of a query, or None."""
        rows = self.rows(sql, parameters)
        return rows[0] if rows else None

    def rows(self, sql: str, parameters: Row = ()) -> list[Row]:
        """Return all rows of a query."""
        self._cursor.execute(self._text(sql), parameters)
        return [tuple(row) for row in self._cursor.fetchall()]

    def close(self) -> None:
        """Let go of the cursor."""
        self._cursor.close()

    def _text(self, sql: str) -> str:
        if self._marks:
            return sql
        text = self._texts.get(sql)
        if text is None:
            # No text of ours holds a question mark or a percent sign of its own.
            text = self._texts[sql] = sql.replace("?", "%s")
        return text
