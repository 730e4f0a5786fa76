"""Sum up the orders of every day: a sub-flow for each day, so that one bad day spoils no other.

Each call of sales_of_day is a run of its own: tidemill runs --flow sales_of_day
"""

import csv
from pathlib import Path

from tidemill import cron, flow, get_run_logger, task


@task(retries=1)
def read(path: str) -> list[float]:
    """Read the amounts that can be read."""
    amounts = []
    with Path(path).open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            try:
                amounts.append(float(row["amount"]))
            except (ValueError, TypeError):
                get_run_logger().warning("%s: no amount in %s", path, row)
    return amounts


@flow(flow_run_name="sales of {day}", retries=1)
def sales_of_day(day: str, folder: str = "data/orders") -> float:
    """Sum up one day; the run fails where there is nothing to sum up."""
    amounts = read(f"{folder}/{day}.csv")
    if not amounts:
        raise ValueError(f"no amounts on {day}")
    return round(sum(amounts), 2)


@flow(schedule=cron("45 2 * * *"))
def daily_sales(folder: str = "data/orders") -> dict[str, float]:
    """Call the sub-flow for every day there is, and report the days that went well."""
    sales = {}
    for path in sorted(Path(folder).glob("*.csv")):
        state = sales_of_day(path.stem, folder, return_state=True)
        if state.is_completed():
            sales[path.stem] = state.result()
        else:
            get_run_logger().error("%s is missing: %s", path.stem, state.message)
    print(f"{len(sales)} days, {sum(sales.values()):.2f} in all")
    return sales
