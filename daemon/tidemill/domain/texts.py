"""Texts of other people: what they mean by some, and how much is kept of those that their code made."""

from collections.abc import Mapping
from typing import Final

TRUTHS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True),
    **dict.fromkeys(("0", "false", "f", "no", "n", "off"), False),
}
"""What people write for a truth value."""


def shorten(text: str, limit: int) -> str:
    """Cut *text* to *limit* characters, its middle first, and make it storable."""
    if len(text) > limit:
        text = f"{text[: limit // 2]}\n… {len(text) - limit} characters left out …\n{text[-limit // 2 :]}"
    return text.encode("utf-8", "backslashreplace").decode()
