"""What a flow says its runs may take of the machine."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from tidemill.authoring.naming import did_you_mean
from tidemill.domain.errors import DefinitionError

NO_LIMITS: Final[Mapping[str, float]] = MappingProxyType({})


def parse_limits(limits: Any, owner: str) -> Mapping[str, float]:
    """Return the limits of the flow called *owner* as numbers, or refuse what is none."""
    if not limits:
        return NO_LIMITS
    # Few flows have any.
    from tidemill.domain.restraints import RESTRAINTS, read_restraint

    if not isinstance(limits, Mapping):
        raise DefinitionError(f'limits of {owner} must be a dict such as {{"memory": "512MB"}}; they are {limits!r}')
    found: dict[str, float] = {}
    for name, value in limits.items():
        if name not in RESTRAINTS:
            raise DefinitionError(f"limits of {owner} cannot name {name!r}{did_you_mean(str(name), RESTRAINTS)}")
        try:
            found[name] = read_restraint(name, value)
        except ValueError as error:
            raise DefinitionError(f"the limit {name} of {owner} {error}") from None
    return found
