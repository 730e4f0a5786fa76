"""Take today's exchange rates where they were delivered, else the last known ones: a graph with conditions.

Without a delivery the run completes all the same; with one: tidemill run exchange_rates -p delivery=/srv/rates.json
"""

import json
from pathlib import Path

from tidemill import Flow, cron, get_run_logger, task


@task
def delivered(delivery: str = "out/rates/today.json") -> dict[str, float]:
    """Read what somebody put there; fail where nobody did."""
    return json.loads(Path(delivery).read_text(encoding="utf-8"))


@task(depends_on=[delivered], condition="any_failed")
def last_known(archive: str = "data/rates.json") -> dict[str, float]:
    """Fall back on the last known rates; skipped where there was a delivery."""
    return json.loads(Path(archive).read_text(encoding="utf-8"))


@task(depends_on=[delivered, last_known], condition="any_succeeded")
def publish(delivered: dict | None, last_known: dict | None, target: str = "out/rates/published.json") -> dict:
    """Publish whichever there is: what did not succeed is None here."""
    rates = delivered or last_known
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Path(target).write_text(json.dumps(rates), encoding="utf-8")
    return rates


@task(depends_on=[publish, last_known], condition=lambda states: states["last_known"] == "completed")
def warn() -> None:
    """Tell that the rates are old."""
    get_run_logger().warning("there was no delivery; the rates are the last known ones")


# A run fails when any of its tasks does, unless it names those that count.
flow = Flow(
    "exchange_rates",
    tasks=[publish, warn],
    reference_tasks=[publish],
    schedule=cron("0 6 * * 1-5"),
)
