import pytest

from tidemill.cli.terminal import cells, cut, neutral, neutral_lines

HOSTILE = {
    "clipboard": "\x1b]52;c;ZXZpbA==\x07",
    "title": "\x1b]0;evil\x07",
    "cursor up": "\x1b[1A\x1b[2K",
    "return": "fine\rEVIL",
    "c1": "\x9b31m",
    "bidi": "abc\u202egnp.exe",
    "isolate": "\u2066x\u2069",
    "delete": "\x7f\x08",
    "separator": "a\u2028b",
    "surrogate": "\udcff",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_nothing_that_acts_on_a_terminal_survives(text):
    for made in (neutral(text), neutral_lines(text)):
        assert not any(ord(sign) < 0x20 or 0x7F <= ord(sign) <= 0x9F for sign in made)
        assert not set(made) & set("\u202e\u2066\u2069\u2028\u061c")
        made.encode()


def test_a_newline_in_one_line_is_shown_and_in_lines_is_kept():
    assert neutral("one\ntwo\tthree") == "one\\ntwo\\tthree"
    assert neutral_lines("one\ntwo\tthree") == "one\ntwo\tthree"


def test_plain_colour_is_dropped_and_other_languages_are_kept():
    assert neutral("\x1b[31mrot\x1b[0m") == "rot"
    assert neutral("grün 緑 🌊 é") == "grün 緑 🌊 é"


def test_a_wide_sign_takes_two_columns():
    assert cells("緑x") == 3
    assert cells("e\u0301") == 1


def test_a_cut_text_fits_and_says_that_something_is_missing(monkeypatch):
    monkeypatch.setattr("tidemill.cli.terminal.symbols_fit", lambda: True)

    assert cut("short", 5) == "short"
    assert cut("a long text", 6) == "a lon…"
    assert cells(cut("緑緑緑緑", 6)) <= 6
    assert cut("anything", 0) == ""
