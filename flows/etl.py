"""Load order files into a database every night: CSV in, SQLite out, and no bad row lost.

Try it with a folder of your own: tidemill run etl --wait -p folder=/data/orders -p database=/data/orders.db
"""

import csv
import sqlite3
from datetime import date
from pathlib import Path

from tidemill import Flow, cron, task

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, day TEXT, customer TEXT, cents INTEGER);
CREATE TABLE IF NOT EXISTS rejected (file TEXT, line INTEGER, row TEXT, reason TEXT, PRIMARY KEY (file, line));
"""


@task
def extract(folder: str = "data/orders") -> list[dict]:
    """Read every CSV file of the folder, each row with the file and line it came from."""
    rows = []
    for path in sorted(Path(folder).glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows += [{**row, "file": path.name, "line": reader.line_num} for row in reader]
    if not rows:
        raise FileNotFoundError(f"no CSV file with rows in {Path(folder).resolve()}")
    return rows


@task(depends_on=[extract])
def validate(extract: list[dict]) -> dict[str, list]:
    """Part what can be loaded from what cannot, and say why not."""
    good, rejected = {}, []
    for row in extract:
        try:
            number, euros = int(row["id"]), float(row["amount"])
            if number in good:
                raise ValueError(f"order {number} was seen before")
            if not row["customer"]:
                raise ValueError("no customer")
            if euros < 0:
                raise ValueError(f"amount {euros} is negative")
            day = date.fromisoformat(row["day"]).isoformat()
            good[number] = (number, day, row["customer"], round(euros * 100))
        except (ValueError, KeyError, TypeError) as error:
            rejected.append((row["file"], row["line"], ",".join(str(row.get(key)) for key in row), str(error)))
    return {"good": list(good.values()), "rejected": rejected}


@task(depends_on=[validate])
def load(validate: dict[str, list], database: str = "out/orders.db") -> dict[str, int]:
    """Write both kinds in one transaction; loading the same files again changes nothing."""
    Path(database).parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(database) as connection:
        connection.executescript(SCHEMA)
        connection.executemany("INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?)", validate["good"])
        connection.executemany("INSERT OR REPLACE INTO rejected VALUES (?, ?, ?, ?)", validate["rejected"])
    connection.close()
    counts = {kind: len(rows) for kind, rows in validate.items()}
    print(f"{counts['good']} orders loaded, {counts['rejected']} rows rejected: see the table rejected in {database}")
    return counts


flow = Flow("etl", tasks=[extract, validate, load], schedule=cron("15 2 * * *"))
