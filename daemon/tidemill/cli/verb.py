"""How a command declares itself: its name, its options and arguments, its examples. Plain data.

Two readers understand it: ``quick`` takes apart a command line that is plainly right, ``clicking`` makes a command of
click's from it, for help, completion, and a good sentence about what is wrong. Importing click takes as long
as everything else that a listing does, so only those who need it pay.
"""

from collections.abc import Callable, Sequence
from typing import Any

Example = tuple[str, str]
Body = Callable[..., Any]


class Choice:
    """One of several words."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)


class Number:
    """A whole number within bounds."""

    def __init__(self, least: int, most: int | None = None) -> None:
        self.least = least
        self.most = most


class FilePath:
    """A path; *exists* makes one that is not there a mistake."""

    def __init__(self, *, exists: bool = False) -> None:
        self.exists = exists


Kind = Choice | Number | FilePath | None
"""What a value has to be; None is any text."""


class Parameter:
    """An option, whose names begin with dashes, or an argument, whose name does not."""

    __slots__ = ("default", "help", "is_flag", "kind", "many", "metavar", "name", "names", "offers", "required")

    def __init__(
        self,
        *names: str,
        kind: Kind = None,
        is_flag: bool = False,
        many: bool = False,
        required: bool = True,
        default: Any = None,
        metavar: str | None = None,
        offers: str | None = None,
        help: str = "",
    ) -> None:
        self.names = tuple(name for name in names if name.startswith("-"))
        plain = [name for name in names if not name.startswith("-")]
        self.name = plain[0] if plain else max(self.names, key=len).lstrip("-").replace("-", "_")
        """What the function calls it."""
        self.kind = kind
        self.is_flag = is_flag
        self.many = many
        self.required = required and not self.names
        self.default = () if many and default is None else False if is_flag else default
        self.metavar = metavar
        self.offers = offers
        """What completes it: ``flow``, ``run``, ``task``, ``flow_or_run`` or ``flow_or_file``."""
        self.help = help


class Verb:
    """A command: a function that gets the invocation and, by name, what the parameters stand for."""

    def __init__(self, name: str, run: Body, parameters: Sequence[Parameter], examples: Sequence[Example]) -> None:
        self.name = name
        self.run = run
        self.parameters = tuple(parameters)
        self.examples = tuple(examples)


def verb(name: str, *parameters: Parameter, examples: Sequence[Example]) -> Callable[[Body], Verb]:
    """Make a function the command *name*; its docstring is the help."""
    return lambda function: Verb(name, function, parameters, examples)


option = argument = Parameter
JSON = option("--json", "as_json", is_flag=True, help="Print one JSON document.")
