"""The real stack under SIGKILL for a few seconds; ``make chaos`` has campaigns of the same."""

import pytest

from chaos.campaign import run_campaign


@pytest.mark.parametrize("seed", [7])
def test_nothing_is_lost_and_nothing_done_twice_whatever_is_killed(tmp_path, seed):
    result = run_campaign(seed, tmp_path, seconds=10, kills=25)

    assert result["violations"] == []
    assert result["kills"]["daemon"] > 2
    assert result["answered"] > 2
    assert result["moments"]["ran"] + result["moments"]["late"] > 8
    assert result["states"]["completed"] > 8
