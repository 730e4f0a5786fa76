"""Hashes of compiled code. Inspections need them, so nothing is imported that takes longer than a flow file."""

# hashlib has the same function, and brings OpenSSL with it.
from _blake2 import blake2b
from collections.abc import Iterable
from types import CodeType
from typing import Any, Final

_SIZE: Final = 16


def hash_code(code: CodeType) -> bytes:
    """Return a digest of what *code* does, whatever file and line it stands in."""
    constants = [hash_code(each) if isinstance(each, CodeType) else _constant(each) for each in code.co_consts]
    parts = (code.co_code, *constants, repr((code.co_names, code.co_varnames, code.co_freevars)).encode())
    return join(b"code", parts)


def join(kind: bytes, parts: Iterable[bytes | memoryview]) -> bytes:
    """Return one digest of several parts; their borders count."""
    whole = blake2b(kind, digest_size=_SIZE)
    for part in parts:
        whole.update(b"\0%d\0" % len(part))
        whole.update(part)
    return whole.digest()


def _constant(value: Any) -> bytes:
    if isinstance(value, frozenset):
        return repr(sorted(map(repr, value))).encode("utf-8", "surrogatepass")
    return repr(value).encode("utf-8", "surrogatepass")
