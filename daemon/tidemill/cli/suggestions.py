"""Did you mean: the nearest names to one that does not exist."""

from collections.abc import Iterable


def nearest(wrong: str, known: Iterable[str]) -> list[str]:
    """Return at most three of *known* that *wrong* may have been meant for."""
    from difflib import get_close_matches

    folded = {name.lower(): name for name in known}
    found = get_close_matches(wrong.lower(), list(folded), n=3, cutoff=0.6)
    begun = [name for name in folded if name.startswith(wrong.lower()) and name not in found] if wrong else []
    return [folded[name] for name in (found + begun)[:3]]


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Return the half sentence that helps, or nothing when there is nothing near."""
    near = nearest(wrong, known)
    return f"; did you mean {' or '.join(near)}?" if near else ""
