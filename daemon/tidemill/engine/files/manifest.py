"""Describes a flow as the plain data that the daemon works on."""

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

import msgspec

from tidemill.authoring.flows import Flow, FunctionFlow
from tidemill.authoring.signatures import MISSING, Parameter
from tidemill.authoring.tasks import definition_of
from tidemill.domain.errors import DefinitionError, ParameterError
from tidemill.domain.hooks import OWED_HOOKS
from tidemill.domain.manifests import FlowManifest, ParameterManifest, Problem, TaskManifest
from tidemill.engine.files.marking import marks_in
from tidemill.engine.files.parameters import checked_value, default_of, flow_parameters, is_required
from tidemill.engine.graphs.graph import Node, build_graph


def describe_flow(flow: Flow) -> tuple[FlowManifest | None, list[Problem]]:
    """Return the manifest of *flow* and what is wrong with it; no manifest when it cannot run at all."""
    line = flow.place.line
    try:
        graph = None if flow.style == "function" else build_graph(flow)
        asked = flow_parameters(flow, graph)
    except DefinitionError as error:
        return None, [Problem(error.message, error.line or line)]
    problems = [Problem(message, line) for message in _wrong_parameters(flow, asked)]
    options = flow.options
    manifest = FlowManifest(
        name=flow.name,
        style=flow.style,
        line=line,
        description=options.description,
        tags=options.tags,
        parameters=(*(_parameter(name, asking, flow) for name, asking in asked.items()), *_starred(flow)),
        takes_any=isinstance(flow, FunctionFlow) and flow.signature.takes_any_keyword,
        tasks=tuple(_task(node) for node in graph.nodes) if graph else (),
        code=marks_in(graph) if graph else {},
        schedules=options.schedules,
        catchup=options.catchup,
        grace=options.grace,
        overlap=options.overlap,
        max_active_runs=options.max_active_runs,
        timeout=options.timeout,
        priority=options.priority,
        max_workers=options.max_workers,
        limits=dict(options.limits),
        end_hooks=tuple(kind for kind in OWED_HOOKS.values() if kind in options.hooks),
    )
    return manifest, problems


def _wrong_parameters(flow: Flow, asked: dict[str, list[Parameter]]) -> list[str]:
    """Return a sentence for everything the flow's own parameters and its schedules' ones get wrong."""
    wrong = _wrong_values(flow, asked, flow.options.parameters, "")
    for schedule in flow.options.schedules:
        about = f"the schedule {schedule.describe()}: "
        wrong += _wrong_values(flow, asked, schedule.parameters, about)
        wrong += [
            f"{about}flow {flow.name} needs the parameter {name}: give the schedule parameters={{{name!r}: …}}"
            for name, asking in asked.items()
            if name not in schedule.parameters and is_required(name, asking, flow)
        ]
    return list(dict.fromkeys(wrong))


def _wrong_values(flow: Flow, asked: dict[str, list[Parameter]], values: Mapping[str, Any], about: str) -> list[str]:
    wrong = []
    for name, value in values.items():
        try:
            checked_value(flow, asked, name, value)
        except ParameterError as error:
            wrong.append(f"{about}{error.message}")
        except Exception as error:
            wrong.append(f"{about}parameter {name!r} cannot be checked: {type(error).__name__}: {error}")
    return wrong


def _parameter(name: str, asking: list[Parameter], flow: Flow) -> ParameterManifest:
    required = is_required(name, asking, flow)
    default = default_of(name, asking, flow)
    return ParameterManifest(name, asking[0].written, required, None if default is MISSING else _as_json(default))


def _starred(flow: Flow) -> Iterator[ParameterManifest]:
    """Yield the list that stands for any number of positional arguments."""
    if isinstance(flow, FunctionFlow) and flow.signature.starred is not None:
        yield ParameterManifest(flow.signature.starred, "list", required=False, default=[])


def _task(node: Node) -> TaskManifest:
    options = definition_of(node.task).options
    return TaskManifest(
        node.name,
        node.index,
        node.upstream,
        options.description,
        options.retry.max_retries,
        _condition(node.condition),
        tuple(node.mapped),
    )


def _condition(condition: Any) -> str:
    if condition is None or isinstance(condition, str):
        return str(condition or "all_succeeded")
    return f"{getattr(condition, '__name__', type(condition).__name__)}()"


def _as_json(value: Any) -> Any:
    """Return *value* as JSON would hold it, else as it looks."""
    try:
        return msgspec.json.decode(msgspec.json.encode(str(value) if isinstance(value, PurePath) else value))
    except Exception:
        return safe_repr(value)


def safe_repr(value: Any) -> str:
    """Return how *value* looks, whatever its own method does."""
    try:
        return repr(value)[:1000]
    except Exception as error:
        return f"<{type(value).__qualname__}, whose repr failed: {type(error).__name__}>"
