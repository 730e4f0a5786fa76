"""S16: a run that takes too much meets its limit, alone, and is told which."""

import os
from pathlib import Path

import pytest

from engine_lab import inspect_file, run_file, write_flow
from tidemill.domain.restraints import RESTRAINTS, read_restraint

HUNGRY = {
    "memory": ("x = bytearray(200_000_000)", "60MB", "MemoryError: the run met its limit on memory, 60 MB"),
    "open_files": (
        "x = [open('/dev/null') for _ in range(1000)]",
        200,
        "OSError: [Errno 24] Too many open files: '/dev/null' (the run met its limit on open files, LIMIT)",
    ),
    "file_size": (
        "open('big', 'wb').write(bytes(2_000_000))",
        "1MB",
        "OSError: [Errno 27] File too large (the run met its limit on file size, 1 MB)",
    ),
}


def flow(code: str, limits: str) -> str:
    return f"""
    from tidemill import flow

    @flow(limits={limits})
    def hungry():
        {code}
    """


def hungry(name):
    """Return the code, the limit that it meets, and what is told; the limit of files is beyond what we have open."""
    code, limit, error = HUNGRY[name]
    if name == "open_files":
        limit += sum(1 for _ in Path("/proc/self/fd").iterdir())
    return code, limit, error.replace("LIMIT", str(limit))


@pytest.mark.parametrize("name", HUNGRY)
def test_s16_a_run_that_meets_a_limit_fails_and_says_which(tmp_path, name):
    code, limit, error = hungry(name)
    path = write_flow(tmp_path / "flows", flow(code, repr({name: limit})))

    record = run_file(path, state=tmp_path / "state")

    assert record.state == "failed"
    assert record.end.error.line == error


@pytest.mark.parametrize("name", HUNGRY)
def test_s16_the_operator_s_limit_counts_where_the_flow_says_nothing(tmp_path, name):
    code, limit, error = hungry(name)
    path = write_flow(tmp_path / "flows", flow(code, "None"))

    record = run_file(path, state=tmp_path / "state", restraints={name: float(read_restraint(name, limit))})

    assert record.end.error.line == error


def test_s16_what_is_within_its_limits_notices_nothing(tmp_path):
    everything = {"memory": "300MB", "open_files": 64, "file_size": "10MB", "cpu": 60, "processes": 10_000}
    path = write_flow(tmp_path / "flows", flow("return len(bytearray(50_000_000))", repr(everything)))

    assert run_file(path, state=tmp_path / "state").state == "completed"


def test_s16_output_is_cut_at_the_flow_s_own_limit_and_processor_time_ends_the_run(daemon):
    daemon.drop(
        "greedy.py",
        """
        from tidemill import Flow, flow, task

        @flow(limits={"output": "2kB"})
        def chatty():
            for n in range(1000):
                print("line", n)

        @flow(limits={"cpu": 1})
        def busy():
            while True:
                pass
        """,
    )
    (daemon.folder / "tidemill.toml").write_text('[runs]\nmemory = "60MB"\n')
    daemon.drop("big.py", "from tidemill import flow\n\n@flow\ndef big():\n    return len(bytearray(200_000_000))\n")
    daemon.start("--config", "tidemill.toml")
    daemon.until_flow("chatty")

    chatty = daemon.run("chatty")
    assert "output truncated: the limit of 2000 bytes is reached" in daemon.cli("logs", chatty["id"]).stdout
    assert daemon.run("big", check=1)["error"] == "MemoryError: the run met its limit on memory, 60 MB"
    busy = daemon.run("busy", check=1)
    assert busy["state"] == "crashed"
    assert "the run met its limit on cpu" in busy["error"]
    assert daemon.run("chatty")["state"] == "completed", "the daemon and other runs go on"


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ("{'memori': 1}", "limits of flow hungry cannot name 'memori'; did you mean 'memory'?"),
        ("{'memory': '1MB'}", 'the limit memory of flow hungry takes a size of at least 16 MB, such as "512MB"; it is'),
        ("{'memory': True}", "takes a size of at least 16 MB"),
        ("{'cpu': float('inf')}", "the limit cpu of flow hungry takes a number of at least 1, in seconds; it is inf"),
        ("{'open_files': 'many'}", "takes a number of at least 32; it is 'many'"),
        ("['memory']", "must be a dict such as"),
    ],
)
def test_s16_a_limit_that_means_nothing_is_refused_when_the_file_is_inspected(tmp_path, limits, sentence):
    manifest = inspect_file(write_flow(tmp_path, flow("pass", limits)))

    assert sentence in manifest.errors[0].message


def test_s16_the_manifest_tells_the_limits(tmp_path):
    manifest = inspect_file(write_flow(tmp_path, flow("pass", "{'memory': '1GiB', 'cpu': 60}")))

    assert manifest.flows[0].limits == {"memory": 2**30, "cpu": 60}


def test_s16_every_limit_has_its_setting():
    from tidemill.config.settings import RunsSettings

    assert set(RESTRAINTS) - set(RunsSettings._fields) == {"output"}, "which is [history] log_limit"


@pytest.mark.skipif(os.geteuid() != 0, reason="it is about root")
def test_s16_root_is_told_that_the_kernel_counts_no_processes_of_its(tmp_path):
    record = run_file(write_flow(tmp_path / "flows", flow("pass", "{'processes': 5}")), state=tmp_path / "state")

    assert "does not bind root" in str(record.events)
