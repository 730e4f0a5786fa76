"""Results as rows of a table in a database that the author names."""

import os
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote, unquote

from tidemill.domain.addresses import with_driver, without_password
from tidemill.domain.errors import DefinitionError
from tidemill.domain.results import ResultInfo
from tidemill.storage.patience import Setback, beside
from tidemill.storage.places import ResultPlace
from tidemill.storage.stored import StoredResult

if TYPE_CHECKING:
    from tidemill.storage.tables import ResultTable

TABLE: Final = "tidemill_results"
T = TypeVar("T")
_TABLE_NAME: Final = re.compile(r"(?:[A-Za-z_]\w{0,62}\.)?[A-Za-z_]\w{0,62}", re.ASCII)
_SQLITE: Final = "sqlite:///"


class DatabaseResult(StoredResult):
    """Keeps each result in a row of *table*, in PostgreSQL or SQLite; makes the table when it is not there.

    *url* is ``postgresql://user@host/database``, ``sqlite:///file.db`` or a path, relative to the flow file's folder.
    The key of a row is run, task and index; JSON stands in its column ``json``, anything else in ``data``. A password
    in the URL is never shown or recorded; ``PGPASSWORD`` and ``~/.pgpass`` serve too. *timeout* is the seconds that a
    write waits for a database that others keep locked. Raises DefinitionError for another kind of database.

    >>> @task(result_handler=DatabaseResult("sqlite:///results.db"))
    ... def total(rows): return sum(rows)
    """

    def __init__(
        self,
        url: str | os.PathLike[str],
        table: str = TABLE,
        serializer: Any = None,
        *,
        max_size: int | str | None = None,
        retries: int = 3,
        retry_delay: float = 1.0,
        timeout: float = 60.0,
    ) -> None:
        super().__init__(serializer=serializer, max_size=max_size, retries=retries, retry_delay=retry_delay)
        if not isinstance(table, str) or not _TABLE_NAME.fullmatch(table):
            raise DefinitionError(f"table of DatabaseResult must be a name, or schema.name; it is {table!r}")
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout <= 86_400:
            raise DefinitionError(f"timeout of DatabaseResult must be seconds above 0; it is {timeout!r}")
        self._file, self._url = _parse_url(url)
        self.table = table
        self.timeout = float(timeout)
        self._tables: dict[tuple[int, str, str], ResultTable] = {}

    @property
    def where(self) -> str:
        """The database, without its password, and the table."""
        return f"{self._shown(self._file)}#{self.table}"

    def locate(self, place: ResultPlace, _: str) -> str:
        """Return the database, without its password, and the row."""
        file = self._file
        if file is not None:
            file = Path(os.path.abspath(place.folder / file))  # noqa: PTH100 - a symlinked folder keeps its name
        key = "/".join(quote(part, safe="") for part in (place.run, place.task, str(place.number)))
        return f"{self._shown(file)}#{self.table}/{key}"

    def put(self, info: ResultInfo, data: bytes, place: ResultPlace) -> None:
        """Write the row, or write it over."""
        self._perform(lambda: self._table(info).write(place, info, data))

    def get(self, info: ResultInfo) -> bytes:
        """Return the bytes of the row, in the database and the table where it was written."""
        _, _, run, task, number = _parts_of(info)
        return self._perform(lambda: self._table(info).read(run, task, number))

    def rename(self, name: str) -> None:
        """Refuse: rows have keys, not names."""
        raise DefinitionError(
            f"DatabaseResult keeps a result by its run, task and index, and takes no name such as {name!r}"
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tables": {}}

    def __repr__(self) -> str:
        return f"DatabaseResult({self._shown(self._file)!r}, table={self.table!r})"

    def _perform(self, work: Callable[[], T]) -> T:
        # A file makes nobody wait for long, and a thread of its own takes longer than the write.
        return beside(work) if self._file is None else work()

    def _shown(self, file: Path | None) -> str:
        return without_password(self._url) if file is None else f"{_SQLITE}{file}"

    def _table(self, info: ResultInfo) -> "ResultTable":
        """Return the table of this process; connections are nothing to be shared with a forked one."""
        # SQLAlchemy takes hundreds of milliseconds to import.
        from tidemill.storage.tables import ResultTable

        url, name, *_ = _parts_of(info)
        if self._file is None and url == self._shown(None):
            url = self._url
        key = (os.getpid(), url, name)
        found = self._tables.get(key)
        if found is None:
            found = self._tables[key] = ResultTable(url, name, self.timeout)
        return found


def _parse_url(given: Any) -> tuple[Path | None, str]:
    """Return the file of an SQLite database, or the URL of another one."""
    if not isinstance(given, str | os.PathLike) or not os.fspath(given):
        raise DefinitionError(f"url of DatabaseResult must be text; it is {given!r}")
    url = with_driver(os.fspath(given))
    if "://" not in url:
        return Path(url).expanduser(), ""
    shown = without_password(os.fspath(given))
    if url.startswith(("sqlite:", "sqlite+pysqlite:")):
        file = url.partition(":///")[2]
        if not file or "?" in file or file == ":memory:":
            raise DefinitionError(
                f"url of DatabaseResult must name a file and nothing more, such as sqlite:///file.db; it is {shown}"
            )
        return Path(file).expanduser(), ""
    if not url.startswith("postgresql+psycopg://"):
        raise DefinitionError(
            "DatabaseResult keeps results in PostgreSQL (postgresql://user@host/database) and in SQLite"
            f" (sqlite:///file.db); {shown} is neither"
        )
    if find_spec("psycopg") is None:
        raise DefinitionError(f"DatabaseResult needs psycopg for {shown}: pip install 'tidemill[postgres]'")
    return None, url


def _parts_of(info: ResultInfo) -> tuple[str, str, str, str, int]:
    """Return the URL, the table and the key that a location tells of."""
    url, _, key = (info.location or "").rpartition("#")
    try:
        table, run, task, number = key.split("/")
        return url, table, unquote(run), unquote(task), int(number)
    except ValueError:
        raise Setback("this is no place in a database", is_passing=False) from None
