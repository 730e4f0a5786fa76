"""How an author says in which form a result is stored, and how each form is read again.

What is recorded beside a result names its form, so that it can be read whatever the flow file says meanwhile.
"""

from collections.abc import Callable
from typing import Any, Final

from tidemill.domain.errors import DefinitionError
from tidemill.domain.naming import did_you_mean
from tidemill.domain.secrecy import holds
from tidemill.storage import encoding
from tidemill.storage.encoding import SecretHeldError, UnstorableError

Encoder = Callable[[Any], tuple[str, bytes]]
"""Returns the name of the form of a value, and that form. Raises UnstorableError with the reason."""

COMPRESSED: Final = "compressed/"
CUSTOM: Final = "custom/"
FRAMES: Final = ("arrow", "parquet")
NAMES: Final = ("json", "pickle", "cloudpickle", "compressed", "compressed/json", "compressed/pickle", *FRAMES)
_SUFFIXES: Final = {"json": ".json", "cloudpickle": ".pickle", "arrow": ".arrow", "parquet": ".parquet"}
_GZIP: Final = 31
"""What zlib calls the format of gzip, with its largest window."""


def parse_serializer(given: Any, owner: str) -> Encoder:
    """Return the encoder that *given* means: a name, or an object with ``dumps`` and ``loads``.

    Raises DefinitionError for anything else, and for a form whose package is not installed.
    """
    if given is None:
        return encoding.encode
    if isinstance(given, str):
        return _named(given, owner)
    if (
        not isinstance(given, type)
        and callable(getattr(given, "dumps", None))
        and callable(getattr(given, "loads", None))
    ):
        return Custom(given).encode
    raise DefinitionError(
        f"serializer of {owner} must be one of {', '.join(NAMES)}, or an object with dumps and loads; it is {given!r}"
    )


def decode(form: str, data: bytes, serializer: Any = None) -> Any:
    """Return the value of a stored form; a form of the author's own takes its *serializer*. Raises ValueError."""
    if form.startswith(COMPRESSED):
        import zlib

        return decode(form.removeprefix(COMPRESSED), zlib.decompress(data, _GZIP), serializer)
    if form.startswith(CUSTOM):
        if serializer is None or isinstance(serializer, str):
            raise ValueError(
                f"it was written by the serializer {form.removeprefix(CUSTOM)}, which is not given any more"
            )
        return serializer.loads(data)
    family, _, library = form.partition("/")
    if family in FRAMES:
        from tidemill.storage.frames import read_frame

        return read_frame(family, library, data)
    return encoding.decode(form, data)


def suffix(form: str) -> str:
    """Return how the name of a file of that form ends."""
    if form.startswith(COMPRESSED):
        return f"{suffix(form.removeprefix(COMPRESSED))}.gz"
    return _SUFFIXES.get(form.partition("/")[0], ".bin")


class Custom:
    """A serializer of the author's own."""

    def __init__(self, serializer: Any) -> None:
        self._serializer = serializer

    def encode(self, value: Any) -> tuple[str, bytes]:
        """Return what the author's ``dumps`` makes of *value*."""
        name = type(self._serializer).__name__
        try:
            data = self._serializer.dumps(value)
        except Exception as error:
            raise UnstorableError(f"{name}.dumps raised {type(error).__name__}: {error}") from error
        if not isinstance(data, bytes | bytearray | memoryview):
            raise UnstorableError(f"{name}.dumps must return bytes, not {type(data).__name__}")
        return f"{CUSTOM}{name}", bytes(data)


class Compressed:
    """Another form, with zlib around it."""

    def __init__(self, inner: Encoder) -> None:
        self._inner = inner

    def encode(self, value: Any) -> tuple[str, bytes]:
        """Return the other form's, compressed as gzip does, so that ``zcat`` shows it."""
        import zlib

        form, data = self._inner(value)
        if holds(data):
            raise SecretHeldError
        packer = zlib.compressobj(wbits=_GZIP)
        return f"{COMPRESSED}{form}", packer.compress(data) + packer.flush()


def _named(name: str, owner: str) -> Encoder:
    if name in ("pickle", "cloudpickle"):
        return encoding.encode_pickle
    if name == "json":
        return encoding.encode_json
    if name == "compressed":
        return Compressed(encoding.encode).encode
    if name.startswith(COMPRESSED):
        return Compressed(_named(name.removeprefix(COMPRESSED), owner)).encode
    if name in FRAMES:
        from tidemill.storage.frames import frame_encoder

        return frame_encoder(name, owner)
    raise DefinitionError(f"{owner} has no serializer {name!r}{did_you_mean(name, NAMES)}")
