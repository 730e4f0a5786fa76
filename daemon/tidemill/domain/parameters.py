"""Whether the parameters given for a run are the ones its flow takes."""

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from tidemill.domain.errors import ParameterError
from tidemill.domain.manifests import FlowManifest
from tidemill.domain.secrecy import NAME
from tidemill.domain.texts import TRUTHS

_WORD: Final = re.compile(r"\w+")


def _is_int(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lstrip("+-").isdigit()
    return type(value) is int or (isinstance(value, float) and value.is_integer())


def _is_float(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool) or value in (0, 1) or str(value).strip().lower() in TRUTHS


_CHECKS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "int": (_is_int, "a whole number"),
    "float": (_is_float, "a number"),
    "bool": (_is_bool, "true or false"),
}
"""The types the daemon can judge without the user's code; all others are converted in the run process."""


def _names_secrets(value: Any) -> bool:
    """Tell whether every text in *value* may be the name of a secret."""
    if isinstance(value, str):
        return NAME.fullmatch(value) is not None
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(map(_names_secrets, parts))


def check_parameters(flow: FlowManifest, given: Mapping[str, Any]) -> None:
    """Refuse, by name, a parameter that *flow* does not take, one it lacks, and one of the wrong plain type."""
    known = {parameter.name: parameter for parameter in flow.parameters}
    for name, value in given.items():
        parameter = known.get(name)
        if parameter is None and flow.takes_any:
            continue
        if parameter is None:
            raise ParameterError(_unknown(flow, name, list(known)))
        if "Secret" in _WORD.findall(parameter.type) and not _names_secrets(value):
            # Whoever gives the secret itself by mistake must not find it in the history and in logs.
            raise ParameterError(
                f"the parameter {name} of {flow.name} takes the name of a secret, never the secret itself"
            )
        check = _CHECKS.get(parameter.type)
        if check is not None and not check[0](value):
            raise ParameterError(f"the parameter {name} of {flow.name} must be {check[1]}, not {value!r}")
    missing = [p.name for p in flow.parameters if p.required and p.name not in given]
    if missing:
        example = " ".join(f"-p {name}=..." for name in missing)
        plural = "s" if len(missing) > 1 else ""
        raise ParameterError(
            f"{flow.name} needs the parameter{plural} {', '.join(missing)}; give it with: "
            f"tidemill run {flow.name} {example}"
        )


def _unknown(flow: FlowManifest, name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"{flow.name} has no parameter {name}; did you mean {near[0]}?"
    if known:
        return f"{flow.name} has no parameter {name}; it takes: {', '.join(known)}"
    return f"{flow.name} takes no parameters, and {name} was given"
