import pytest

from tidemill.cli.tables import Cell, Column, print_table

COLUMNS = (Column("name"), Column("size", right=True), Column("text", gives=True))


@pytest.fixture
def on_a_terminal(monkeypatch):
    def set_width(columns):
        monkeypatch.setattr("tidemill.cli.tables.width", lambda: columns)

    return set_width


def test_columns_are_aligned_and_nothing_trails(capsys):
    print_table(COLUMNS, [["a", "1", "x"], ["longer", "1000", ""]])

    assert capsys.readouterr().out == "NAME    SIZE  TEXT\na          1  x\nlonger  1000\n"


def test_a_column_that_is_empty_everywhere_is_left_out(capsys):
    print_table(COLUMNS, [["a", None, "x"]])

    assert capsys.readouterr().out == "NAME  TEXT\na     x\n"


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(capsys, on_a_terminal, columns):
    on_a_terminal(columns)

    print_table(COLUMNS, [["n" * 30, "1" * 10, "t" * 300], ["n", "1", "緑" * 200]])

    from tidemill.cli.terminal import cells

    assert all(cells(line) <= columns for line in capsys.readouterr().out.splitlines())


def test_what_gives_way_gives_way_first(capsys, on_a_terminal):
    on_a_terminal(40)

    print_table(COLUMNS, [["the whole name", "12345", "t" * 100]])

    assert "the whole name  12345  ttt" in capsys.readouterr().out


def test_a_spare_column_is_left_out_before_others_are_cut(capsys, on_a_terminal):
    on_a_terminal(40)
    columns = (Column("name"), Column("file", gives=True, spare=True), Column("state"))

    print_table(columns, [["n" * 20, "f" * 20, "s" * 15]])

    assert capsys.readouterr().out.splitlines() == [f"NAME{' ' * 18}STATE", f"{'n' * 20}  {'s' * 15}"]


def test_what_a_person_types_again_is_never_cut(capsys, on_a_terminal):
    on_a_terminal(40)
    columns = (Column("run", whole=True), Column("flow"), Column("started"))

    print_table(columns, [["k3f0000000", "f" * 30, "s" * 30]])

    line = capsys.readouterr().out.splitlines()[1]
    assert line.startswith("k3f0000000  ")
    assert len(line) <= 40


def test_a_pipe_gets_everything(capsys):
    print_table(COLUMNS, [["n", "1", "t" * 500]])

    assert "t" * 500 in capsys.readouterr().out


def test_hostile_cells_stay_in_their_line(capsys):
    print_table(COLUMNS, [[Cell("evil\nname"), "1", "\x1b[2J"]])

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "evil\\nname" in lines[1]
    assert "\x1b" not in lines[1]
