"""What is said about an argument: ``from tidemill.utilities.annotations import unmapped, allow_failure, quote``."""

from tidemill.authoring.mapping import AllowFailure, Opaque, Quoted, Unmapped, allow_failure, opaque, quote, unmapped
from tidemill.authoring.unsupported import missing_from

BaseAnnotation = AllowFailure.__mro__[1]


class NotSet:
    """Stands for an argument that was not given."""


__all__ = [
    "AllowFailure",
    "BaseAnnotation",
    "NotSet",
    "Opaque",
    "Quoted",
    "Unmapped",
    "allow_failure",
    "opaque",
    "quote",
    "unmapped",
]

__getattr__ = missing_from(__name__)
