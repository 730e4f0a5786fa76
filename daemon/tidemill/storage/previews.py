"""What a person may see of a value, made when it is written, so that reading a history never unpickles."""

import reprlib
from typing import Any, Final

from tidemill.domain.results import ResultInfo
from tidemill.domain.secrecy import hide, is_needed
from tidemill.domain.texts import shorten

PREVIEW_LIMIT: Final = 1000
WITHHELD: Final = "**** (not kept: it holds a secret)"
"""What is seen of a result that would bring a secret into the history."""
WITHHELD_RESULT: Final = ResultInfo("none", None, 0, WITHHELD, "none")


def preview(value: Any, encoding: str, data: bytes) -> str:
    """Return readable text of at most a thousand characters."""
    if encoding == "json":
        text = hide(data.decode()) if is_needed() else data[: 4 * PREVIEW_LIMIT].decode("utf-8", "ignore")
        return shown(text)
    return look(value)


def look(value: Any) -> str:
    """Return how *value* looks, shortened, whatever its own method does."""
    short = reprlib.Repr()
    short.maxother = short.maxstring = short.maxlong = PREVIEW_LIMIT
    short.maxlist = short.maxtuple = short.maxset = short.maxfrozenset = short.maxdict = 50
    try:
        text = shorten(hide(repr(value)) if is_needed() else short.repr(value), 10 * PREVIEW_LIMIT)
    except BaseException as error:
        text = f"<{type(value).__qualname__}, whose repr failed: {type(error).__name__}>"
    return shown(text)


def shown(text: str) -> str:
    """Return *text*, cut where it is long."""
    return text if len(text) <= PREVIEW_LIMIT else text[: PREVIEW_LIMIT - 1] + "…"
