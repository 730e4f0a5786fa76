"""What the code that failed says itself about another attempt."""

from collections.abc import Iterator

from tidemill.domain.errors import GiveUp, Retry


def gives_up(error: BaseException) -> bool:
    """Tell whether *error* says that trying again is no use; in a group, whether any of it does."""
    return any(isinstance(leaf, GiveUp) for leaf in _leaves(error))


def asks_again(error: BaseException) -> bool:
    """Tell whether *error* asks for another attempt; in a group, whether any of it does."""
    return any(isinstance(leaf, Retry) for leaf in _leaves(error))


def asked_delay(error: BaseException) -> float | None:
    """Return the seconds that *error* asks to wait, the longest where a group asks for several; None: it says none."""
    return max(
        (leaf.delay for leaf in _leaves(error) if isinstance(leaf, Retry) and leaf.delay is not None), default=None
    )


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _leaves(part)
    else:
        yield error
