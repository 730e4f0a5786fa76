"""The versions of the history's schema, oldest first, each as SQL text.

A new history runs them one after the other, without Alembic; an old one is brought up by Alembic, in one
transaction. So there is one text for both ways, and Alembic is imported only when there is work for it.
"""

from typing import Final

VERSIONS: Final = ("0001", "0002", "0003", "0004", "0005")
"""The revision of each file in ``versions``, in order."""

LATEST: Final = VERSIONS[-1]
