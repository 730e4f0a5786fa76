"""The stored forms of results, under the names of Prefect's: ``from tidemill.serializers import JSONSerializer``."""

__all__ = ["CompressedSerializer", "JSONSerializer", "PickleSerializer"]


def JSONSerializer() -> str:  # noqa: N802
    """Return ``"json"``."""
    return "json"


def PickleSerializer() -> str:  # noqa: N802
    """Return ``"pickle"``."""
    return "pickle"


def CompressedSerializer(serializer: str = "pickle") -> str:  # noqa: N802
    """Return ``"compressed/pickle"``, or the same around another form."""
    return f"compressed/{serializer}"
