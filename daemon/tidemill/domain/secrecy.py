"""What must not be written anywhere: the secrets that this process has read, hidden in every text it records.

Nothing is known, and nothing is searched for, until the first one is read. Hide first, then shorten: half a secret
is not recognised any more.
"""

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

from tidemill.domain.errors import TidemillError

HIDDEN: Final = "****"
NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
"""What a secret may be called: what a file may, and no path."""
SHORTEST: Final = 4
"""Characters; to hide something shorter would hide half of every text, and tell what it is."""
_LEAST_LINE: Final = 8
"""Characters of a line of a secret that is recognised by itself, as the lines of a private key are."""

_Record = TypeVar("_Record", bound=tuple[Any, ...])


class SecretError(TidemillError):
    """Raised when a secret is not there, or is kept where others can read it."""


class _Known:
    """The secrets of this process."""

    values: tuple[str, ...] = ()
    forms: frozenset[str] = frozenset()
    pattern: "re.Pattern[str] | None" = None
    act: Callable[[], None] | None = None


def learn(value: str) -> None:
    """Hide *value* from now on, in every form that texts usually give it."""
    if value not in _Known.values:
        _Known.values += (value,)
        _Known.forms |= _forms_of(value)
        forms = _Known.forms
        _Known.pattern = re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True))))
        act, _Known.act = _Known.act, None
        if act is not None:
            act()


def when_needed(act: Callable[[], None]) -> None:
    """Call *act* once, with the first secret that is read."""
    _Known.act = act


def known() -> tuple[str, ...]:
    """Return what is hidden, for a process that works for the same run."""
    return _Known.values


def is_needed() -> bool:
    """Tell whether there is anything to hide."""
    return _Known.pattern is not None


def hide(text: str) -> str:
    """Return *text* without secrets."""
    return text if _Known.pattern is None else _Known.pattern.sub(HIDDEN, text)


def holds(data: bytes) -> bool:
    """Tell whether there is a secret in *data*."""
    return _Known.pattern is not None and _Known.pattern.search(data.decode("utf-8", "replace")) is not None


def hide_all(value: Any) -> Any:
    """Return plain data without secrets, at any depth."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, dict):
        return {hide_all(key): hide_all(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [hide_all(item) for item in value]
    return value


def hide_in(event: _Record, *, texts: frozenset[str]) -> _Record:
    """Return a named tuple with its fields called *texts* hidden, also in the named tuples it holds."""
    record: Any = event
    changed: dict[str, Any] = {}
    for name, value in zip(record._fields, record, strict=True):
        if name in texts:
            changed[name] = hide_all(value)
        elif isinstance(value, tuple) and hasattr(value, "_fields"):
            changed[name] = hide_in(value, texts=texts)
    hidden: _Record = record._replace(**changed)
    return hidden


def _forms_of(value: str) -> frozenset[str]:
    from base64 import b64encode, urlsafe_b64encode
    from json import dumps
    from urllib.parse import quote, quote_plus

    raw = value.encode("utf-8", "surrogateescape")
    forms = {value, dumps(value)[1:-1], dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    forms |= {quote(raw, safe=""), quote(raw), quote_plus(raw), raw.hex()}
    forms |= {form.decode().rstrip("=") for form in (b64encode(raw), urlsafe_b64encode(raw))}
    forms |= {line for line in map(str.strip, value.splitlines()) if len(line) >= _LEAST_LINE}
    return frozenset(form for form in forms if len(form) >= SHORTEST)
