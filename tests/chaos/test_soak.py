"""A soak of seconds, with and without a seeded leak; ``make soak`` has hours of the same."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chaos.killing.stack import SOURCE
from chaos.soak import run_soak
from chaos.soaking.slopes import growths, leaks, slope
from chaos.soaking.telling import tell

LEAKING = Path(__file__).parent / "soaking" / "leaking"
SECONDS = 6.0


@pytest.fixture(scope="module")
def soaks(tmp_path_factory):
    """One soak of the product, and beside it one of a daemon that loses memory and descriptors."""
    folders = [tmp_path_factory.mktemp(name) for name in ("tight", "leaking")]
    environments = [{}, {"PYTHONPATH": f"{SOURCE}:{LEAKING}"}]

    def soak(folder, environment):
        return run_soak(
            7, folder, folder / "report.md", folder / "lines", seconds=SECONDS, environment=environment
        )  # fmt: skip

    with ThreadPoolExecutor() as pool:
        return dict(
            zip(("tight", "leaking"), zip(pool.map(soak, folders, environments), folders, strict=True), strict=True)
        )


def test_figures_are_taken_of_everything_that_could_grow(soaks):
    (result, samples), folder = soaks["tight"]

    assert [told for told in result["violations"] if "grows by" not in told] == []  # seconds cannot tell what grows
    assert len(samples) > 4
    assert [json.loads(line) for line in (folder / "lines").read_text().splitlines()] == samples
    last = [sample for sample in samples if sample["daemon"] and sample["forkserver"]][-1]
    assert last["daemon"]["rss"] > last["daemon"]["pss"] > last["daemon"]["anonymous"] > 20e6
    assert last["daemon"]["fds"] > 8
    assert last["daemon"]["threads"] > 3
    assert last["forkserver"]["pss"] > 2e6
    assert last["daemon"]["cpu"] > 0.1
    assert last["wal"] > 0
    assert last["history"] + last["ledger"] >= 40 * 4096
    assert last["runs_ever"] >= last["runs"] > 5
    assert last["files_in"]["journals"] > 1
    assert 0 < last["ping"] < 1000
    assert f"Violations: {len(result['violations'])}" in (folder / "report.md").read_text()


def test_a_leak_is_seen(soaks):
    (result, _), _ = soaks["leaking"]

    assert any(told.startswith("I14 daemon fds of life") for told in result["violations"])
    assert any(told.startswith("I14 daemon rss of life") for told in result["violations"])
    most = {name: max(sample["daemon"]["fds"] for sample in soaks[name][0][1]) for name in soaks}
    assert most["leaking"] > most["tight"] + 15


def sample(at, **figures):
    process = {"pid": 1, "rss": 50e6, "pss": 40e6, "anonymous": 30e6, "fds": 20, "threads": 9, "cpu": 0.0}
    told = {name: figures.pop(name) for name in process if name in figures}
    return {
        "at": at, "starts": 1, "daemon": {**process, **told}, "forkserver": None, "zombies": [],
        "processes": {"run": 2}, "files": 100, "unowned": 30,
        "history": 5e6, "ledger": 0, "db": 5e6, "wal": 4e6, "runs": 9, "runs_ever": 9, "moments": 9, "ping": 1.0,
        "status": 1.0, **figures,
    }  # fmt: skip


HOUR = [float(at) for at in range(0, 3600, 30)]


def test_the_slope_is_not_moved_by_a_few_outliers():
    points = [(float(x), 3.0 * x + (1000.0 if x % 9 == 0 else 0.0)) for x in range(100)]

    assert slope(points) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("name", "rise"),
    [
        ("rss", 1500.0),
        ("pss", 1500.0),
        ("anonymous", 1500.0),
        ("fds", 0.001),
        ("threads", 0.001),
        ("unowned", 0.05),
        ("history", 1500.0),
    ],
)
def test_whatever_grows_is_told(name, rise):
    base = {"rss": 50e6, "pss": 40e6, "anonymous": 30e6, "history": 5e6}.get(name, 20)

    found = leaks([sample(at, **{name: base + rise * at}) for at in HOUR], 600.0)

    assert len(found) == 1
    assert name in found[0]


def test_what_is_noise_is_not_told():
    assert leaks([sample(at, rss=50e6 + 1e6 * (at % 7), fds=20 + at % 3) for at in HOUR], 600.0) == []


def test_what_grows_only_at_first_is_not_told():
    assert leaks([sample(at, rss=50e6 + 1e5 * min(at, 500.0)) for at in HOUR], 600.0) == []


def test_journals_of_live_runs_are_no_leak():
    runs = [int(at // 600) for at in HOUR]

    assert leaks([sample(at, fds=22 + n, processes={"run": n}) for at, n in zip(HOUR, runs, strict=True)], 600.0) == []


def test_a_log_that_is_not_folded_and_a_dead_process_that_is_not_reaped_are_told():
    found = leaks([sample(at, wal=1e6 + 1e5 * at, zombies=[17]) for at in HOUR[:20]], 0.0)

    assert any("nobody reaps 17" in told for told in found)
    assert any("the write-ahead log" in leaks([sample(at, wal=1e9) for at in HOUR], 0.0)[0] for told in found)


def test_each_life_has_a_slope_of_its_own():
    samples = [sample(at, rss=50e6 if at < 1800 else 90e6) for at in HOUR]
    for later in samples[60:]:
        later["daemon"]["pid"] = 2

    assert {(growth.life, growth.per_hour) for growth in growths(samples, 300.0) if "rss" in growth.name} == {
        (1, 0.0),
        (2, 0.0),
    }
    assert "| daemon rss | 2 | 85.83 MB |" in tell(samples, 300.0, None)
