"""Names: what a wrong one probably meant."""

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that refuses *word*: the nearest known name, or all of them."""
    # difflib costs milliseconds and is needed only when something is wrong.
    import difflib

    names = sorted(set(known))
    if not names:
        return "; it takes none"
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(names)}"
