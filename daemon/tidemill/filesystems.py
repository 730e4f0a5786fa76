"""Places for results under the names of Prefect's: ``result_storage=LocalFileSystem(basepath="results")``."""

from tidemill import LocalResult

__all__ = ["LocalFileSystem"]


def LocalFileSystem(basepath: str = "results") -> LocalResult:  # noqa: N802
    """Return ``LocalResult(dir=basepath)``."""
    return LocalResult(dir=basepath)
