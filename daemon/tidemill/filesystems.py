"""Places for results under the names of Prefect's: ``result_storage=LocalFileSystem(basepath="results")``."""

from typing import Any, NoReturn

from tidemill import LocalResult
from tidemill.authoring.context import is_async_here
from tidemill.authoring.unsupported import missing_from
from tidemill.domain.errors import TidemillError

__all__ = ["LocalFileSystem"]

__getattr__ = missing_from(__name__)


class LocalFileSystem(LocalResult):
    """A folder for results, as ``LocalResult(dir=basepath)`` is."""

    def __init__(self, basepath: str = "results", **options: Any) -> None:
        super().__init__(dir=basepath, **options)
        self.basepath = basepath

    def save(self, *_: Any, **__: Any) -> Any:
        """Do nothing: no server has to know of the folder. Async code awaits it."""
        return _nothing() if is_async_here() else None

    @classmethod
    def load(cls, name: str, **_: Any) -> NoReturn:
        """Refuse: nothing is kept under a name."""
        raise TidemillError(f"no folder is kept under the name {name!r}: write LocalFileSystem(basepath=…)")


async def _nothing() -> None:
    """Do nothing."""
