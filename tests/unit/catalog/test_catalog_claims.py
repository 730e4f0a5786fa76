from tidemill.catalog.claims import Claimant, Claims
from tidemill.domain.manifests import FlowManifest


def file(name, *flows):
    return Claimant(f"/flows/{name}", name, [FlowManifest(flow, "function", line=7) for flow in flows])


def names(granted, name):
    return [flow.name for flow in granted[f"/flows/{name}"].flows]


def test_of_two_that_come_together_the_first_path_has_the_name():
    granted = Claims().settle([file("b.py", "etl"), file("a.py", "etl")])

    assert names(granted, "a.py") == ["etl"]
    assert names(granted, "b.py") == []
    (refusal,) = granted["/flows/b.py"].refusals
    assert refusal.message == "the flow 'etl' is declared by a.py:7 already; give one of them another name"
    assert refusal.line == 7


def test_who_had_it_first_keeps_it():
    claims = Claims()
    claims.settle([file("b.py", "etl")])

    granted = claims.settle([file("a.py", "etl", "own"), file("b.py", "etl")])

    assert names(granted, "b.py") == ["etl"]
    assert names(granted, "a.py") == ["own"]


def test_the_other_gets_it_when_the_holder_goes_or_drops_it():
    claims = Claims()
    claims.settle([file("a.py", "etl"), file("b.py", "etl")])
    assert names(claims.settle([file("a.py", "x"), file("b.py", "etl")]), "b.py") == ["etl"]

    claims.settle([file("a.py", "etl"), file("b.py", "etl")])
    assert names(claims.settle([file("a.py", "etl")]), "a.py") == ["etl"]


def test_what_the_history_remembers_counts():
    claims = Claims({"etl": "/flows/b.py", "old": "/flows/gone.py"})
    granted = claims.settle([file("a.py", "etl", "old"), file("b.py", "etl")])
    assert names(granted, "b.py") == ["etl"]
    assert names(granted, "a.py") == ["old"]


def test_a_remembered_holder_is_waited_for_while_it_is_inspected():
    claims = Claims({"etl": "/flows/b.py"})

    early = claims.settle([file("a.py", "etl")], awaited={"/flows/b.py"})
    late = claims.settle([file("a.py", "etl"), file("b.py", "etl")])

    assert names(early, "a.py") == names(late, "a.py") == []
    assert "/flows/b.py already" in early["/flows/a.py"].refusals[0].message
    assert names(late, "b.py") == ["etl"]
