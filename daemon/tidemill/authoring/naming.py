"""Names: what a wrong one probably meant, and how a task's name looks as a parameter."""

import re
from collections.abc import Iterable
from typing import Final

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_NAME: Final = re.compile(r"\W")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that refuses *word*: the nearest known name, or all of them."""
    # difflib costs milliseconds and is needed only when something is wrong.
    import difflib

    names = sorted(set(known))
    if not names:
        return "; it takes none"
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(names)}"


def as_identifier(name: str) -> str:
    """Return *name* as the parameter that stands for it: ``LoadRows`` and ``load-rows`` become ``load_rows``."""
    return _NO_NAME.sub("_", _HUMP.sub("_", name)).lower()
