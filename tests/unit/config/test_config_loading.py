import os
import subprocess
import sys
from pathlib import Path

import pytest

from tidemill.config import files
from tidemill.config.loading import load
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.limits import Limit

VARIABLES = (
    "TIDEMILL_CONFIG",
    "TIDEMILL_FLOWS_DIR",
    "TIDEMILL_STATE_DIR",
    "TIDEMILL_DATABASE_URL",
    "STATE_DIRECTORY",
    "CONFIGURATION_DIRECTORY",
)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project's root as the current folder, and an environment that says nothing."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg-config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg-state"))
    monkeypatch.setattr("tidemill.config.files.SYSTEM_FILE", tmp_path / "etc" / "tidemill.toml")
    root = tmp_path / "project"
    (root / "config").mkdir(parents=True)
    monkeypatch.chdir(root)
    return root


def write(root: Path, text: str) -> Path:
    path = root / "config" / "tidemill.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_everything_is_default(project, tmp_path):
    settings, sources = load(None, {})
    assert settings.dispatch.max_runs == 8
    assert settings.places.flows_dir == project / "flows"
    assert settings.places.state_dir == tmp_path / "xdg-state" / "tidemill"
    assert set(sources.values()) == {"default"}


def test_in_a_project_the_state_stays_in_it(project):
    write(project, "")
    settings, _ = load(None, {})
    assert settings.places.state_dir == project / ".tidemill"


def test_file_then_environment_then_option(project, monkeypatch):
    write(project, '[places]\nflows_dir = "from-file"\nstate_dir = "file-state"\n[dispatch]\nmax_runs = 3\n')
    settings, sources = load(None, {})
    assert (settings.places.flows_dir, settings.dispatch.max_runs) == (project / "from-file", 3)
    assert (sources["places.flows_dir"], sources["dispatch.max_runs"]) == ("file", "file")
    monkeypatch.setenv("TIDEMILL_FLOWS_DIR", "from-environment")
    settings, sources = load(None, {"state_dir": None})
    assert settings.places.flows_dir == project / "from-environment"
    assert (sources["places.flows_dir"], sources["places.state_dir"]) == ("environment", "file")
    settings, sources = load(None, {"places.flows_dir": Path("from-option"), "state_dir": "elsewhere"})
    assert settings.places.flows_dir == project / "from-option"
    assert settings.places.state_dir == project / "elsewhere"
    assert sources["places.flows_dir"] == sources["places.state_dir"] == "option"


def test_a_database_is_named_by_its_url(project, monkeypatch):
    monkeypatch.setenv("TIDEMILL_DATABASE_URL", "tidemill")
    with pytest.raises(ConfigurationError, match="TIDEMILL_DATABASE_URL takes a URL such as postgresql"):
        load(None, {})
    monkeypatch.delenv("TIDEMILL_DATABASE_URL")
    write(project, '[places]\ndatabase_url = "/var/lib/history.db"\n')
    with pytest.raises(ConfigurationError, match=r"tidemill.toml:2: places.database_url takes a URL"):
        load(None, {})


def test_an_empty_variable_is_no_value(project, monkeypatch):
    monkeypatch.setenv("TIDEMILL_FLOWS_DIR", "")
    monkeypatch.setenv("TIDEMILL_CONFIG", "")
    assert load(None, {})[0].places.flows_dir == project / "flows"


def test_relative_paths_of_a_named_file_start_at_its_project(project, tmp_path):
    path = write(tmp_path / "other", '[places]\nflows_dir = "mine"\n')
    settings, _ = load(path, {})
    assert settings.places.flows_dir == tmp_path / "other" / "mine"
    assert settings.places.state_dir == tmp_path / "other" / ".tidemill"


def test_a_file_outside_a_config_folder_is_its_own_base(project, tmp_path, monkeypatch):
    path = tmp_path / "plain" / "mine.toml"
    path.parent.mkdir()
    path.write_text('[places]\nflows_dir = "here"\n')
    monkeypatch.setenv("TIDEMILL_CONFIG", str(path))
    assert load(None, {})[0].places.flows_dir == tmp_path / "plain" / "here"


