"""A command line that is plainly right, taken apart without click. Whatever is unusual is left to click."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tidemill.cli.program import SUMMARIES
from tidemill.cli.verb import Choice, FilePath, Number, Parameter, Verb

PLACES: Final = ("--config", "--flows", "--state")
COMPLETION: Final = "_TIDEMILL_COMPLETE"
"""The variable by which a shell asks for completion."""


class Unusual(Exception):
    """Raised when a line is wrong, asks for help, or is written in a way that only click understands."""


def split(arguments: Sequence[str]) -> tuple[dict[str, Path], str, list[str]]:
    """Return the options before the command, its name, and what stands behind it."""
    if COMPLETION in os.environ:
        raise Unusual
    places: dict[str, Path] = {}
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        name, equals, value = rest.pop(0).partition("=")
        if name not in PLACES:
            raise Unusual
        places[name.lstrip("-")] = Path(value if equals else _next(rest))
    if not rest or rest[0] not in SUMMARIES:
        raise Unusual
    return places, rest[0], rest[1:]


def values(verb: Verb, arguments: Sequence[str]) -> dict[str, Any]:
    """Return what the command's function gets, by name."""
    options = {name: parameter for parameter in verb.parameters for name in parameter.names}
    found: dict[str, Any] = {}
    words: list[str] = []
    rest = list(arguments)
    while rest:
        token = rest.pop(0)
        if token == "-" or not token.startswith("-"):
            words.append(token)
        else:
            _take_option(options, token, rest, found)
    _take_words(verb, words, found)
    return {parameter.name: found.get(parameter.name, parameter.default) for parameter in verb.parameters}


def _take_option(options: Mapping[str, Parameter], token: str, rest: list[str], found: dict[str, Any]) -> None:
    """Put the option *token* into *found*, with its value from behind it."""
    name, equals, text = token.partition("=")
    parameter = options.get(name)
    if parameter is None or (equals and (parameter.is_flag or not name.startswith("--"))):
        raise Unusual
    if parameter.is_flag:
        found[parameter.name] = True
        return
    value = _converted(parameter, text if equals else _next(rest))
    found[parameter.name] = (*found.get(parameter.name, ()), value) if parameter.many else value


def _take_words(verb: Verb, words: list[str], found: dict[str, Any]) -> None:
    """Put the words that are no options into *found*, in the order of the arguments."""
    for parameter in verb.parameters:
        if parameter.names:
            continue
        taken = words[:] if parameter.many else words[:1]
        del words[: len(taken)]
        if not taken and parameter.required:
            raise Unusual
        if taken:
            converted = tuple(_converted(parameter, word) for word in taken)
            found[parameter.name] = converted if parameter.many else converted[0]
    if words:
        raise Unusual


def _converted(parameter: Parameter, text: str) -> Any:
    """Return *text* as what the parameter is."""
    kind = parameter.kind
    if isinstance(kind, Choice) and text not in kind.words:
        raise Unusual
    if isinstance(kind, Number):
        if not (text.isascii() and text.isdigit() and kind.least <= int(text) <= (kind.most or int(text))):
            raise Unusual
        return int(text)
    if isinstance(kind, FilePath):
        path = Path(text)
        if kind.exists and not path.exists():
            raise Unusual
        return path
    return text


def _next(rest: list[str]) -> str:
    """Take the value of an option; one that looks like an option itself is not for us to judge."""
    if not rest or rest[0].startswith("-"):
        raise Unusual
    return rest.pop(0)
