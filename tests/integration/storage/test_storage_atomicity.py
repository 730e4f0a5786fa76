"""A result is there as a whole or not at all, whoever is killed."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from result_servers import point_to
from tidemill.storage import files
from tidemill.storage.cloud import CloudResult
from tidemill.storage.files import link_file, write_file
from tidemill.storage.local import LocalResult

SOURCE = Path(__file__).parents[3] / "daemon"
KILLS = 25


def test_a_killed_process_leaves_the_old_file_or_the_new_one(place):
    handler = LocalResult("out", "json", "latest.json")
    values = ["a" * 3_000_000, "b" * 2_000_000]
    handler.write(values[0], place)
    path = place.folder / "out" / "latest.json"
    sizes = {len(value) + 2: value[0] for value in values}
    drafts = 0
    for _ in range(KILLS):
        pid = os.fork()
        if pid == 0:
            try:
                while True:
                    for value in values:
                        handler.write(value, place)
            finally:
                os._exit(1)
        time.sleep(random.uniform(0.001, 0.03))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

        data = path.read_text()
        letter = sizes[len(data)]
        assert data == f'"{letter * (len(data) - 2)}"'
        drafts += len(list(path.parent.glob(".*.draft"))) > 0
    # It was hit in the middle of a write, or this proves nothing.
    assert drafts > 0
    handler.write("whole", place)
    assert path.read_text() == '"whole"'


WRITER = """
import sys
from pathlib import Path
from tidemill.storage.cloud import CloudResult
from tidemill.storage.places import ResultPlace

handler = CloudResult("s3://results/killed", "json", "latest.json")
while True:
    for letter, size in (("a", 20_000_000), ("b", 15_000_000)):
        print(letter, flush=True)
        handler.write(letter * size, ResultPlace("flow", "run", "load", 0, Path.cwd()))
"""


def test_a_killed_process_leaves_the_old_object_or_the_new_one(clouds, place, monkeypatch):
    point_to(clouds("s3"), monkeypatch)
    handler = CloudResult("s3://results/killed", "json", "latest.json")
    info = handler.write("old", place)._replace(checksum=None)
    for _ in range(3):
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        writer = subprocess.Popen([sys.executable, "-P", "-c", WRITER], stdout=subprocess.PIPE, env=environment)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(random.uniform(0.01, 0.1))
        writer.kill()
        writer.communicate()

        value = handler.read(info)
        assert value in ("old", "a" * 20_000_000, "b" * 15_000_000)


def test_no_folder_on_the_way_to_a_result_can_be_lost_with_the_power(synced, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_NAMED", set())
    (tmp_path / "results").mkdir()
    path = tmp_path / "results" / "ab" / "abc" / "0-load.json"

    write_file(path, b"[]")

    assert {tmp_path, tmp_path / "results", tmp_path / "results" / "ab", path.parent} <= set(synced)
    synced.clear()
    write_file(path.with_name("1-load.json"), b"[]")
    assert synced == [Path(f"{path.parent}/1-load.json gets its name"), path.parent]


def test_a_second_name_of_a_result_is_as_durable_as_the_first(synced, tmp_path):
    write_file(tmp_path / "one" / "result", b"[]")
    synced.clear()

    link_file(tmp_path / "one" / "result", tmp_path / "two" / "result")

    assert synced[-1] == tmp_path / "two"
    assert tmp_path in synced
