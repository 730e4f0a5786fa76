"""S5: nobody but root and the user that flows run as can change what is run."""

import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.conftest import needs_root
from tidemill.domain.trust import Trust, objection

OURS = Trust(tuple(dict.fromkeys((0, os.geteuid()))))
SHARED = OURS._replace(is_shared=True)
STRANGER = 54321
FLOW = "from tidemill import flow\n\n\n@flow\ndef hello():\n    return 1\n"


@pytest.fixture
def flow(tmp_path):
    path = tmp_path / "flows" / "hello.py"
    path.parent.mkdir(mode=0o755)
    path.write_text(FLOW)
    path.chmod(0o644)
    return path


def test_s5_a_file_that_only_we_can_change_is_trusted(flow):
    assert objection(str(flow), OURS) is None


def test_s5_a_file_that_everybody_can_change_is_refused_with_the_permission_and_the_cure(flow):
    flow.chmod(0o666)

    problem = objection(str(flow), OURS)

    assert problem == f"everybody can change {flow} (mode 0666), so it is not run; take that away: chmod o-w {flow}"
    assert objection(str(flow), SHARED) == problem


@needs_root
def test_s5_a_file_that_a_group_can_change_is_refused_unless_groups_are_trusted(flow):
    os.chown(flow, 0, STRANGER)
    flow.chmod(0o664)

    assert f"the group gid {STRANGER} can change {flow} (mode 0664)" in objection(str(flow), OURS)
    assert objection(str(flow), SHARED) is None


def test_s5_a_group_of_one_is_its_user(flow):
    """Where everybody has a group of their own, files are made writable for it, and for nobody else."""
    flow.chmod(0o664)
    if os.geteuid() == 0:
        assert objection(str(flow), OURS) is None


@needs_root
def test_s5_a_file_of_somebody_else_is_refused_with_the_owner(flow):
    os.chown(flow, STRANGER, 0)

    assert objection(str(flow), OURS).startswith(f"{flow} belongs to uid {STRANGER}, who can change it")
    assert objection(str(flow), Trust((0, STRANGER))) is None


def test_s5_a_folder_in_which_others_could_swap_the_file_is_refused(flow):
    flow.parent.chmod(0o777)

    assert objection(str(flow), OURS).startswith(f"everybody can change {flow.parent} (mode 0777)")


def test_s5_a_folder_far_above_counts_as_well(flow, tmp_path):
    tmp_path.chmod(0o707)

    assert f"everybody can change {tmp_path} (mode 0707)" in objection(str(flow), OURS)


def test_s5_a_sticky_folder_such_as_tmp_is_no_danger(flow):
    flow.parent.chmod(0o1777)

    assert objection(str(flow), OURS) is None


@given(mode=st.integers(0, 0o777))
def test_s5_no_mode_that_lets_everybody_write_is_trusted(tmp_path_factory, mode):
    path = tmp_path_factory.getbasetemp() / "any.py"
    path.touch()
    path.chmod(mode)

    assert (objection(str(path), OURS) is None) == (not mode & stat.S_IWOTH)


@needs_root
def test_s5_and_s14_a_daemon_of_root_loads_no_file_of_anybody_else(daemon):
    """Neither is it run, nor does its code run while it is looked at, nor that of a module it imports."""
    open_file = daemon.drop("open.py", f"from pathlib import Path\nPath({str(daemon.folder / 'a')!r}).touch()\n{FLOW}")
    open_file.chmod(0o646)
    helper = daemon.flows / "helper.py"
    helper.write_text(f"from pathlib import Path\nPath({str(daemon.folder / 'b')!r}).touch()\n")
    os.chown(helper, STRANGER, 0)
    daemon.drop("user.py", f"import helper\n{FLOW.replace('hello', 'importing')}")
    daemon.drop("good.py", FLOW.replace("hello", "good"))

    daemon.start()

    errors = {error["file"].rpartition("/")[2]: error["message"] for error in daemon.status()["errors"]}
    assert f"everybody can change {open_file} (mode 0646)" in errors["open.py"]
    assert f"{helper} belongs to uid {STRANGER}" in errors["user.py"]
    assert not (daemon.folder / "a").exists()
    assert not (daemon.folder / "b").exists()
    assert daemon.run("good")["state"] == "completed"
    # Mended, it is taken without a further word; opened again, the version that was vetted goes on.
    open_file.chmod(0o644)
    daemon.until_flow("hello")
    open_file.chmod(0o666)
    daemon.until(lambda: any("open.py" in error["file"] for error in daemon.status()["errors"]), "it is refused")
    assert daemon.run("hello")["state"] == "completed"


@needs_root
def test_s14_a_daemon_of_root_takes_no_laxer_rule(daemon):
    config = daemon.folder / "tidemill.toml"
    config.write_text('[catalog]\nwriters = "anyone"\n')

    daemon.start("--config", str(config), wait=False)

    assert daemon.process.wait(20) == 5
    assert 'catalog.writers = "anyone" would let others run their code as root' in daemon.log.read_text()


def test_s5_check_warns_of_a_file_that_a_daemon_would_refuse(daemon):
    path = daemon.drop("open.py", FLOW)
    path.chmod(0o646)

    [shown] = daemon.json("check")

    assert f"a daemon of this user refuses it: everybody can change {path}" in shown["warnings"][0]["message"]
