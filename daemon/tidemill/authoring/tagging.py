"""``with tags("a", "b"):`` gives tags to all flows and tasks that are called inside the block."""

from collections.abc import Iterator
from contextlib import contextmanager

from tidemill.authoring.context import CURRENT_TAGS
from tidemill.authoring.options import parse_tags


@contextmanager
def tags(*new: str) -> Iterator[set[str]]:
    """Give *new* tags, beside those that are there already, to whatever is called inside the block."""
    together = parse_tags((*CURRENT_TAGS.get(), *new), "tags()")
    token = CURRENT_TAGS.set(together)
    try:
        yield set(together)
    finally:
        CURRENT_TAGS.reset(token)
