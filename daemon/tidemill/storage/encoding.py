"""The stored forms of a value: JSON when it is exactly JSON, else a pickle."""

from math import isfinite
from typing import Any, Final

import msgspec

TYPED_JSON: Final = "json/typed"
_INT_LIMIT: Final = 2**63
_json = msgspec.json.Encoder().encode


class UnstorableError(Exception):
    """Raised when a value has no stored form."""


class SecretHeldError(Exception):
    """Raised when a stored form would hide a secret from whoever searches it."""


def encode(value: Any) -> tuple[str, bytes]:
    """Return the name of the encoding and the stored form, or raise UnstorableError with the reason."""
    try:
        if _is_json(value):
            return "json", _json(value)
    except (UnicodeEncodeError, ValueError, OverflowError, RecursionError, msgspec.EncodeError):
        pass
    return encode_pickle(value)


def encode_json(value: Any) -> tuple[str, bytes]:
    """Do the same with JSON alone, in which other types are told by name. Refuses what has none."""
    if is_json(value):
        try:
            return "json", _json(value)
        except (UnicodeEncodeError, ValueError, OverflowError, RecursionError, msgspec.EncodeError) as error:
            raise UnstorableError(f"it cannot be written as JSON: {error}") from error
    from tidemill.storage.typed_json import UntypedError, simplify

    try:
        return TYPED_JSON, _json(simplify(value))
    except UntypedError as error:
        reason = f"JSON cannot give it back as it is: {error}; serializer='pickle', or none, keeps anything"
        raise UnstorableError(reason) from error
    except (UnicodeEncodeError, ValueError, TypeError, RecursionError, msgspec.EncodeError) as error:
        raise UnstorableError(f"it cannot be written as JSON: {error}") from error


def encode_pickle(value: Any) -> tuple[str, bytes]:
    """Do the same with a pickle."""
    import pickle

    try:
        return "cloudpickle", pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception:
        # Lambdas, local classes: the standard pickle knows them by name only.
        import cloudpickle

        try:
            return "cloudpickle", cloudpickle.dumps(value)
        except Exception as error:
            raise UnstorableError(f"{type(error).__name__}: {error}") from error


def decode(encoding: str, data: bytes) -> Any:
    """Return the value of a stored form; a pickle may run code, so this belongs in run processes only."""
    if encoding == "json":
        return msgspec.json.decode(data)
    if encoding == TYPED_JSON:
        from tidemill.storage.typed_json import restore

        return restore(msgspec.json.decode(data))
    import pickle

    return pickle.loads(data)


def is_json(value: Any) -> bool:
    """Tell whether reading *value* back from JSON gives the same value, types included."""
    try:
        return _is_json(value)
    except RecursionError:
        return False


def _is_json(value: Any) -> bool:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return bool(-_INT_LIMIT <= value < _INT_LIMIT)
    if kind is float:
        return isfinite(value)
    if kind is list:
        return all(map(_is_json, value))
    if kind is dict:
        return all(type(key) is str for key in value) and all(map(_is_json, value.values()))
    return False
