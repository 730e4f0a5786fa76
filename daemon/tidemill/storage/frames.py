"""Data frames of pandas, polars and pyarrow as Arrow or Parquet, if the author has them."""

import io
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Final

from tidemill.domain.errors import DefinitionError
from tidemill.storage.encoding import UnstorableError

_KINDS: Final = (("pandas", "DataFrame"), ("polars", "DataFrame"), ("pyarrow", "Table"))


def frame_encoder(family: str, owner: str) -> Callable[[Any], tuple[str, bytes]]:
    """Return what writes frames as *family*. Raises DefinitionError where no package can."""
    if find_spec("pyarrow") is None and find_spec("polars") is None:
        raise DefinitionError(
            f"serializer {family!r} of {owner} needs pyarrow (for pandas too) or polars: pip install pyarrow"
        )

    def encode(value: Any) -> tuple[str, bytes]:
        library = _library_of(value)
        if library is None:
            kind = type(value).__name__
            raise UnstorableError(f"{family} keeps data frames of pandas, polars and pyarrow, and it is a {kind}")
        try:
            return f"{family}/{library}", _write(family, library, value)
        except Exception as error:
            reason = str(error).strip().split("\n", 1)[0]
            raise UnstorableError(f"{library} cannot write it as {family}: {type(error).__name__}: {reason}") from error

    return encode


def read_frame(family: str, library: str, data: bytes) -> Any:
    """Return a frame of the library that it came from. Raises ValueError where that is gone."""
    try:
        if library == "polars":
            import polars

            return polars.read_parquet(io.BytesIO(data)) if family == "parquet" else polars.read_ipc(io.BytesIO(data))
        table = _read_table(family, data)
        return table.to_pandas() if library == "pandas" else table
    except ImportError as error:
        raise ValueError(f"it is a data frame of {library}, and {error.name} is not installed here") from error


def _library_of(value: Any) -> str | None:
    """Return whose frame it is; a library that nobody has imported made none."""
    for library, kind in _KINDS:
        module = sys.modules.get(library)
        if module is not None and isinstance(value, getattr(module, kind, ())):
            return library
    return None


def _write(family: str, library: str, value: Any) -> bytes:
    buffer = io.BytesIO()
    if library == "polars":
        if family == "parquet":
            value.write_parquet(buffer)
        else:
            value.write_ipc(buffer)
        return buffer.getvalue()
    table = _table_of(value) if library == "pandas" else value
    if family == "parquet":
        from pyarrow import parquet

        parquet.write_table(table, buffer)
    else:
        from pyarrow import ipc

        with ipc.new_file(buffer, table.schema) as writer:
            writer.write_table(table)
    return buffer.getvalue()


def _table_of(frame: Any) -> Any:
    import pyarrow

    return pyarrow.Table.from_pandas(frame)


def _read_table(family: str, data: bytes) -> Any:
    if family == "parquet":
        from pyarrow import parquet

        return parquet.read_table(io.BytesIO(data))
    from pyarrow import ipc

    with ipc.open_file(io.BytesIO(data)) as reader:
        return reader.read_all()
