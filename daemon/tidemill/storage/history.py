"""Results beside the events that tell of them, which is where they go when nobody says otherwise."""

import os
from copy import copy
from typing import TYPE_CHECKING, Any, Final

from tidemill.domain.results import ResultInfo
from tidemill.domain.secrecy import holds
from tidemill.domain.tuples import make
from tidemill.storage.encoding import SecretHeldError, UnstorableError
from tidemill.storage.places import ResultError, ResultPlace
from tidemill.storage.previews import WITHHELD, WITHHELD_RESULT, look, preview, shown
from tidemill.storage.serializers import decode, parse_serializer

if TYPE_CHECKING:
    from tidemill.storage.templates import NameTemplate

INLINE_LIMIT: Final = 64 * 1024
"""Bytes up to which a result stands in the history itself."""
NOTHING: Final = ResultInfo("history", None, 4, "null", "json", "null")
"""What is recorded of None, which most tasks return."""


class HistoryResult:
    """The default: small results travel with the events into the history, large ones become files beside it."""

    def __init__(
        self, folder: str | os.PathLike[str], inline_limit: int = INLINE_LIMIT, serializer: Any = None
    ) -> None:
        self._folder = folder
        self._inline_limit = inline_limit
        self.serializer = serializer
        self._encode = parse_serializer(serializer, "HistoryResult")
        self._name: NameTemplate | None = None
        """Of the file that then holds any result, whatever its size."""

    def but(self, **changes: Any) -> "HistoryResult":
        """Return the same handler with another ``serializer``, or with a ``name``, which makes a file of any result."""
        changed = copy(self)
        if "serializer" in changes:
            changed.serializer = changes["serializer"]
            changed._encode = parse_serializer(changed.serializer, "HistoryResult")
        if "name" in changes:
            from tidemill.storage.templates import NameTemplate

            changed._name = NameTemplate(changes["name"], "HistoryResult")
        return changed

    def write(self, value: Any, place: ResultPlace) -> ResultInfo:
        """Keep *value*; one that has no stored form is kept by nobody, and the info says so.

        With a serializer that the author chose, such a value is refused instead. Raises ResultError.
        """
        if value is None:
            return NOTHING
        try:
            form, data = self._encode(value)
        except UnstorableError as error:
            if self.serializer is not None:
                raise ResultError(f"the result of {place.task} cannot be written to the history: {error}") from error
            return ResultInfo("none", None, 0, look(value), "none")
        except SecretHeldError:
            return WITHHELD_RESULT
        if holds(data):
            return WITHHELD_RESULT
        if len(data) > self._inline_limit or self._name is not None:
            return self._write_file(place, form, data, preview(value, form, data))
        if form == "json":
            text = data.decode()
            return make(ResultInfo, ("history", None, len(data), shown(text), form, text, None))
        return ResultInfo("history", None, len(data), preview(value, form, data), form, _to_text(data))

    def of_child(self, run: str) -> "HistoryResult":
        """Return the same for a flow that is called inside the run: its tasks' places begin at 0 again."""
        return HistoryResult(f"{os.fspath(self._folder)}/{run}", self._inline_limit)

    def adopt(self, info: ResultInfo, place: ResultPlace) -> ResultInfo:
        """Keep what is kept elsewhere, without reading it: a file gets one more name, which outlives the other.

        Raises ResultError.
        """
        if info.handler != "file":
            return info
        from tidemill.storage.result_files import link_kept, path_of

        return link_kept(info, path_of(place, info.encoding, self._folder, self._name))

    def read(self, info: ResultInfo) -> Any:
        """Return the value of a stored result. Raises ResultError where it is gone or damaged."""
        if info.handler == "none":
            secret = info.preview == WITHHELD
            raise ResultError(f"the result was not kept: it {'holds a secret' if secret else 'could not be pickled'}")
        if info.value is None:
            data = _read_file(info)
        else:
            data = info.value.encode() if info.encoding == "json" else _to_bytes(info.value)
        try:
            return decode(info.encoding, data, self.serializer)
        except Exception as error:
            raise ResultError(f"the result cannot be read from {info.location or 'the history'}: {error}") from error

    def _write_file(self, place: ResultPlace, form: str, data: bytes, seen: str) -> ResultInfo:
        # Most results are small.
        from tidemill.storage.result_files import keep_file, path_of

        return keep_file(place, path_of(place, form, self._folder, self._name), form, data, seen)


def _read_file(info: ResultInfo) -> bytes:
    from tidemill.storage.result_files import read_kept

    return read_kept(info)


def _to_text(data: bytes) -> str:
    # Most results are JSON.
    import base64

    return base64.b64encode(data).decode()


def _to_bytes(text: str) -> bytes:
    import base64

    return base64.b64decode(text)
