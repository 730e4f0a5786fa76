"""The names under which results are kept: a template of the author's, filled for each result."""

import re
import string
from binascii import crc32
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Final

from tidemill.domain.errors import DefinitionError
from tidemill.domain.naming import did_you_mean
from tidemill.storage.places import ResultError, ResultPlace

DEFAULT: Final = "{flow}-{run}-{index}-{task}"
"""Of each task run of each run there is one; any other template may let a later result replace an earlier one."""
FIELDS: Final = (
    *("flow", "run", "task", "index", "attempt", "date", "time", "now"),
    *("year", "month", "day", "hour", "minute", "second"),
    *("flow_run.id", "flow_run.name", "flow_run.flow_name", "task_run.name", "task_run.task_name"),
    "parameters[…]",
)
_SEGMENT_LIMIT: Final = 200
"""Bytes of a name between slashes; file systems take 255, and drafts and suffixes need some."""
_HEAD: Final = re.compile(r"[^.\[]*")
_NO_NAME: Final = re.compile(r"[^\w.@+=-]")
_OWN: Final = "result"
"""The index of what a function flow itself returned."""


class NameTemplate:
    """A relative name with slashes, such as ``{flow}/{date}/{task}-{run}``."""

    def __init__(self, text: Any, owner: str) -> None:
        """Take *text* apart. Raises DefinitionError for fields that do not exist and for names that lead elsewhere."""
        if not isinstance(text, str):
            raise DefinitionError(f"name of {owner} must be a template such as {DEFAULT!r}; it is {text!r}")
        self.text = text
        try:
            self._pieces = list(string.Formatter().parse(text))
        except ValueError as error:
            raise DefinitionError(f"name of {owner} cannot be read: {error} in {text!r}") from error
        for _, field, spec, _conversion in self._pieces:
            if field is not None:
                _check_field(field, spec or "", owner)
        shape = "".join(literal + ("" if field is None else "x") for literal, field, *_ in self._pieces)
        if shape.startswith(("/", "~")) or "\0" in shape or {"", ".", ".."} & set(shape.split("/")):
            raise DefinitionError(
                f"name of {owner} must stay below its folder: relative, and without '..' or empty parts; it is {text!r}"
            )
        literal, last, *_ = self._pieces[-1]
        self._has_suffix = last is None and "." in literal.rpartition("/")[2]

    def fill(self, place: ResultPlace, suffix: str, now: datetime) -> str:
        """Return the name of a result; *suffix* is for a template that does not end with one itself."""
        values = _values(place, now)
        parts = []
        for literal, field, spec, conversion in self._pieces:
            parts.append(literal)
            if field is not None:
                try:
                    parts.append(_filled(values, field, spec, conversion))
                except Exception as error:
                    raise ResultError(
                        f"the result of {place.task} has no name: {{{field}}} of {self.text!r} cannot be filled"
                        f" ({type(error).__name__}: {error})"
                    ) from error
        segments = "".join(parts).split("/")
        if not self._has_suffix:
            return "/".join((*map(_safe, segments[:-1]), _safe(segments[-1]) + suffix))
        return "/".join(map(_safe, segments))


def _check_field(field: str, spec: str, owner: str) -> None:
    head = _HEAD.match(field)[0]  # type: ignore[index]  # it matches anything
    if head != "parameters" and field not in FIELDS:
        raise DefinitionError(f"name of {owner} has no field {field!r}{did_you_mean(field, FIELDS)}")
    if head == "parameters" and field == head:
        raise DefinitionError(f"name of {owner} takes a parameter by its name: {{parameters[day]}}")
    if "{" in spec:
        raise DefinitionError(f"name of {owner} cannot have a field within the format of another: {spec!r}")


def _values(place: ResultPlace, now: datetime) -> dict[str, Any]:
    return {
        "flow": place.flow,
        "run": place.run,
        "task": place.task,
        "index": _OWN if place.number < 0 else place.number,
        "attempt": place.attempt,
        "now": now,
        "date": f"{now:%Y-%m-%d}",
        "time": f"{now:%H-%M-%S}",
        **{part: f"{now:{form}}" for part, form in _DATE_PARTS},
        "flow_run": SimpleNamespace(id=place.run, name=place.run_name or place.run, flow_name=place.flow),
        "task_run": SimpleNamespace(name=place.task_run_name or place.task, task_name=place.task),
        "parameters": place.parameters,
    }


_DATE_PARTS: Final = (
    ("year", "%Y"),
    ("month", "%m"),
    ("day", "%d"),
    ("hour", "%H"),
    ("minute", "%M"),
    ("second", "%S"),
)


def _filled(values: dict[str, Any], field: str, spec: str | None, conversion: str | None) -> str:
    formatter = string.Formatter()
    value, _ = formatter.get_field(field, (), values)
    return _NO_NAME.sub("_", format(formatter.convert_field(value, conversion), spec or "")) or "_"


def _safe(segment: str) -> str:
    """Return a part of a name that no file system refuses and that leads nowhere else."""
    if not segment.strip("."):
        return "_" * max(len(segment), 1)
    data = segment.encode("utf-8", "replace")
    if len(data) <= _SEGMENT_LIMIT:
        return data.decode()
    return f"{data[: _SEGMENT_LIMIT - 9].decode('utf-8', 'ignore')}-{crc32(data):08x}"
