"""What is tried again in tests: nothing but what a test says of it."""

from typing import Any

from tidemill.engine.retrying import Tried


def tried(**facts: Any) -> Tried:
    """Return something to try again, with these attributes and methods."""
    made = Tried()
    for name, value in facts.items():
        setattr(made, name, value)
    return made
