"""Results as files, one each, in a folder that the author names."""

import os
from pathlib import Path
from typing import Any

from tidemill.domain.results import ResultInfo
from tidemill.storage.encoding import UnstorableError, encode
from tidemill.storage.files import file_name, read_file, write_file
from tidemill.storage.places import ResultError, ResultPlace
from tidemill.storage.previews import preview


class LocalResult:
    """Keeps each result in a file of its own below *dir*, which is relative to the flow file's folder.

    >>> @task(result_handler=LocalResult(dir="./results"))
    ... def total(rows): return sum(rows)
    """

    def __init__(self, dir: str | os.PathLike[str] = "results") -> None:
        self.dir = Path(dir)

    def write(self, value: Any, place: ResultPlace) -> ResultInfo:
        """Write *value* to its file, whole or not at all."""
        try:
            encoding, data = encode(value)
        except UnstorableError as error:
            raise ResultError(f"the result of {place.task} cannot be written to {self.dir}: {error}") from error
        folder = place.folder / self.dir.expanduser()
        name = file_name(f"{place.flow}-{place.run}-{place.task}", encoding)
        path = write_file(folder, name, data, place.task)
        return ResultInfo("LocalResult", str(path), len(data), preview(value, encoding, data), encoding)

    def read(self, info: ResultInfo) -> Any:
        """Return the value of a file that was written."""
        return read_file(info)

    def __repr__(self) -> str:
        return f"LocalResult(dir={str(self.dir)!r})"
