"""Turn what a file, an environment variable or an option holds into the value a setting has."""

import math
from pathlib import Path
from types import GenericAlias, UnionType
from typing import Any, Final, NoReturn

from tidemill.domain.errors import ConfigurationError
from tidemill.domain.restraints import RESTRAINTS, read_restraint

_BOUNDS: Final[dict[str, tuple[float, float]]] = {
    "catalog.settle": (0, 60),
    "catalog.sweep_interval": (0.1, 86_400),
    "catalog.inspect_timeout": (0.1, 600),
    "dispatch.max_runs": (1, 10_000),
    "dispatch.cancel_grace": (0, 86_400),
    "dispatch.stop_grace": (0, 86_400),
    "dispatch.nice": (0, 19),
    "dispatch.max_workers": (1, 1_000),
    "schedule.max_catchup": (0, 1_000_000),
    "history.inline_result": (0, 16_777_216),
    "history.log_limit": (1_024, 2**40),
    "retention.keep_for": (0, 36_500),
    "retention.keep_failed_for": (0, 36_500),
    "retention.keep_runs": (0, 10**9),
    "retention.keep_moments_for": (0, 36_500),
    "retention.max_size": (0, 2**60),
    "retention.interval": (0, 86_400),
}
"""The least and the most of every number: outside of them a daemon would spin, starve or never end."""

_CHOICES: Final[dict[str, tuple[str, ...]]] = {"catalog.writers": ("owner", "group", "anyone")}
"""The texts that a setting takes, where it does not take any."""

_WORDS: Final[dict[Any, str]] = {
    str: "text in quotes",
    int: "a whole number",
    float: "a number",
    Path: "a path in quotes",
}


def convert(name: str, kind: Any, value: Any, base: Path) -> Any:
    """Return *value* as the type *kind* of the setting *name*; relative paths start at *base*.

    Raises ConfigurationError with a sentence that names the setting, what it takes and what it got.
    """
    if isinstance(kind, UnionType):
        kind = next(choice for choice in kind.__args__ if choice is not type(None))
    if name == "users.files":
        return _patterns(name, value)
    if name.startswith("runs.") and name[5:] in RESTRAINTS:
        return _restraint(name, value)
    if isinstance(kind, GenericAlias):
        return _sequence(name, kind.__args__[0], value, base)
    if kind is Path:
        if not isinstance(value, str | Path) or not str(value):
            _refuse(name, kind, value)
        return Path(base, Path(value).expanduser())
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind or value == "":
        _refuse(name, kind, value)
    if kind is not str:
        _check_bounds(name, value)
    elif name in _CHOICES:
        _check_choice(name, value)
    elif name == "schedule.timezone":
        _check_timezone(name, value)
    elif name in ("places.database_url", "TIDEMILL_DATABASE_URL") and "://" not in value:
        raise ConfigurationError(
            f"{name} takes a URL such as postgresql+psycopg://user@host/tidemill; it is {_shown(value)}"
        )
    return value


def _sequence(name: str, item: Any, value: Any, base: Path) -> tuple[Any, ...]:
    """Return a list as a tuple whose every member has the type *item*."""
    if not isinstance(value, list | tuple):
        raise ConfigurationError(f"{name} takes a list, each member {_WORDS[item]}; it is {_shown(value)}")
    return tuple(convert(name, item, member, base) for member in value)


def _patterns(name: str, value: Any) -> dict[str, str]:
    """Return a table of texts."""
    if not isinstance(value, dict) or not all(isinstance(user, str) and user for user in value.values()):
        raise ConfigurationError(f'{name} takes a table such as {{ "finance/*" = "finance" }}; it is {_shown(value)}')
    return value


def _restraint(name: str, value: Any) -> int:
    """Return a limit of runs."""
    try:
        return read_restraint(name.removeprefix("runs."), value)
    except ValueError as error:
        raise ConfigurationError(f"{name} {error}") from None


def _check_bounds(name: str, value: float) -> None:
    """Refuse a number a daemon cannot work with."""
    least, most = _BOUNDS.get(name, (0, math.inf))
    if not math.isfinite(value) or not least <= value <= most:
        raise ConfigurationError(f"{name} must lie between {least:,g} and {most:,g}; it is {value}")


def _check_choice(name: str, value: str) -> None:
    """Refuse a word that means nothing."""
    if value not in _CHOICES[name]:
        words = ", ".join(f'"{word}"' for word in _CHOICES[name])
        raise ConfigurationError(f"{name} takes one of {words}; it is {_shown(value)}")


def _check_timezone(name: str, value: str) -> None:
    """Refuse a zone this machine does not know."""
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(value)
    except (ValueError, OSError, LookupError):
        raise ConfigurationError(
            f"{name} must be an IANA time zone such as 'Europe/Berlin'; {value!r} is none"
        ) from None


def _refuse(name: str, kind: Any, value: Any) -> NoReturn:
    """Say what the setting takes."""
    raise ConfigurationError(f"{name} takes {_WORDS[kind]}; it is {_shown(value)}")


def _shown(value: Any) -> str:
    """Return *value* as its author wrote it, nearly."""
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
