"""The parameters of a flow: what its function takes, or what the tasks of its graph lack."""

from collections.abc import Mapping
from typing import Any

from tidemill.authoring.conversion import convert, convert_default
from tidemill.authoring.flows import Flow, FunctionFlow
from tidemill.authoring.naming import did_you_mean
from tidemill.authoring.signatures import MISSING, Parameter
from tidemill.domain.errors import ParameterError
from tidemill.engine.graphs.graph import Graph


def flow_parameters(flow: Flow, graph: Graph | None) -> dict[str, list[Parameter]]:
    """Return the parameters of *flow* by name; in a graph several tasks may ask for the same one."""
    asked: dict[str, list[Parameter]] = {}
    if isinstance(flow, FunctionFlow):
        for parameter in flow.signature.parameters:
            asked[parameter.name] = [parameter]
    elif graph is not None:
        # What a task names as a parameter of the flow says more than a parameter nobody fills.
        asked = {name: [parameter] for name, parameter in graph.parameters.items()}
        for node in graph.nodes:
            for parameter in node.asked.values():
                if parameter.name not in graph.parameters:
                    asked.setdefault(parameter.name, []).append(parameter)
    return asked


def takes(flow: Flow, name: str) -> bool:
    """Tell whether *flow* takes a parameter that is not asked for: by ``**kwargs``, or as the list of its ``*args``."""
    return isinstance(flow, FunctionFlow) and (flow.signature.takes_any_keyword or flow.signature.starred == name)


def is_required(name: str, asking: list[Parameter], flow: Flow) -> bool:
    """Tell whether a run must give the parameter."""
    return name not in flow.options.parameters and any(parameter.required for parameter in asking)


def default_of(name: str, asking: list[Parameter], flow: Flow) -> Any:
    """Return what a run that does not give the parameter uses; MISSING when it must."""
    if name in flow.options.parameters:
        return flow.options.parameters[name]
    if any(parameter.required for parameter in asking):
        return MISSING
    return asking[0].default


def check_parameters(flow: Flow, asked: Mapping[str, list[Parameter]], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values a run of *flow* has, converted to their types, or refuse them by name."""
    for name in given:
        _check_name(flow, asked, name)
    missing = [name for name, asking in asked.items() if name not in given and is_required(name, asking, flow)]
    if missing:
        names = ", ".join(missing)
        options = " ".join(f"-p {name}=…" for name in missing)
        plural = "s" if len(missing) > 1 else ""
        raise ParameterError(f"flow {flow.name} needs the parameter{plural} {names}: give {options}")
    values = {name: value for name, value in flow.options.parameters.items() if name in asked or takes(flow, name)}
    values.update(given)
    return {name: checked_value(flow, asked, name, value) for name, value in values.items()}


def with_defaults(flow: FunctionFlow, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return *values* and the defaults of all other parameters of *flow*, in the order of its function."""
    filled: dict[str, Any] = {}
    for parameter in flow.signature.parameters:
        if parameter.name in values:
            filled[parameter.name] = values[parameter.name]
        elif parameter.default is not MISSING:
            is_checked = flow.options.validate_parameters
            default = convert_default(parameter, f"flow {flow.name}") if is_checked else parameter.default
            filled[parameter.name] = default
    return {**filled, **values}


def checked_value(flow: Flow, asked: Mapping[str, list[Parameter]], name: str, value: Any) -> Any:
    """Return a parameter's value converted to its type, or refuse either."""
    if name not in asked:
        _check_name(flow, asked, name)
        if isinstance(flow, FunctionFlow) and flow.signature.starred == name and not isinstance(value, list | tuple):
            raise ParameterError(f"parameter {name!r} of flow {flow.name} stands for several values: give it a list")
        return value
    return convert(value, asked[name][0], f"flow {flow.name}") if flow.options.validate_parameters else value


def _check_name(flow: Flow, asked: Mapping[str, list[Parameter]], name: str) -> None:
    if name not in asked and not takes(flow, name):
        raise ParameterError(f"flow {flow.name} has no parameter {name!r}{did_you_mean(name, asked)}")
