"""Every example of the README and of the reference runs as it is printed there, and comes to the end that it names."""

import inspect
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from engine_lab import inspect_file, run_file, write_flow
from tidemill import CloudResult, DatabaseResult, LocalResult, Parameter, at, cron, every, flow, task
from tidemill.authoring.flow_options import NAMES as FLOW_OPTIONS
from tidemill.authoring.options import UNSUPPORTED
from tidemill.authoring.retries import KEYS as RETRY_KEYS
from tidemill.authoring.task_options import NAMES as TASK_OPTIONS
from tidemill.authoring.unsupported import MODULES, NAMES
from tidemill.cli.parameters import parse_parameters
from tidemill.concurrency.sync import concurrency, rate_limit
from tidemill.futures import Future, as_completed, wait
from tidemill.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner
from tidemill.transactions import transaction

ROOT = Path(__file__).parents[2]
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "daemon/REFERENCE.md")}
REFERENCE = PAGES["daemon/REFERENCE.md"]
READ_ONLY = "only"
"""What runs somewhere else is only read."""
CALLED = (
    *(LocalResult, DatabaseResult, CloudResult, transaction, cron, every, at, concurrency, rate_limit),
    *(Parameter, ThreadPoolTaskRunner, ProcessPoolTaskRunner, Future.result, Future.wait, as_completed, wait),
)


class Example(NamedTuple):
    """A block of a page that is a whole flow file."""

    page: str
    file: str
    flow: str
    parameters: tuple[str, ...]
    state: str
    text: str


def examples_of(page: str) -> list[Example]:
    """Read ``<!-- example: FILE[:FLOW] [-p name=value]… [ends STATE | read only] -->`` and the blocks below them."""
    found = []
    for order, text in re.findall(r"<!-- example: (.+?) -->\n```python\n(.*?)```", PAGES[page], flags=re.DOTALL):
        file, _, flow = order.split()[0].partition(":")
        state = re.search(r" (?:ends|read) (\w+)$", order)
        parameters = tuple(re.findall(r"-p (\S+)", order))
        found.append(Example(page, file, flow, parameters, state[1] if state else "completed", text))
    return found


EXAMPLES = [example for page in PAGES for example in examples_of(page)]


def test_every_example_was_found_and_has_a_name_of_its_own():
    assert len(EXAMPLES) == sum(text.count("<!-- example:") for text in PAGES.values()) > 35
    assert len({(example.page, example.file) for example in EXAMPLES}) == len(EXAMPLES)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.file)
def test_it_runs_as_printed(tmp_path, example):
    path = write_flow(tmp_path / "flows", example.text, example.file)
    if example.state == READ_ONLY:
        manifest = inspect_file(path)
        assert manifest.flows
        assert not manifest.errors
        return
    run = run_file(path, example.flow, state=tmp_path / "state", parameters=parse_parameters(example.parameters))
    assert run.state == example.state, f"{(run.end.error and run.end.error.traceback) or run.end.error}\n{run.log}"


@pytest.mark.parametrize("page", PAGES)
def test_every_python_block_compiles(page):
    blocks = re.findall(r"```python\n(.*?)```", PAGES[page], flags=re.DOTALL)
    assert blocks
    for block in blocks:
        compile(block, page, "exec")


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page):
    folder = (ROOT / page).parent
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if "://" in target:
            continue
        file, _, heading = target.partition("#")
        path = (folder / file).resolve() if file else ROOT / page
        assert path.exists(), target
        assert not heading or heading in headings_of(path), target


@pytest.mark.parametrize("names", [TASK_OPTIONS, FLOW_OPTIONS, RETRY_KEYS], ids=["task", "flow", "retry_kwargs"])
def test_the_reference_has_every_option(names):
    assert [name for name in names if f"`{name}`" not in REFERENCE and f'`"{name}"`' not in REFERENCE] == []
    used = "".join(example.text for example in EXAMPLES)
    assert [name for name in names if f"{name}=" not in used and f'"{name}": ' not in used] == []


@pytest.mark.parametrize("function", CALLED, ids=lambda function: function.__qualname__)
def test_the_reference_has_every_argument_of(function):
    words = set(re.findall(r"\w+", REFERENCE))
    assert [name for name in inspect.signature(function).parameters if name not in {"self", *words}] == []


def test_help_tells_every_option():
    assert [name for name in TASK_OPTIONS if f"*{name}*" not in task.__doc__] == []
    assert [name for name in FLOW_OPTIONS if f"*{name}*" not in flow.__doc__] == []


def test_the_reference_has_every_name_that_is_not_supported():
    section = REFERENCE[REFERENCE.index("### What is not supported") :]
    assert [name for name in (*MODULES, *NAMES[""], *UNSUPPORTED) if f"`{name}`" not in section] == []


def test_the_reference_has_every_import_path():
    section = REFERENCE[REFERENCE.index("## Coming from Prefect") : REFERENCE.index("### What differs")]
    names = "".join(re.findall(r"`([^`]+)`", section)).replace("tidemill", " ")
    package = ROOT / "daemon" / "tidemill"
    for path in package.glob("*.py"):
        assert path.stem.startswith("_") or f".{path.stem}" in names, path.name


def headings_of(path: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
