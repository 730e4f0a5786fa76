"""The stored forms of results, under the names of Prefect's: ``from tidemill.serializers import JSONSerializer``."""

from typing import Any

from tidemill.authoring.unsupported import missing_from
from tidemill.domain.errors import DefinitionError

__all__ = [
    "CompressedJSONSerializer",
    "CompressedPickleSerializer",
    "CompressedSerializer",
    "JSONSerializer",
    "PickleSerializer",
    "Serializer",
]

__getattr__ = missing_from(__name__)


class Serializer:
    """A stored form of an author's own: a subclass writes both methods, and an object of it is the serializer."""

    type: str = ""

    def dumps(self, obj: Any) -> bytes:
        """Return *obj* as bytes."""
        raise NotImplementedError

    def loads(self, blob: bytes) -> Any:
        """Return what *blob* was made of."""
        raise NotImplementedError


def JSONSerializer(**options: Any) -> str:  # noqa: N802
    """Return ``"json"``."""
    return _named("json", options)


def PickleSerializer(picklelib: str = "cloudpickle", **options: Any) -> str:  # noqa: N802
    """Return ``"pickle"``."""
    if picklelib not in ("cloudpickle", "pickle"):
        options["picklelib"] = picklelib
    return _named("pickle", options)


def CompressedSerializer(  # noqa: N802
    serializer: str = "pickle", compressionlib: str = "zlib", **options: Any
) -> str:
    """Return ``"compressed/pickle"``, or the same around another form."""
    if compressionlib != "zlib" or not isinstance(serializer, str):
        options["compressionlib"] = compressionlib
    return _named(f"compressed/{serializer}", options)


def CompressedPickleSerializer() -> str:  # noqa: N802
    """Return ``"compressed/pickle"``."""
    return "compressed/pickle"


def CompressedJSONSerializer() -> str:  # noqa: N802
    """Return ``"compressed/json"``."""
    return "compressed/json"


def _named(form: str, options: dict[str, Any]) -> str:
    told = {name: value for name, value in options.items() if value is not None and name != "type"}
    if told:
        raise DefinitionError(
            f"the serializer {form} has no option {', '.join(told)}: give an object with dumps() and loads() instead"
        )
    return form
