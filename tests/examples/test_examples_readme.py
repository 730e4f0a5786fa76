"""Every example of the README runs as it is printed there."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
EXAMPLES = {
    match[1].split()[0]: (dict(re.findall(r"-p (\w+)=(\S+)", match[1])), match[2])
    for match in re.finditer(r"<!-- example: (.+?) -->\n```python\n(.*?)```", README, flags=re.DOTALL)
}


def test_every_example_of_the_reference_was_found():
    assert len(EXAMPLES) == README.count("<!-- example:") == 7


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_runs_as_printed(tmp_path, run_file, name):
    parameters, text = EXAMPLES[name]
    (tmp_path / name).write_text(text)
    outcome = run_file(tmp_path / name, **parameters)
    assert (outcome.code, outcome.state) == (0, "completed"), outcome.output


def test_every_python_block_compiles():
    for block in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL):
        compile(block, "README.md", "exec")
