"""Names: what a wrong one probably meant, and which task an item of a mapping belongs to."""

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


def base_name(name: str) -> str:
    """Return the name of the task that the item ``task[3]`` of a mapping belongs to; any other name as it is."""
    stem, _, number = name.removesuffix("]").rpartition("[")
    return stem if stem and name.endswith("]") and number.isdigit() else name


def mapped_among(names: Iterable[str]) -> set[str]:
    """Return the names of the mapped tasks whose items are among *names*: what bears them only sums the items up."""
    return {base_name(name) for name in names if base_name(name) != name}
