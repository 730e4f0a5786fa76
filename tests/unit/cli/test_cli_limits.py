"""Named limits as a person sees them: who holds what, and who waits for it."""

import os
import signal

import pytest

from tidemill.config.settings import Places, Settings
from tidemill.domain.limits import Limit
from tidemill.limits.slots import Slots
from tidemill.limits.table import write_table

LIMITS = {"database": Limit(1), "api": Limit(10, 0.5)}
REASON = "waiting for a slot of limit 'database' (1 of 1 held by run m4q0000000)"


@pytest.fixture
def slots(invocation, add_flow, add_run):
    settings = Settings(places=Places(state_dir=invocation.paths.root), limits=LIMITS)
    invocation.__dict__["_loaded"] = (settings, {})
    write_table(invocation.paths.limits, LIMITS)
    add_flow("nightly", ("cron", "0 2 * * *", "UTC"), tags=["database"])
    add_run("k3f0000000", state="pending", started_at=None, finished_at=None, duration=None)
    add_run("k2f0000000", flow="other", state="pending", started_at=None, finished_at=None, duration=None)
    told, tell = os.pipe()
    holder = os.fork()  # a process does not see its own locks
    if holder == 0:
        slots = Slots(invocation.paths.limits, "m4q0000000", "backup")
        slots.take(("database",))
        slots.take(("api",), 3)
        os.write(tell, b".")
        signal.pause()
        os._exit(0)
    assert os.read(told, 1)
    yield
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    os.close(told)
    os.close(tell)


def test_status_tells_who_holds_what(tidemill, slots):
    shown = tidemill("status", "--json").document["limits"]

    assert [(limit["name"], limit["slots"], limit["held"], limit["per_second"]) for limit in shown] == [
        ("api", 10, 3, 0.5),
        ("database", 1, 1, None),
    ]
    assert [(holder["run"], holder["flow"]) for holder in shown[1]["holders"]] == [("m4q0000000", "backup")]
    out = tidemill("status").out
    assert "database: 1 of 1 held by m4q0000000" in out
    assert "api: 3 of 10 taken, 0.5 a second come back" in out


def test_without_limits_status_says_nothing_of_them(tidemill):
    assert tidemill("status", "--json").document["limits"] == []
    assert "\nlimit " not in tidemill("status").out


def test_runs_and_show_tell_what_a_run_waits_for(tidemill, slots):
    waiting = {run["id"]: run["waiting"] for run in tidemill("runs", "--json").document}

    assert waiting == {"k3f0000000": REASON, "k2f0000000": None}
    assert "waiting for a slot" in tidemill("runs").out
    assert tidemill("show", "k3f", "--json").document["waiting"] == REASON
    assert REASON in " ".join(tidemill("show", "k3f").out.split())


def test_why_tells_what_the_run_of_a_moment_waits_for(tidemill, slots, reader):
    reader.moments.append(
        {
            "flow": "nightly",
            "at": "2026-11-22T02:00:00.000000+00:00",
            "outcome": "ran",
            "run": "k3f0000000",
            "reason": "it came due",
            "until": None,
        }
    )

    told = tidemill("why", "nightly").out

    assert told.startswith(
        f"nightly was to run at Sun 2026-11-22 02:00 UTC (run k3f0000000): it came due; it is {REASON}"
    )


def test_a_run_that_holds_its_slot_waits_for_nothing(tidemill, slots, add_run):
    add_run("k4f0000000", state="running", finished_at=None, duration=None)

    assert tidemill("show", "k4f", "--json").document["waiting"] is None
