"""Marks of code: equal where the code does the same, if one version of Python made both."""


def make_mark(python: str, digest: bytes) -> str:
    """Return the mark of code with this *digest*, as the version *python* compiled it."""
    return f"{python}:{digest.hex()}"


def has_changed(before: str | None, now: str | None) -> bool | None:
    """Tell whether code has changed from one mark to the other; None where they do not tell."""
    if before is None or now is None or before.partition(":")[0] != now.partition(":")[0]:
        return None
    return before != now
