"""The security checklist, and the tests that try to break each point of it.

== ============================================================ =====================================================
S1  the control socket: a file, for its owner alone; no network  security/sockets, integration/control_socket
S2  who commands is decided by the peer's uid                    integration/control_socket, forkserver/life
S3  frames are bounded JSON with a list of verbs                 security/sockets, unit/control, chaos/fuzz
S4  flow code is never loaded by the daemon                      security/code, import contracts
S5  nobody else can change what is run                           security/files
S6  nothing beside a flow takes another module's place           security/code
S7  the state directory is the daemon's own                      security/hostile
S8  only ids become paths                                        security/hostile, unit/config, chaos/fuzz
S9  nothing that was stored is executed by being read            security/code
S10 no shell, and no name is an option                           security/code
S11 secrets are in nothing that a run leaves behind              security/secrets
S12 nothing that was printed acts on a terminal                  security/hostile, unit/cli/terminal
S13 values are bound, filters find what bears their name         security/code
S14 rights are dropped in order, and for good                    security/users, security/files
S15 what is made is for its owner alone                          security/users
S16 a run that takes too much meets its limit                    security/limits, security/groups, acceptance/bad_input
S17 the unit is hardened, its score recorded                     systemd/units
S18 a run holds none of the daemon's descriptors                 security/hostile, forkserver/runs
S19 a hostile journal harms its own run at most                  security/hostile, unit/journal, chaos/fuzz
S20 what is shipped holds no key                                 security/code
== ============================================================ =====================================================
"""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ELSEWHERE = {
    2: (
        "integration/test_control_socket.py::test_a_real_process_of_another_uid_cannot_connect",
        "integration/test_control_socket.py::test_named_uids_can_reach_the_socket_but_the_peer_decides",
        "integration/forkserver/test_forkserver_life.py::test_another_user_is_not_served",
    ),
    3: (
        "unit/control/test_control_protocol.py::test_noise_is_refused_or_waited_for_and_nothing_else",
        "unit/control/test_control_protocol.py::test_a_length_beyond_the_limit_is_refused_before_its_bytes_arrive",
        "integration/test_control_socket.py::test_a_thousand_connections_leave_no_descriptor_behind",
        "chaos/test_fuzz.py::test_nonsense_is_answered_with_sentences_and_nothing_else",
    ),
    8: (
        "chaos/test_fuzz.py::test_nonsense_is_answered_with_sentences_and_nothing_else",
        "unit/config/test_config_paths.py::test_what_could_lead_out_of_the_state_directory_names_no_file",
    ),
    12: ("unit/cli/test_cli_terminal.py::test_nothing_that_acts_on_a_terminal_survives",),
    15: ("integration/forkserver/test_forkserver_runs.py::test_files_of_a_run_belong_to_its_owner_alone",),
    16: (
        "acceptance/test_acceptance_bad_input.py::test_a_million_lines_end_up_in_the_log_and_nowhere_else",
        "integration/forkserver/test_forkserver_engine.py::test_a_file_that_takes_half_the_memory_is_told_with_its_line",
    ),
    17: ("systemd/test_systemd_units.py::test_no_unit_is_more_exposed_than_is_recorded",),
    18: (
        "integration/forkserver/test_forkserver_runs.py::"
        "test_a_run_leads_its_own_group_and_holds_nothing_of_the_servers",
        "integration/forkserver/test_forkserver_spares.py::test_a_run_in_the_spare_holds_nothing_of_the_servers",
    ),
    19: (
        "unit/journal/test_journal_format.py::test_what_is_no_event_is_damage",
        "unit/journal/test_journal_reader.py::test_a_line_that_points_to_where_nothing_is_is_damage_and_costs_nothing",
        "chaos/test_fuzz.py::test_nonsense_is_answered_with_sentences_and_nothing_else",
    ),
}
"""Tests of rooms, which bear names of their own."""


@pytest.mark.parametrize("point", range(1, 21))
def test_every_point_of_the_checklist_has_its_tests(point):
    here = "\n".join(path.read_text() for path in Path(__file__).parent.glob("test_security_*.py"))
    named = re.findall(rf"^def (test_(?:s\d+_and_)*s{point}_\w+)", here, re.MULTILINE)

    assert named or point in ELSEWHERE
    for address in ELSEWHERE.get(point, ()):
        file, _, name = address.partition("::")
        assert re.search(rf"\b{name}\b", (TESTS / file).read_text()), f"{address} is gone: name what tries S{point} now"
    assert re.search(rf"^S{point} ", __doc__, re.MULTILINE)
