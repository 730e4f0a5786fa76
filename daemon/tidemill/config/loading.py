"""Load the settings: defaults, then the file, then the environment, then options; each value knows its source.

The CLI imports this at every command, so it imports next to nothing.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tidemill.config.conversion import convert
from tidemill.config.files import SYSTEM_STATE, ConfigFile, locate, read, refuse, user_folder
from tidemill.config.limits import convert_limit
from tidemill.config.settings import Places, Settings
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.limits import Limit

ENVIRONMENT: Final[Mapping[str, str]] = {
    "TIDEMILL_FLOWS_DIR": "places.flows_dir",
    "TIDEMILL_STATE_DIR": "places.state_dir",
    "TIDEMILL_DATABASE_URL": "places.database_url",
}
"""The settings that have a variable; ``TIDEMILL_CONFIG`` names the file itself."""

SECRETS: Final = "secrets"
"""The folder of secrets, beside the configuration file."""
_LIMITS: Final = "limits"
"""The section whose keys are the operator's own."""
_SECTIONS: Final[dict[str, dict[str, Any]]] = {
    name: section.__annotations__ for name, section in Settings.__annotations__.items() if name != _LIMITS
}
"""The other sections, each with its settings and their types."""


def load(
    config_file: Path | None, overrides: Mapping[str, Any], *, here: Path | None = None
) -> tuple[Settings, dict[str, str]]:
    """Return the settings, and for each ``section.key`` where its value came from.

    A source is ``default``, ``file``, ``environment`` or ``option``. *overrides* are the options, by
    ``section.key``, or by key alone for the places; None means the option was not given. *here* is the
    folder in which the person was, when that is not the current one any more: a detached daemon has left it.
    """
    here = here or Path.cwd()
    file = locate(config_file, here)
    values, sources = _defaults(file, here)
    if file is not None:
        for name, value in _from_file(file).items():
            values[name], sources[name] = value, "file"
    for variable, name in ENVIRONMENT.items():
        if text := os.environ.get(variable):
            values[name], sources[name] = convert(variable, _kind(name), text, here), "environment"
    for given, value in overrides.items():
        if value is not None:
            name = given if "." in given else f"places.{given}"
            values[name], sources[name] = convert(name, _kind(name), value, here), "option"
    if values["places.state_dir"] is None:
        # Asked for last: most command lines know better, and need not wait for the import.
        values["places.state_dir"] = _user_state_dir()
    return _assemble(values), sources


def _defaults(file: ConfigFile | None, here: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return every setting's default; the two folders' depend on where we are."""
    values = {
        f"{section}.{key}": getattr(getattr(Settings(), section), key)
        for section, keys in _SECTIONS.items()
        for key in keys
    }
    sources = dict.fromkeys(values, "default")
    project = file.base if file is not None and file.is_project else None
    machine = SYSTEM_STATE if file is not None and file.is_system else None
    values["places.secrets_dir"] = (file.path.parent if file is not None else user_folder()) / SECRETS
    values["places.flows_dir"] = (project or machine or here) / Places().flows_dir
    if granted := os.environ.get("STATE_DIRECTORY", "").split(":")[0]:
        values["places.state_dir"], sources["places.state_dir"] = Path(granted), "environment"
    elif project is not None:
        values["places.state_dir"] = project / Places().state_dir
    else:
        values["places.state_dir"] = machine
    values[_LIMITS], sources[_LIMITS] = {}, "default"
    return values, sources


def _user_state_dir() -> Path:
    """Return the state directory of a person who is in no project."""
    from platformdirs import user_state_path

    return user_state_path("tidemill", appauthor=False)


def _from_file(file: ConfigFile) -> dict[str, Any]:
    """Return the converted values of the file, refusing what is no setting."""
    values: dict[str, Any] = {}
    for section, table in read(file).items():
        if section not in _SECTIONS and section != _LIMITS:
            refuse(file, section, None, _unknown("section", f"[{section}]", section, [*_SECTIONS, _LIMITS]))
        if not isinstance(table, dict):
            refuse(file, section, None, f"[{section}] is a section: write its keys below it, one a line")
        if section == _LIMITS:
            values[_LIMITS] = _limits(file, table)
            continue
        known = _SECTIONS[section]
        for key, value in table.items():
            if key not in known:
                refuse(file, section, key, _unknown("setting", f"{section}.{key}", key, known))
            try:
                values[f"{section}.{key}"] = convert(f"{section}.{key}", known[key], value, file.base)
            except ConfigurationError as error:
                refuse(file, section, key, str(error))
    return values


def _limits(file: ConfigFile, table: Mapping[str, Any]) -> dict[str, Limit]:
    """Return the limits of the file, refusing what is none."""
    limits: dict[str, Limit] = {}
    for name, value in table.items():
        try:
            limits[name] = convert_limit(name, value)
        except ConfigurationError as error:
            refuse(file, _LIMITS, name, str(error))
    return limits


def _kind(name: str) -> Any:
    """Return the type of the setting *name*."""
    section, _, key = name.partition(".")
    if key in _SECTIONS.get(section, {}):
        return _SECTIONS[section][key]
    known = [f"{part}.{found}" for part, keys in _SECTIONS.items() for found in keys]
    raise ConfigurationError(_unknown("setting", name, name, known))


def _unknown(what: str, shown: str, wrong: str, known: Mapping[str, Any] | list[str]) -> str:
    """Say that there is no such name, and the nearest that there is."""
    from difflib import get_close_matches

    near = get_close_matches(wrong, list(known), n=1, cutoff=0.5)
    advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    return f"there is no {what} {shown}; {advice}"


def _assemble(values: Mapping[str, Any]) -> Settings:
    """Build the frozen settings out of the flat values."""
    parts = {
        name: kind(**{key: values[f"{name}.{key}"] for key in _SECTIONS[name]})
        for name, kind in Settings.__annotations__.items()
        if name != _LIMITS
    }
    return Settings(**parts, limits=values[_LIMITS])
