"""What is said about an argument: ``from tidemill.utilities.annotations import unmapped, allow_failure, quote``."""

from tidemill.authoring.mapping import AllowFailure, Quoted, Unmapped, allow_failure, quote, unmapped

__all__ = ["AllowFailure", "Quoted", "Unmapped", "allow_failure", "quote", "unmapped"]
