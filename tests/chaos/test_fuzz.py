"""A little nonsense at every edge; ``make fuzz`` has a million of each."""

import pytest

from chaos.fuzz import PARTS, fuzz

SHORT = {"frames": 3000, "frames_served": 1500, "lines": 3000, "lines_ingested": 2000, "ids": 1500}


@pytest.mark.parametrize("part", SHORT)
def test_nonsense_is_answered_with_sentences_and_nothing_else(part, tmp_path):
    figures = fuzz(part, 7, SHORT[part], tmp_path)

    assert figures["violations"] == []
    assert figures["inputs"] >= SHORT[part]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", sorted(set(PARTS) - set(SHORT)))
def test_a_real_daemon_takes_nonsense_and_serves_on(part, tmp_path):
    figures = fuzz(part, 7, 40 * PARTS[part][1], tmp_path)

    assert figures["violations"] == []
    assert figures["inputs"] >= 40
