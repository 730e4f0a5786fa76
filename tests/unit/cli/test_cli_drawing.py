"""Graphs as text, read back by small parsers: whatever tasks are called, each form says what the manifest says."""

import re
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.cli.drawing import dot, mermaid, tree
from tidemill.cli.terminal import neutral

NASTY = [
    'quo"te',
    "back\\slash\\n",
    "new\nline",
    "<script>&amp;</script>",
    '"`markdown`"',
    "end",
    "x --> y",
    "#35; %% ]]|",
    "日本 ☃",
    "\x1b[31mred\u202eder",
    "a" * 200,
]


def task(index, name, depends_on=(), **more):
    return {"index": index, "name": name, "depends_on": list(depends_on), **more}


def read_dot(text):
    """Read the part of DOT that is written here, strictly: a statement a line, strings with escapes."""
    string = r'"((?:[^"\\]|\\.)*)"'
    nodes, edges = {}, []
    lines = text.splitlines()
    assert (lines[0], lines[-1]) == ("digraph {", "}")
    for line in lines[1:-1]:
        if made := re.fullmatch(rf"    t(\d+) \[label={string}(, peripheries=2)?\];", line):
            nodes[int(made[1])] = ([_unescaped(part) for part in _label_lines(made[2])], bool(made[3]))
        else:
            edge = re.fullmatch(rf"    t(\d+) -> t(\d+)(?: \[style=dashed, label={string}\])?;", line)
            assert edge, line
            edges.append((int(edge[1]), int(edge[2]), _unescaped(edge[3] or "")))
    return nodes, edges


def _label_lines(label):
    """Split at line ends, each an escape; a backslash that stands for itself is an escape too."""
    tokens = re.findall(r"\\.|[^\\]", label)
    return "".join("\n" if token == r"\n" else token for token in tokens).split("\n")


def _unescaped(text):
    return unescape(re.sub(r"\\(.)", r"\1", text))


def read_mermaid(text):
    """Read the part of Mermaid that is written here; entities are its own, a number sign for an ampersand."""
    nodes, edges = {}, []
    lines = text.splitlines()
    assert lines[0] == "flowchart TD"
    for line in lines[1:]:
        if made := re.fullmatch(r'    t(\d+)(\[\[|\[)"([^"`\\]*)"(\]\]|\])', line):
            assert len(made[2]) == len(made[4])
            nodes[int(made[1])] = ([_plain(part) for part in made[3].split("<br/>")], made[2] == "[[")
        else:
            edge = re.fullmatch(r'    t(\d+) (?:-->|-\.->\|"([^"`\\]*)"\|) t(\d+)', line)
            assert edge, line
            edges.append((int(edge[1]), int(edge[3]), _plain(edge[2] or "")))
    return nodes, edges


def _plain(text):
    assert "<" not in text
    assert "&" not in text
    return re.sub(r"#(\d+);", lambda entity: chr(int(entity[1])), text)


def expected(tasks):
    nodes, edges = {}, []
    for made in tasks:
        note = [f"once for each of {', '.join(map(neutral, made['mapped']))}"] if made["mapped"] else []
        unasked = [f"if {neutral(made['condition'])}"] if made["condition"] and not made["depends_on"] else []
        nodes[made["index"]] = ([neutral(made["name"]), *note, *unasked], bool(made["mapped"]))
        edges += [(above, made["index"], neutral(made["condition"])) for above in made["depends_on"]]
    return nodes, edges


names = st.sampled_from(NASTY) | st.text(min_size=1, max_size=20)


@st.composite
def drawable(draw):
    tasks = []
    for index in range(draw(st.integers(1, 6))):
        above = draw(st.lists(st.integers(0, index - 1), unique=True, max_size=3)) if index else []
        mapped = draw(st.lists(names, max_size=2))
        tasks.append(task(index, draw(names), above, mapped=mapped, condition=draw(st.just("") | names)))
    return tasks


@settings(max_examples=150)
@given(drawable())
def test_dot_and_mermaid_say_what_the_tasks_say_whatever_they_are_called(tasks):
    assert read_dot("\n".join(dot(tasks))) == expected(tasks)
    assert read_mermaid("\n".join(mermaid(tasks))) == expected(tasks)


@given(drawable())
def test_a_tree_has_every_task_once_in_a_line_of_its_own(tasks):
    lines = list(tree(tasks))

    assert len(lines) == len(tasks)
    assert len("\n".join(lines).splitlines()) == len(tasks)


def test_a_tree_tells_mapped_tasks_and_conditions():
    tasks = [
        task(0, "extract", condition="all_succeeded", mapped=[]),
        task(1, "load", [0], mapped=["rows", "day"]),
        task(2, "alert", [1], condition="any_failed", mapped=["row"]),
        task(3, "total", [0, 1], condition="all_finished"),
    ]

    assert list(tree(tasks)) == [
        "extract",
        "└── load  once for each of rows, day",
        "    ├── alert  once for each of row; if any_failed",
        "    └── total  if all_finished; needs extract too",
    ]


def test_a_task_that_needs_very_many_names_a_few_of_them():
    tasks = [*(task(n, f"t{n}") for n in range(100)), task(100, "total", range(100))]

    assert "needs t0, t1, t2, t3, t4 and 94 more too" in list(tree(tasks))[-1]


@pytest.mark.parametrize("draw", [tree, mermaid, dot])
def test_a_thousand_tasks_that_need_each_other_are_drawn(draw):
    tasks = [task(n, f"t{n}", range(max(0, n - 50), n)) for n in range(1000)]

    assert len(list(draw(tasks))) >= 1000
