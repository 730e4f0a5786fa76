"""A disk that fails under the real stack, for a few seconds; ``make ioerrors`` walks through all of it."""

import errno

import pytest

from chaos.failing.acknowledging import Order
from chaos.failing.faults import MANNERS, Fault, fault_of, is_on_disk, meets
from chaos.failing.walking import all_faults, points_of
from chaos.io_errors import command, figures_of, walk
from chaos.sweeping.points import Point
from chaos.tracing.calls import Call
from chaos.tracing.tracer import why_not

REASON = why_not()
traced = pytest.mark.skipif(REASON is not None, reason=f"no disk can be made to fail under the stack: {REASON}")


@traced
def test_a_failing_disk_does_no_harm(tmp_path):
    points = points_of("fresh", tmp_path)
    assert len(points) > 300
    assert {point.role for point in points} >= {"daemon", "forkserver", "run", "inspection"}
    # The first call of its kind: every telling of the story comes to it.
    faults = [fault for fault in all_faults(points, seed=1) if fault.point.nth == 1]
    lasting = next(fault for fault in faults if fault.point.role == "daemon" and fault.manner == "everybody 1")
    once = next(fault for fault in faults if fault.point != lasting.point and not fault.seconds)

    result = figures_of(walk([lasting, once], tmp_path, jobs=2))

    assert result["violations"] == []
    assert result["points"] == 2
    assert result["refused"]


def test_every_point_meets_an_error_once_and_one_that_lasts_before_any_has_a_third():
    points = [Point("story", "daemon", "openat", "state/lock", nth) for nth in range(1, 6)]
    points.append(Point("story", "run", "fdatasync", "state/x", 1))
    faults = all_faults(points, seed=3)

    first, rest = faults[:12], faults[12:]

    assert {(fault.point, bool(fault.seconds)) for fault in first} == {
        (p, lasts) for p in points for lasts in (False, True)
    }
    assert {fault.point.call for fault in first[:2]} == {"openat", "fdatasync"}
    assert len(set(faults)) == len(faults) == 5 * 18 + 10
    assert rest == [fault for fault in all_faults(points, seed=3) if fault not in first]


def call(name, path, data=b"", result=0, role="daemon"):
    return Call(0, 1, 1, role, name, (0, 0, 0), path, None, data, result)


WRITTEN = call("pwrite64", "/s/state/history.db-wal", b"..abc1234567..", 14)
SYNCED = call("fdatasync", "/s/state/history.db-wal")
FILE_SYNCED = call("fdatasync", "/s/state/history.db")
SYNC_FAILED = SYNCED._replace(result=-errno.EIO)
ANSWERED = call("sendto", "socket:[1]", b'{"ok":{"run":"abc1234567"}}', 27)


@pytest.mark.parametrize(
    ("calls", "is_early"),
    [
        ((WRITTEN, SYNCED, ANSWERED), False),
        ((WRITTEN, ANSWERED, SYNCED), True),
        ((SYNCED, ANSWERED, WRITTEN), True),
        ((WRITTEN, SYNC_FAILED, SYNCED, ANSWERED), True),
        ((WRITTEN, SYNC_FAILED, WRITTEN, SYNCED, ANSWERED), False),
        ((WRITTEN._replace(result=-errno.ENOSPC), SYNCED, ANSWERED), True),
        ((WRITTEN, FILE_SYNCED, ANSWERED), True),
        ((WRITTEN, SYNC_FAILED, WRITTEN._replace(path=FILE_SYNCED.path), FILE_SYNCED, ANSWERED), False),
    ],
)
def test_an_answer_before_its_row_is_on_the_disk_is_found_out(calls, is_early):
    order = Order()
    for each in calls:
        order.seen(each)

    assert bool(list(order.too_early(["abc1234567"]))) == is_early


def test_only_what_lies_on_the_disk_that_fails_is_touched(tmp_path):
    for path, is_touched in [("state/daemon.pid", True), ("kept/x", True), ("ledger", False), ("statement", False)]:
        assert is_on_disk(call("write", f"{tmp_path}/{path}"), tmp_path) == is_touched
    assert not is_on_disk(call("write", "/elsewhere/state/x"), tmp_path)


def test_a_fault_is_read_as_it_is_written():
    for manner in MANNERS:
        fault = Fault(Point("story", "daemon", "write", "state/daemon.new", 2), "EIO", manner)
        assert fault_of(str(fault)) == fault
        assert str(fault) in command(str(fault))


def test_a_full_disk_takes_nothing_new_and_lets_what_is_there_be_opened(tmp_path):
    opening = call("openat", str(tmp_path / "there"))._replace(args=(0, 0, 0o102))
    assert meets("ENOSPC", opening)
    (tmp_path / "there").touch()
    assert not meets("ENOSPC", opening)
    assert meets("ENOSPC", call("pwrite64", "x"))
    assert not meets("ENOSPC", call("unlink", "x"))
    assert meets("EROFS", call("unlink", "x"))
    assert not meets("EROFS", call("fsync", "x"))
