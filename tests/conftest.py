"""What takes longest begins first, so that at the end of the suite nobody waits for one process."""

import pytest

FIRST = ("systemd", "acceptance", "chaos")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: next((n for n, folder in enumerate(FIRST) if folder in item.path.parts), len(FIRST)))
