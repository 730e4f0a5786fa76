"""Every file in flows/ runs, and does what it says."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

FILES = sorted(path.name for path in (Path(__file__).parents[2] / "flows").glob("*.py"))


@pytest.mark.parametrize("name", FILES)
def test_it_runs_as_it_is(flows, run_file, name):
    outcome = run_file(flows / name)
    assert (outcome.code, outcome.state) == (0, "completed"), outcome.output


def test_two_tasks_hands_the_value_over(flows, run_file):
    assert run_file(flows / "two_tasks.py").value("total") == 6


def test_bound_greeting_greets_both(flows, run_file):
    log = run_file(flows / "bound_greeting.py").log
    assert "Hello, Alice!" in log
    assert "Good morning, Bob!" in log


def test_local_result_is_a_file_beside_the_flow(flows, run_file):
    result = run_file(flows / "local_result.py").task("squares").result
    assert Path(result.location).is_relative_to(flows / "out" / "local_result")
    assert Path(result.location).stat().st_size == result.size


def test_unreliable_needs_three_attempts_in_every_run(flows, run_file):
    for _ in range(2):
        outcome = run_file(flows / "unreliable.py")
        assert outcome.task("unreliable").attempts == 3
        assert outcome.value("unreliable") == "attempt 3: the service answered"


def test_etl_loads_the_good_rows_and_keeps_the_bad_ones(flows, run_file):
    for _ in range(2):  # twice: loading the same files again changes nothing
        assert run_file(flows / "etl.py").value("load") == {"good": 4, "rejected": 5}
    with closing(sqlite3.connect(flows / "out" / "orders.db")) as database:
        assert database.execute("SELECT count(*), sum(cents) FROM orders").fetchone() == (4, 20_989)
        reasons = [reason for (reason,) in database.execute("SELECT reason FROM rejected ORDER BY file, line")]
    assert [reason.split(":")[0] for reason in reasons] == [
        "no customer",
        "day is out of range for month",
        "order 1002 was seen before",
        "could not convert string to float",
        "amount -3.5 is negative",
    ]


def test_etl_takes_another_folder_and_says_when_there_is_nothing(flows, run_file, tmp_path):
    outcome = run_file(flows / "etl.py", folder=str(tmp_path / "empty"))
    assert outcome.code == 1
    assert outcome.state == "failed"
    assert "no CSV file with rows in" in outcome.task("extract").error.message


def test_verified_backup_rotates(flows, run_file, tmp_path):
    database, folder = tmp_path / "app.db", tmp_path / "backups"
    with closing(sqlite3.connect(database)) as app, app:
        app.execute("CREATE TABLE t (x)")
        app.execute("INSERT INTO t VALUES (42)")
    kept = [
        run_file(flows / "verified_backup.py", database=str(database), folder=str(folder), keep=2).value("rotate")
        for _ in range(3)
    ]
    assert [len(names) for names in kept] == [1, 2, 2]
    assert sorted(path.name for path in folder.iterdir()) == kept[-1]
    with closing(sqlite3.connect(folder / kept[-1][-1])) as backup:
        assert backup.execute("SELECT x FROM t").fetchone() == (42,)


def test_verified_backup_refuses_what_is_no_database(flows, run_file, tmp_path):
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"SQLite format 3\0" + b"\xff" * 4096)
    outcome = run_file(flows / "verified_backup.py", database=str(broken), folder=str(tmp_path / "backups"))
    assert outcome.state == "failed"
    assert not list(tmp_path.glob("backups/*.db"))


def test_disk_report_fails_when_a_limit_is_passed(flows, run_file, tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "big.log").write_bytes(b"x" * 2_000_000)
    outcome = run_file(flows / "disk_report.py", log_folder=str(tmp_path / "logs"), max_log_megabytes=1)
    assert outcome.state == "failed"
    assert outcome.task("judge").error.message.endswith("the logs take 2 MB (limit 1 MB)")


def test_duplicates_finds_equal_files_and_hashes_none_twice(flows, run_file):
    first, second = (run_file(flows / "duplicates.py") for _ in range(2))
    for outcome in (first, second):
        assert "2 files are the same" in outcome.log
        assert "2 files compared, 1 groups of equal ones" in outcome.log
    assert first.task("digest").state == "completed"
    assert second.task("digest").state == "cached"


def test_daily_sales_reports_the_days_that_went_well(flows, run_file):
    (flows / "data" / "orders" / "2026-11-22.csv").write_text("id,day,customer,amount\n")
    outcome = run_file(flows / "daily_sales.py")
    assert outcome.state == "completed"
    assert "2 days, 230.64 in all" in outcome.log
    assert "2026-11-22 is missing: ValueError: no amounts on 2026-11-22" in outcome.log


def test_exchange_rates_falls_back_and_tells(flows, run_file, tmp_path):
    outcome = run_file(flows / "exchange_rates.py")
    assert outcome.task("delivered").state == "failed"
    assert outcome.value("publish")["USD"] == 1.08
    assert "the rates are the last known ones" in outcome.log

    delivery = tmp_path / "rates.json"
    delivery.write_text('{"USD": 1.1}')
    outcome = run_file(flows / "exchange_rates.py", delivery=str(delivery))
    assert (outcome.task("last_known").state, outcome.task("warn").state) == ("skipped", "skipped")
    assert outcome.value("publish") == {"USD": 1.1}
