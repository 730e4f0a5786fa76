"""What libraries import and runs do without: half a megabyte of every fork server that nobody has asked for.

Whoever asks for it in a run gets it as ever.
"""

import sys
import threading
from importlib import import_module
from types import ModuleType
from typing import Any

_modules: dict[str, Any] = sys.modules
_lock = threading.RLock()


def leave_out() -> None:
    """Import the standard library's and msgspec's foundations without their ballast; before anything else does."""
    # Of pathlib's urllib.parse, for addresses in brackets.
    if "ipaddress" not in _modules:
        _modules["ipaddress"] = _Later("ipaddress")
    # Of msgspec, which takes it where it finds it, and has no less of typing's own.
    if "typing_extensions" not in _modules:
        _modules["typing_extensions"] = None
        import_module("msgspec")
        del _modules["typing_extensions"]


class _Later(ModuleType):
    """A module that is imported when somebody takes something of it."""

    def __getattr__(self, name: str) -> Any:
        module = self.__name__
        with _lock:
            if _modules.get(module) is self:
                del _modules[module]
        return getattr(import_module(module), name)
