"""Cuts the power of a recording at many moments, and has each state examined that this may leave."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from chaos.losing_power.disk import Disk
from chaos.losing_power.examination import Examined, examine
from chaos.losing_power.facts import ANSWERED, BEGIN, Facts, to_be_removed
from chaos.losing_power.image import put
from chaos.losing_power.loss import Image, lose
from chaos.losing_power.recording import Recording, Synced, Told


class State(NamedTuple):
    """One state of the disk after the power went."""

    cut: int
    """After how many deeds."""
    chance: int
    """Which of the many states that may leave."""


def draw(recording: Recording, count: int, seed: int) -> list[State]:
    """Draw moments: after answers, after syncs, and anywhere; the same seed draws the same."""
    random = Random(f"{seed}/{count}")
    begin = begins(recording)
    after_answers, after_syncs = [], []
    for number, deed in enumerate(recording.deeds[begin:], begin + 1):
        if isinstance(deed, Told) and deed.what == ANSWERED:
            after_answers.append(number)
        elif isinstance(deed, Synced):
            after_syncs.append(number)
    anywhere = range(begin, len(recording.deeds) + 1)
    kinds = [kind for kind in (after_answers, after_syncs, anywhere, anywhere) if kind]
    return sorted(State(random.choice(kinds[number % len(kinds)]), random.getrandbits(32)) for number in range(count))


def begins(recording: Recording) -> int:
    """Return how many deeds were done before the first that was watched."""
    last = 0
    for number, deed in enumerate(recording.deeds):
        if isinstance(deed, Told) and deed.what == BEGIN:
            last = number + 1
    return last


def play(recording: Recording, states: list[State]) -> Iterator[tuple[State, Examined]]:
    """Give for each of *states*, in the order of their cuts, what was found."""
    disk, facts = Disk(), Facts(doomed=to_be_removed(recording.deeds))
    for state in sorted(states):
        while disk.done < state.cut:
            deed = recording.deeds[disk.done]
            disk.do(deed)
            if isinstance(deed, Told):
                facts.add(deed)
        put(_left(disk, state), recording.folder)
        yield state, examine(recording.folder, facts)


def image_of(recording: Recording, state: State) -> Image:
    """Return one state of the disk."""
    disk = Disk()
    for deed in recording.deeds[: state.cut]:
        disk.do(deed)
    return _left(disk, state)


def _left(disk: Disk, state: State) -> Image:
    return lose(disk, Random(f"{state.cut}/{state.chance}"))
