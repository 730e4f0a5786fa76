"""Many worlds, one after the other, each in a folder of its own; what went wrong bears its seed."""

import logging
import os
import shutil
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chaos.simulation.world import World
from tidemill.history.database import open_database
from tidemill.history.pen import Pen


@dataclass
class Findings:
    """What worlds came to, together."""

    worlds: int = 0
    lives: int = 0
    faults: Counter = field(default_factory=Counter)
    stats: Counter = field(default_factory=Counter)
    violations: list = field(default_factory=list)

    @property
    def total(self):
        return sum(self.faults.values())

    def add(self, world):
        self.worlds += 1
        self.lives += world.lives
        self.faults.update(world.nemesis.done)
        self.stats.update(world.stats)


@contextmanager
def nursery():
    """Yield a function that makes worlds; in memory where the machine has a place for files there."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="tidemill-worlds-", dir=memory if os.access(memory, os.W_OK) else None))
    template = folder / "template.db"
    pen = Pen(open_database(template))
    pen._open()
    pen.tidy()
    pen.close()
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)

    @contextmanager
    def make(seed):
        world = World(seed, folder / "world", template)
        try:
            yield world
        finally:
            world.database.engine.dispose()
            shutil.rmtree(folder / "world", ignore_errors=True)

    try:
        yield make
    finally:
        logging.disable(before)
        shutil.rmtree(folder, ignore_errors=True)


def explore(seeds, rounds, *, stop_at=None, on_violation=lambda seed, error: None):
    """Live through a world of each seed; end early after *stop_at* faults, or, where that is 0, the first violation."""
    findings = Findings()
    with nursery() as make:
        for seed in seeds:
            with make(seed) as world:
                try:
                    world.run(rounds)
                except KeyboardInterrupt:  # what was found until now counts
                    break
                except Exception as error:
                    findings.violations.append((seed, f"{type(error).__name__}: {error}"))
                    on_violation(seed, error)
                    if stop_at == 0:
                        findings.add(world)
                        break
            findings.add(world)
            if stop_at and findings.total >= stop_at:
                break
    return findings


def walk(seed, point, steps, most=10_000):
    """Kill at the first passing of *point*, then at the second, until the world ends before; return how many."""
    with nursery() as make:
        for nth in range(1, most + 1):
            with make(seed) as world:
                if not world.walk(point, nth, steps):
                    return nth - 1
    return most
