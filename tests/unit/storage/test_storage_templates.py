from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.errors import DefinitionError
from tidemill.storage.places import ResultError, ResultPlace
from tidemill.storage.templates import DEFAULT, NameTemplate

NOW = datetime(2026, 3, 1, 4, 5, 6, tzinfo=UTC)


def place(**fields):
    given = {"flow": "nightly", "run": "k3f", "task": "load", "number": 3, "folder": Path("/flows"), **fields}
    return ResultPlace(**given)


def fill(text, suffix=".json", **fields):
    return NameTemplate(text, "LocalResult").fill(place(**fields), suffix, NOW)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (DEFAULT, "nightly-k3f-3-load.json"),
        ("{flow}/{date}/{task}-{run}", "nightly/2026-03-01/load-k3f.json"),
        ("{year}{month}{day}-{hour}{minute}{second}", "20260301-040506.json"),
        ("{time}-{attempt}", "04-05-06-2.json"),
        ("{now:%G-W%V}/{index:04}", "2026-W09/0003.json"),
        ("latest.json", "latest.json"),
        ("{task}.data", "load.data"),
        ("{parameters[day]}-{parameters[region].name}", "2026_02_28-eu.json"),
        ("{flow_run.flow_name}_{flow_run.name}_{task_run.name}", "nightly_monday_load-7.json"),
        ("{flow_run.id}-{task_run.task_name}", "k3f-load.json"),
        ("{{{run}}}", "{k3f}.json"),
    ],
)
def test_a_template_is_filled_with_what_is_known_of_the_result(text, name):
    region = type("Region", (), {"name": "eu"})
    parameters = {"day": "2026/02/28", "region": region}

    filled = fill(text, attempt=2, run_name="monday", task_run_name="load-7", parameters=parameters)

    assert filled == name


def test_names_that_nobody_formatted_fall_back_to_the_plain_ones():
    assert fill("{flow_run.name}-{task_run.name}") == "k3f-load.json"


def test_what_a_flow_returned_itself_has_a_word_for_its_index():
    assert fill(DEFAULT, task="nightly", number=-1) == "nightly-k3f-result-nightly.json"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{flw}", "did you mean 'flow'"),
        ("{parameter[x]}", r"parameters"),
        ("{parameters}", "by its name"),
        ("{flow_run.parameters}", "has no field"),
        ("{run", "cannot be read"),
        ("{}", "has no field"),
        ("{now:{run}}", "within the format"),
        ("../{run}", "stay below"),
        ("a/../../{run}", "stay below"),
        ("/etc/{run}", "stay below"),
        ("~/{run}", "stay below"),
        ("a//{run}", "stay below"),
        ("", "stay below"),
        (7, "must be a template"),
    ],
)
def test_a_name_that_cannot_work_is_refused_when_it_is_declared(text, said):
    with pytest.raises(DefinitionError, match=said):
        NameTemplate(text, "LocalResult")


def test_a_parameter_that_the_task_did_not_get_is_told():
    with pytest.raises(ResultError, match=r"\{parameters\[day\]\} of .* cannot be filled \(KeyError: 'day'\)"):
        fill("{parameters[day]}", parameters={"region": "eu"})


@given(st.text(), st.text(), st.text(max_size=400))
def test_no_value_leads_out_of_the_folder(flow, run, task):
    name = fill("{flow}/{run}/{task}", flow=flow, run=run, task=task)

    assert len(name.split("/")) == 3
    assert not PurePosixPath(name).is_absolute()
    assert not {"", ".", ".."} & set(name.split("/"))
    assert all(len(part.encode()) <= 210 for part in name.split("/"))
    assert "\0" not in name


def test_long_names_are_cut_and_stay_different():
    long = "é" * 300
    first, second = fill("{task}", task=long + "a"), fill("{task}", task=long + "b")

    assert first != second
    assert len(first.encode()) <= 210
