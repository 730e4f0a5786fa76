"""A few points of the sweep over every state-changing call; ``make sweep`` has all of them."""

from pathlib import Path
from random import Random

import pytest

from chaos.sweep import pairs_of, points_of, sweep
from chaos.sweeping.points import Numbering, Point, changes_something, parse_point
from chaos.sweeping.telling import summary
from chaos.sweeping.worlds import kill_at
from chaos.tracing.calls import Call
from chaos.tracing.tracer import why_not

followed = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@followed
@pytest.mark.timeout(400)  # ten seconds alone; each of its nine worlds has processes that want the processor at once
def test_nothing_is_wrong_wherever_a_process_of_the_stack_is_killed(tmp_path):
    points = points_of(["fresh"], tmp_path, tellings=1)

    outcomes = list(sweep([*Random(5).sample(points, 6), *pairs_of(points, 1, seed=5)], tmp_path, jobs=2))

    assert [(outcome.point, outcome.violations) for outcome in outcomes if outcome.violations] == []
    assert sum(outcome.hits > 0 for outcome in outcomes) >= 5
    assert {point.phase for point in points} == {"start-up", "story", "shutdown"}
    assert len(points) > 500


@followed
def test_a_point_that_the_story_does_not_come_to_is_told(tmp_path):
    point = Point("story", "daemon", "rmdir", "nowhere", 1)

    outcome = kill_at(point, tmp_path / "world")

    assert (outcome.hits, outcome.starts, outcome.violations) == (0, 2, [])
    assert f"not come to: {point}" in list(summary([outcome]))


@pytest.mark.parametrize("then", [None, 17])
def test_a_point_is_found_again_by_its_name(then):
    point = Point("recovery", "daemon", "pwrite64", "state/a b.journal", 3, then)
    assert parse_point(str(point)) == point


def test_what_differs_from_world_to_world_is_not_in_the_name():
    def named(folder, path, role="run", call="write"):
        return Numbering("fresh", Path(folder)).number(Call(1, 2, 2, role, call, (3, 0, 9), path))

    one = "/tmp/sweep-1/7/0", "/tmp/sweep-1/7/0/state/journals/p8/p8dqzthtjf.journal"
    other = "/home/w", "/home/w/state/journals/zz/zzhhkkmmnn.journal"
    assert named(*one) == named(*other) == Point("start-up", "run", "write", "state/journals/XX/ID.journal", 1)
    assert named("/a/b", "/a").path == named("/tmp/x", "/").path == "above"
    assert named("/a", "socket:[123]").path == "socket"


@pytest.mark.parametrize(
    ("name", "path", "args", "expected"),
    [
        ("write", "anon_inode:[eventfd]", (3, 0, 8), False),
        ("sendto", "socket:[1]", (3, 0, 1), False),
        ("sendto", "socket:[1]", (3, 0, 80), True),
        ("kill", None, (99, 0), False),
        ("kill", None, (99, 15), True),
        ("tgkill", None, (99, 99, 0), False),
        ("fdatasync", "/state/history.db-wal", (3,), True),
    ],
)
def test_what_a_process_says_to_itself_alone_changes_nothing(name, path, args, expected):
    assert changes_something(Call(1, 2, 2, "daemon", name, (*args, *[0] * (6 - len(args))), path)) is expected


def test_calls_are_numbered_by_kind():
    numbering = Numbering("fresh", Path("/w"))
    met = [("write", "/w/state/a"), ("write", "/w/state/b"), ("write", "/w/state/a"), ("fsync", "/w/state/a")]
    numbers = [numbering.number(Call(1, 2, 2, "daemon", name, (0,) * 6, path)).nth for name, path in met]
    assert numbers == [1, 1, 2, 1]
