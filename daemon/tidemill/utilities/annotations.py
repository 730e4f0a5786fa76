"""What is said about an argument: ``from tidemill.utilities.annotations import unmapped, allow_failure, quote``."""

from tidemill.authoring.mapping import AllowFailure, Opaque, Quoted, Unmapped, allow_failure, opaque, quote, unmapped

__all__ = ["AllowFailure", "Opaque", "Quoted", "Unmapped", "allow_failure", "opaque", "quote", "unmapped"]
