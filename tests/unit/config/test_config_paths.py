from pathlib import Path

import pytest

from tidemill.config.paths import StatePaths
from tidemill.domain.errors import TidemillError

PATHS = StatePaths(Path("/state"))
BUILDERS = (PATHS.journal, PATHS.hooks_journal, PATHS.log, PATHS.run_results, PATHS.source)


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize(
    "name", ["", "..", "../../../etc/passwd", "a/b", "a\0b", "k3f0000000\n", "-x", "a.b", "é", "%2f"]
)
def test_what_could_lead_out_of_the_state_directory_names_no_file(build, name):
    with pytest.raises(TidemillError, match="no file bears its name"):
        build(name)


@pytest.mark.parametrize("build", BUILDERS)
def test_an_id_names_a_file_below_its_first_two_symbols(build):
    path = build("k3f0000000")
    assert path.is_relative_to("/state")
    assert path.parent.name == "k3"
    assert path.name.startswith("k3f0000000")
