"""Names: what a wrong one probably meant, and how a task's name looks as a parameter."""

import re
from typing import Final

from tidemill.domain.naming import did_you_mean

__all__ = ["as_identifier", "did_you_mean"]

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_NAME: Final = re.compile(r"\W")


def as_identifier(name: str) -> str:
    """Return *name* as the parameter that stands for it: ``LoadRows`` and ``load-rows`` become ``load_rows``."""
    return _NO_NAME.sub("_", _HUMP.sub("_", name)).lower()
