import time

import pytest

from tidemill.domain.limits import Limit
from tidemill.limits.slots import Slots
from tidemill.limits.table import write_table
from tidemill.limits.telling import reason


@pytest.fixture
def slots(tmp_path):
    write_table(tmp_path, {"database": Limit(2), "disk": Limit(1), "api": Limit(3, 0.001)})
    return Slots(tmp_path, "k3fq8z2m5a", "nightly")


def test_there_are_as_many_as_the_limit_says(slots):
    leases = [slots.take(("database",)) for _ in range(3)]

    assert [lease is not None for lease in leases] == [True, True, False]
    leases[0].release()
    assert slots.take(("database",)) is not None


def test_only_tags_that_are_limits_count_and_rates_come_last(slots):
    assert slots.of({"nightly", "api", "disk", "database"}) == ("database", "disk", "api")


def test_it_is_all_or_nothing(slots):
    slots.take(("disk",))

    assert slots.take(("database", "disk", "api")) is None
    assert slots.free("database") == 2
    assert slots.held("api") == 0


def test_a_rate_that_is_used_up_gives_the_slots_back(slots):
    slots.take(("api",), 3)

    assert slots.take(("disk", "api")) is None
    assert slots.free("disk") == 1


def test_several_slots_are_taken_at_once(slots):
    lease = slots.take(("database",), 2)
    assert slots.free("database") == 0

    lease.release()

    assert slots.free("database") == 2


def test_a_lease_is_released_once(slots):
    first = slots.take(("disk",))
    first.release()
    slots.take(("disk",))

    first.release()

    assert slots.free("disk") == 0


def test_a_lower_limit_lets_nobody_in_until_there_is_room(slots, tmp_path):
    leases = [slots.take(("database",)) for _ in range(2)]
    write_table(tmp_path, {"database": Limit(1)})
    assert slots.free("database") == -1

    leases[0].release()
    assert slots.take(("database",)) is None
    leases[1].release()

    assert slots.take(("database",)) is not None
    assert slots.take(("database",)) is None


def test_a_higher_limit_lets_more_in_at_once(slots, tmp_path):
    slots.take(("disk",))
    write_table(tmp_path, {"disk": Limit(2)})

    assert slots.take(("disk",)) is not None


def test_a_limit_that_was_taken_away_holds_nobody_up(slots, tmp_path):
    names = slots.of({"disk"})
    slots.take(names)
    write_table(tmp_path, {})

    assert slots.of({"disk"}) == ()
    assert slots.take(names) is not None


def test_files_that_were_removed_are_made_anew(slots, tmp_path):
    lease = slots.take(("disk",))
    (tmp_path / "disk.slots").unlink()

    assert slots.take(("disk",)) is not None
    lease.release()
    assert (tmp_path / "disk.slots").exists()


def test_who_came_first_has_the_first_free_slot(slots):
    lease = slots.take(("disk",))
    number = slots.join(("disk",), 1)
    lease.release()

    assert slots.take(("disk",)) is None, "somebody waits already"
    assert slots.take(("disk",), number=number) is not None


def test_what_somebody_waits_for_in_vain_leaves_the_rest_to_others(slots):
    slots.take(("disk",))
    slots.join(("database", "disk"), 1)

    assert slots.take(("database",)) is not None
    assert slots.take(("database",)) is None, "one is kept for who waits for both"


def test_who_leaves_the_line_holds_nobody_up(slots):
    slots.leave(slots.join(("disk",), 1))

    assert slots.take(("disk",)) is not None


def test_a_ticket_whose_bearer_does_not_look_holds_up_nobody(slots, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    first = slots.join(("disk",), 1)
    now[0] += 0.9
    slots.free("disk", first)
    now[0] += 0.9
    assert slots.free("disk") == 0, "it looked a moment ago"

    now[0] += 0.2

    assert slots.free("disk") == 1


def test_code_under_a_slot_is_lent_it_and_only_once_at_a_time(slots):
    flow = slots.take(("disk",))
    task = slots.take(("disk",), under=flow.grips)
    assert task is not None
    assert slots.take(("disk",), under=flow.grips) is None

    nested = slots.take(("disk",), under=(*task.grips, *flow.grips))
    assert nested is not None
    nested.release()
    task.release()

    assert slots.take(("disk",), under=flow.grips) is not None
    assert slots.free("disk") == 0


def test_a_slot_that_is_lent_is_not_free_before_it_came_back(slots):
    flow = slots.take(("disk",))
    task = slots.take(("disk",), under=flow.grips)

    flow.release()
    assert slots.take(("disk",)) is None
    assert slots.take(("disk",), under=flow.grips) is None, "what was given back lends no more"
    task.release()

    assert slots.take(("disk",)) is not None


def test_it_says_who_holds_what(slots):
    assert reason(slots, ("database", "disk")) is None
    slots.take(("disk",), part="task load")
    for _ in range(2):
        slots.take(("database",), part="task save")

    assert reason(slots, ("disk",)) == (
        "waiting for a slot of limit 'disk' (1 of 1 held by run k3fq8z2m5a (task load))"
    )
    assert reason(slots, ("database", "disk")) == (
        "waiting for a slot of limit 'database' (2 of 2 held by run k3fq8z2m5a (2 slots))"
    )


def test_it_counts_those_who_were_let_go(slots):
    slots.take(("database",), part="task save")

    assert reason(slots, ("database",), {"database": ["m4q0000000"]}) == (
        "waiting for a slot of limit 'database' (2 of 2 held by run k3fq8z2m5a (task save), run m4q0000000)"
    )


def test_it_says_that_a_rate_is_used_up(slots):
    slots.take(("api",), 3)

    assert reason(slots, ("api",)) == "waiting for a slot of limit 'api' (0.001 a second, none is left)"


def test_names_of_any_length_and_kind_are_told(slots, tmp_path):
    other = Slots(tmp_path, "k3fq8z2m5a", "ü" * 300)
    other.take(("disk",), part="ß" * 300)

    assert other.holders("disk")[0].run == "k3fq8z2m5a"
