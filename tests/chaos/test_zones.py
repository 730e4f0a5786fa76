"""Time zones and shapes of schedules against an independent computation; ``make chaos`` compares all of them."""

from zoneinfo import ZoneInfo

import pytest

from chaos.zones import SHAPES, changes, compare


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Africa/Cairo", "Australia/Lord_Howe", "Antarctica/Troll"])
def test_every_shape_is_due_when_an_independent_computation_says_so(zone):
    moments, jumps, differences = compare(zone, 2024, 2025)

    assert differences == []
    assert jumps == 2
    assert moments > 300 * len(SHAPES)


def test_changes_of_the_clocks_are_found_to_the_second():
    assert changes(ZoneInfo("Europe/Berlin"), 1_704_067_200, 1_735_689_600) == [1_711_846_800, 1_729_990_800]
