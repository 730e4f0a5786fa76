"""``with prefect_test_harness():`` around tests: they need no server and no database here, so it does nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tidemill.authoring.unsupported import missing_from

__all__ = ["prefect_test_harness"]

__getattr__ = missing_from(__name__)


@contextmanager
def prefect_test_harness(*_: Any, **__: Any) -> Iterator[None]:
    """Run the block: flows called in a test run there and then, and leave nothing behind."""
    yield
