"""A parameter of the flow, named where a task of a declared graph takes it."""

from typing import Any

from tidemill.authoring.signatures import MISSING, describe_type
from tidemill.authoring.signatures import Parameter as Asked
from tidemill.domain.errors import DefinitionError


class Parameter:
    """Stands for the value that a run of the flow is given for *name*; bind it to a parameter of a task.

    Without a *default* a run must give the value. It is converted to *type*; without one, to what the annotation of
    the task's parameter says.

    >>> load = read.bind(path=Parameter("source", default="rows.csv"), limit=Parameter("limit", default=10, type=int))
    """

    def __init__(self, name: str, default: Any = MISSING, *, type: Any = None) -> None:
        if not isinstance(name, str) or not name.isidentifier():
            raise DefinitionError(
                f"a parameter needs a name such as 'source', of letters, digits and _; it is {name!r}"
            )
        self.name = name
        self.default = default
        self.type = type

    def asked(self, by: Asked | None) -> Asked:
        """Return it as the flow's parameter; *by* is the task's parameter that it fills alone, if it does."""
        if self.type is not None:
            return Asked(self.name, self.type, describe_type(self.type), self.default)
        if by is not None:
            return Asked(self.name, by.annotation, by.written, self.default)
        return Asked(self.name, default=self.default)

    def agrees_with(self, other: "Parameter") -> bool:
        """Tell whether *other* may stand for the same parameter of a flow."""
        if self is other:
            return True
        plain = type(self.default) in (str, int, float, bool, type(None))
        same = self.default is other.default or (plain and self.default == other.default)
        return self.type is other.type and same

    def __repr__(self) -> str:
        default = "" if self.default is MISSING else f", default={self.default!r}"
        return f"Parameter({self.name!r}{default})"
