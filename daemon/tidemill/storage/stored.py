"""What all handlers that keep results outside of the history have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import copy
from typing import Any, Self, TypeVar

from tidemill.domain.results import ResultInfo
from tidemill.domain.secrecy import holds
from tidemill.domain.sizes import readable
from tidemill.storage.checksums import checksum, verify
from tidemill.storage.encoding import SecretHeldError, UnstorableError
from tidemill.storage.limits import parse_size
from tidemill.storage.patience import Setback, parse_patience
from tidemill.storage.places import ResultError, ResultPlace
from tidemill.storage.previews import WITHHELD_RESULT, preview
from tidemill.storage.serializers import decode, parse_serializer

T = TypeVar("T")


class StoredResult(ABC):
    """Turns values into bytes and back, and tries again; where the bytes go is for the kinds of it to say."""

    def __init__(self, *, serializer: Any, max_size: int | str | None, retries: int, retry_delay: float) -> None:
        owner = type(self).__name__
        self.serializer = serializer
        self.max_size = parse_size(max_size, owner)
        self._encode = parse_serializer(serializer, owner)
        self._patience = parse_patience(retries, retry_delay, owner)

    def write(self, value: Any, place: ResultPlace) -> ResultInfo:
        """Keep *value*, whole or not at all, and say where; one that holds a secret is not. Raises ResultError."""
        try:
            form, data = self._encode(value)
        except UnstorableError as error:
            raise ResultError(f"the result of {place.task} cannot be written to {self.where}: {error}") from error
        except SecretHeldError:
            return WITHHELD_RESULT
        if holds(data):
            return WITHHELD_RESULT
        if self.max_size is not None and len(data) > self.max_size:
            raise ResultError(
                f"the result of {place.task} is not written to {self.where}: it has {readable(len(data))},"
                f" and max_size allows {readable(self.max_size)}"
            )
        location = self.locate(place, form)
        digest = checksum(data)
        info = ResultInfo(type(self).__name__, location, len(data), preview(value, form, data), form, None, digest)
        self._attempt(
            lambda: self.put(info, data, place), f"the result of {place.task} cannot be written to {location}"
        )
        return info

    def read(self, info: ResultInfo) -> Any:
        """Return the value of a result that was written. Raises ResultError where it is gone or damaged."""
        data = self._attempt(lambda: self.get(info), f"the result cannot be read from {info.location}")
        verify(info, data)
        try:
            return decode(info.encoding, data, self.serializer)
        except Exception as error:
            raise ResultError(f"the result cannot be read from {info.location}: {error}") from error

    def but(self, **changes: Any) -> Self:
        """Return the same handler with another ``serializer`` or ``name``."""
        changed = copy(self)
        owner = type(self).__name__
        if "serializer" in changes:
            changed.serializer = changes["serializer"]
            changed._encode = parse_serializer(changed.serializer, owner)
        if "name" in changes:
            changed.rename(changes["name"])
        return changed

    @property
    @abstractmethod
    def where(self) -> str:
        """What errors call the place as a whole."""

    @abstractmethod
    def locate(self, place: ResultPlace, form: str) -> str:
        """Return where the result of that place goes."""

    @abstractmethod
    def put(self, info: ResultInfo, data: bytes, place: ResultPlace) -> None:
        """Write *data* to where *info* says. Raises Setback."""

    @abstractmethod
    def get(self, info: ResultInfo) -> bytes:
        """Return the bytes that *info* tells of. Raises Setback."""

    @abstractmethod
    def rename(self, name: str) -> None:
        """Take another template of names. Raises DefinitionError."""

    def _attempt(self, work: Callable[[], T], doing: str) -> T:
        try:
            return self._patience.attempt(work, doing)
        except Setback as setback:
            tries = (
                f", tried {self._patience.retries + 1} times" if setback.is_passing and self._patience.retries else ""
            )
            # The reason is told; what a driver says beyond it may hold addresses with passwords.
            raise ResultError(f"{doing}: {setback.reason}{tries}") from None
