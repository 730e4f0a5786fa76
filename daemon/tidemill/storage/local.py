"""Results as files, one each, in a folder that the author names."""

import os
from datetime import datetime
from pathlib import Path
from typing import Any

from tidemill.domain.errors import DefinitionError
from tidemill.domain.results import ResultInfo
from tidemill.storage.files import read_file, write_file
from tidemill.storage.places import ResultPlace
from tidemill.storage.serializers import suffix
from tidemill.storage.stored import StoredResult
from tidemill.storage.templates import DEFAULT, NameTemplate


class LocalResult(StoredResult):
    """Keeps each result in a file of its own below *dir*, which is relative to the flow file's folder.

    *name* is a template of the file's name over flow, run, task, index, attempt, date, time, year … second, now (with a
    format, ``{now:%G-%V}``) and parameters[…]; times are local ones. *serializer* is a name or an object with ``dumps``
    and ``loads``; *max_size* is bytes or a text such as ``10 MB``; *retries* and *retry_delay* (seconds, doubling) are
    of the writing alone. Raises DefinitionError for a name or a serializer that does not exist.

    >>> @task(result_handler=LocalResult(dir="./results", name="{date}/{task}-{run}"))
    ... def total(rows): return sum(rows)
    """

    def __init__(
        self,
        dir: str | os.PathLike[str] = "results",
        serializer: Any = None,
        name: str = DEFAULT,
        *,
        max_size: int | str | None = None,
        retries: int = 3,
        retry_delay: float = 1.0,
    ) -> None:
        if not isinstance(dir, str | os.PathLike) or not os.fspath(dir):
            raise DefinitionError(f"dir of LocalResult must be a path; it is {dir!r}")
        if "://" in os.fspath(dir):
            raise DefinitionError(f"dir of LocalResult must be a path; {dir!r} is a URL, which CloudResult takes")
        super().__init__(serializer=serializer, max_size=max_size, retries=retries, retry_delay=retry_delay)
        self.dir = Path(dir)
        self._name = NameTemplate(name, "LocalResult")

    @property
    def where(self) -> str:
        """The folder as the author named it."""
        return str(self.dir)

    def locate(self, place: ResultPlace, form: str) -> str:
        """Return the path of the file."""
        name = self._name.fill(place, suffix(form), datetime.now().astimezone())
        return os.path.abspath(place.folder / self.dir.expanduser() / name)  # noqa: PTH100 - a symlinked folder keeps the name it was given

    def put(self, info: ResultInfo, data: bytes, _: ResultPlace) -> None:
        """Write the file, whole or not at all."""
        write_file(Path(info.location or ""), data)

    def get(self, info: ResultInfo) -> bytes:
        """Return what the file holds."""
        return read_file(Path(info.location or ""))

    def rename(self, name: str) -> None:
        """Take another template of names."""
        self._name = NameTemplate(name, "LocalResult")

    def __repr__(self) -> str:
        return f"LocalResult(dir={str(self.dir)!r})"
