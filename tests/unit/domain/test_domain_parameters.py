import pytest

from tidemill.domain.errors import ParameterError
from tidemill.domain.manifests import FlowManifest, ParameterManifest
from tidemill.domain.parameters import check_parameters

FLOW = FlowManifest(
    name="greet",
    style="function",
    parameters=(
        ParameterManifest("name", "str"),
        ParameterManifest("times", "int", required=False, default=1),
        ParameterManifest("loud", "bool", required=False, default=False),
        ParameterManifest("pause", "float", required=False, default=0.0),
    ),
)


def test_the_right_parameters_pass():
    check_parameters(FLOW, {"name": "Alice", "times": "3", "loud": "True", "pause": "0.5"})


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "needs the parameter name; give it with: tidemill run greet -p name="),
        ({"nmae": "x", "name": "x"}, "did you mean name"),
        ({"name": "x", "xyz": 1}, "it takes: name, times, loud, pause"),
        ({"name": "x", "times": "often"}, "times of greet must be a whole number, not 'often'"),
        ({"name": "x", "times": 1.5}, "a whole number"),
        ({"name": "x", "times": True}, "a whole number"),
        ({"name": "x", "loud": "very"}, "true or false"),
        ({"name": "x", "pause": "long"}, "a number"),
    ],
)
def test_wrong_ones_are_refused_by_name(given, sentence):
    with pytest.raises(ParameterError, match=sentence.replace("(", r"\(")):
        check_parameters(FLOW, given)


def test_a_flow_without_parameters_says_so():
    with pytest.raises(ParameterError, match="takes no parameters"):
        check_parameters(FlowManifest(name="plain", style="graph"), {"x": 1})


def test_a_flow_that_takes_any_parameter_is_given_any():
    flow = FlowManifest("f", "function", parameters=(ParameterManifest("n", "int"),), takes_any=True)

    check_parameters(flow, {"n": 1, "other": object()})
    with pytest.raises(ParameterError, match="n of f must be a whole number"):
        check_parameters(flow, {"n": "many"})


@pytest.mark.parametrize("word", ["yes", "No", " on ", "1", True, 0])
def test_what_people_write_for_a_truth_value_passes(word):
    check_parameters(FlowManifest("f", "function", parameters=(ParameterManifest("b", "bool"),)), {"b": word})


@pytest.mark.parametrize(
    "kind", ["Secret", "Secret | None", "tidemill.Secret", "list[tidemill.authoring.secrets.Secret]"]
)
def test_what_cannot_be_the_name_of_a_secret_is_refused_and_not_repeated(kind):
    flow = FlowManifest("f", "function", parameters=(ParameterManifest("token", kind),))
    value = "hunter 22, the secret itself"

    check_parameters(flow, {"token": "git-hub"})
    check_parameters(flow, {"token": ["git-hub", "db"]})
    check_parameters(flow, {"token": None})
    for given in (value, [value], {"x": [value]}, "../etc/shadow", ""):
        with pytest.raises(ParameterError, match="token of f takes the name of a secret") as refused:
            check_parameters(flow, {"token": given})
        assert "hunter" not in str(refused.value)