def test_under_systemd_the_granted_folders_count(project, tmp_path, monkeypatch):
    granted = tmp_path / "granted"
    granted.mkdir()
    (granted / "tidemill.toml").write_text("[dispatch]\nmax_runs = 2\n")
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(granted))
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}/state:{tmp_path}/state/flows")
    settings, sources = load(None, {})
    assert settings.dispatch.max_runs == 2
    assert settings.places.state_dir == tmp_path / "state"
    assert settings.places.flows_dir == project / "flows", "a service's file makes no project"
    assert sources["places.state_dir"] == "environment"


def test_the_machines_file_leads_to_the_services_state(project, tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "tidemill.toml").write_text("[dispatch]\nmax_runs = 2\n")
    settings, _ = load(None, {})
    assert settings.dispatch.max_runs == 2
    assert settings.places.state_dir == Path("/var/lib/tidemill")
    assert settings.places.flows_dir == Path("/var/lib/tidemill/flows")


def test_it_can_be_loaded_again_from_elsewhere(project, tmp_path, monkeypatch):
    write(project, "[dispatch]\nmax_runs = 3\n")
    before = load(Path("config/tidemill.toml"), {"flows_dir": "mine"})
    monkeypatch.chdir(tmp_path)
    assert load(Path("config/tidemill.toml"), {"flows_dir": "mine"}, here=project) == before
    assert load(None, {"flows_dir": "mine"}, here=project) == before


