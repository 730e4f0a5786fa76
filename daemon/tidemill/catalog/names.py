"""Which names in the watched folder mean something: by name alone, before any file is touched."""

from typing import Final

SUFFIX: Final = ".py"
# Emacs checks a buffer by writing a sibling of the file under these names.
_EDITOR_PREFIXES: Final = ("flycheck_", "~", "#")
_EDITOR_SUFFIXES: Final = ("_flymake.py",)
_SKIPPED_FOLDERS: Final = frozenset({"__pycache__", "node_modules", "site-packages"})
VENV_MARK: Final = "pyvenv.cfg"
"""A folder that holds this file is a virtual environment: thousands of modules, no flows."""


def is_module(name: str) -> bool:
    """Tell whether a file of this name can be imported by a flow file, private ones included."""
    return (
        name.endswith(SUFFIX) and not name.startswith((".", *_EDITOR_PREFIXES)) and not name.endswith(_EDITOR_SUFFIXES)
    )


def is_flow_file(name: str) -> bool:
    """Tell whether a file of this name may declare flows."""
    return is_module(name) and not name.startswith("_")


def is_folder_searched(name: str) -> bool:
    """Tell whether a folder of this name is looked into."""
    return not name.startswith(".") and name not in _SKIPPED_FOLDERS
