import pytest

from tidemill.cli.main import main
from tidemill.cli.overview import overview
from tidemill.cli.program import OPTIONS, SUMMARIES


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"], ["--config", "x", "--help"]])
def test_every_way_to_ask_gets_the_same_overview(arguments, capsys):
    assert main(arguments) == 0

    assert capsys.readouterr().out.strip() == overview(78)


@pytest.mark.parametrize("width", [50, 78])
def test_it_names_everything_and_fits(width):
    lines = overview(width).splitlines()

    assert max(map(len, lines)) <= max(width, 44 + 24)
    text = " ".join(" ".join(lines).split())
    for name, told in (*SUMMARIES.items(), *OPTIONS):
        assert f"{name} {told}" in text