def test_home_is_expanded(project, monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    write(project, '[places]\nflows_dir = "~/my-flows"\n')
    assert load(None, {})[0].places.flows_dir == Path("/home/someone/my-flows")


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("[dispatch]\n\nmax_run = 3\n", 3, "there is no setting dispatch.max_run; did you mean max_runs?"),
        ("[dispach]\nmax_runs = 3\n", 1, "there is no section [dispach]; did you mean dispatch?"),
        ("# top\nconcurrency = 3\n", 2, "there is no section [concurrency]; known are places"),
        ("dispatch.nise = 3\n", 1, "there is no setting dispatch.nise; did you mean nice?"),
        ('[dispatch]\nmax_runs = "3"\n', 2, "dispatch.max_runs takes a whole number; it is '3'"),
        ("[dispatch]\nmax_runs = true\n", 2, "dispatch.max_runs takes a whole number; it is true"),
        ("[dispatch]\nmax_runs = 2.0\n", 2, "dispatch.max_runs takes a whole number; it is 2.0"),
        ("[dispatch]\nmax_runs = 0\n", 2, "dispatch.max_runs must lie between 1 and 10,000; it is 0"),
        ("[catalog]\nsettle = -1\n", 2, "catalog.settle must lie between 0 and 60; it is -1.0"),
        ("[catalog]\nsettle = nan\n", 2, "catalog.settle must lie between 0 and 60; it is nan"),
        ("[places]\nflows_dir = 3\n", 2, "places.flows_dir takes a path in quotes; it is 3"),
        ('[places]\nflows_dir = ""\n', 2, "places.flows_dir takes a path in quotes; it is ''"),
        ('[control]\nallow_uids = ["me"]\n', 2, "control.allow_uids takes a whole number; it is 'me'"),
        ('[forkserver]\npreload = "pandas"\n', 2, "forkserver.preload takes a list, each member text in quotes"),
        ('[schedule]\ntimezone = "Mars/Base"\n', 2, "schedule.timezone must be an IANA time zone"),
        ("dispatch = 3\n", 1, "[dispatch] is a section: write its keys below it, one a line"),
        ("[dispatch]\nmax_runs = \n", 2, "this is not TOML: Invalid value"),
        ("[limits]\n\ndatabase = 0\n", 3, "limits.database must lie between 1 and 10,000; it is 0"),
        ('[limits]\ndatabase = "2"\n', 2, "limits.database takes a whole number, or { slots = 10, per_second = 2 }"),
        ("[limits]\ndatabase = 2.0\n", 2, "limits.database takes a whole number"),
        (
            "[limits]\na = true\n",
            2,
            "limits.a takes a whole number, or { slots = 10, per_second = 2 } for a rate; it is true",
        ),
        (
            "[limits]\na = 1\napi = { slots = 1, persecond = 2 }\n",
            3,
            "limits.api takes slots and per_second, not persecond",
        ),
        ("[limits]\na.b = 2\n", 2, "limits.a takes slots and per_second, not b; a name with a dot goes in quotes"),
        ("[limits]\napi = { per_second = 2 }\n", 2, "limits.api lacks slots, how many may be taken at once"),
        ("[limits]\napi = { slots = 1, per_second = 0 }\n", 2, "limits.api: per_second must be a number above 0"),
        ("[limits.api]\nslots = 0\n", 1, "limits.api must lie between 1 and 10,000; it is 0"),
        ('[limits]\n"my db" = []\n', 2, "limits.my db takes a whole number"),
        ('[limits]\na = 1\n"" = 1\n', 3, "a limit's name has 1 to 80 printable letters; '' has not"),
        ("limits = 3\n", 1, "[limits] is a section: write its keys below it, one a line"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(project, text, line, sentence):
    path = write(project, text)
    with pytest.raises(ConfigurationError) as caught:
        load(None, {})
    assert str(caught.value).startswith(f"{path}:{line}: {sentence}")


def test_limits_bear_names_of_the_operators_own(project):
    write(project, '[limits]\ndatabase = 2\n"a/b ../ü" = 1\napi = { slots = 10, per_second = 0.5 }\n')
    settings, sources = load(None, {})
    assert settings.limits == {"database": Limit(2), "a/b ../ü": Limit(1), "api": Limit(10, 0.5)}
    assert sources["limits"] == "file"
    write(project, "[limits]\n")
    assert load(None, {})[0].limits == {}


def test_a_file_that_is_not_there_is_refused(project):
    with pytest.raises(ConfigurationError, match=r"there is no configuration file .*/nowhere\.toml; make one with"):
        load(Path("nowhere.toml"), {})


def test_a_file_that_is_not_text_is_refused(project):
    (project / "config" / "tidemill.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="is not UTF-8 text"):
        load(None, {})


def test_an_unknown_option_is_refused(project):
    with pytest.raises(ConfigurationError, match=r"there is no setting dispatch\.max_run; did you mean dispatch"):
        load(None, {"dispatch.max_run": 3})


def test_loading_imports_nothing_heavy(project):
    write(project, "")
    code = "import sys, tidemill.config.loading as l; l.load(None, {}); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"PYTHONPATH": str(Path(__file__).parents[3] / "daemon")},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"platformdirs", "zoneinfo", "difflib", "msgspec", "json", "asyncio", "typing_extensions"}


@pytest.mark.parametrize("place", ["tidemill.toml", "config/tidemill.toml"])
@pytest.mark.parametrize(
    ("me", "owner", "sudo", "is_taken"),
    [
        (1000, 1000, "", True), (1000, 0, "", True), (1000, 1001, "", False), (1000, 1001, "1001", False),
        (0, 0, "", True), (0, 1000, "", False), (0, 1000, "1000", True), (0, 1001, "1000", False),
        (0, 1000, "x", False),
    ],
)  # fmt: skip
def test_s5_a_file_that_lies_where_one_stands_counts_if_it_is_one_s_own(
    tmp_path, monkeypatch, place, me, owner, sudo, is_taken
):
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.touch()
    monkeypatch.delenv("TIDEMILL_CONFIG", raising=False)
    monkeypatch.setenv("SUDO_UID", sudo)
    monkeypatch.setattr(files.os, "geteuid", lambda: me)
    found = os.stat_result((0o100644, 0, 0, 1, owner, owner, 0, 0, 0, 0))
    monkeypatch.setattr(files.Path, "stat", lambda self, **_: found)

    if is_taken:
        assert files.locate(None, tmp_path).path == path
    else:
        with pytest.raises(ConfigurationError, match=f"belongs to another user .uid {owner}.*--config {path}"):
            files.locate(None, tmp_path)
