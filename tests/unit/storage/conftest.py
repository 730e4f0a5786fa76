import pytest

from tidemill.storage.places import ResultPlace


@pytest.fixture
def place(tmp_path):
    return ResultPlace("my flow", "0123456789", "load/../rows", 3, tmp_path / "flows")
