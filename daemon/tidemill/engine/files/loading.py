"""Loads a flow file as a module under its real path, and tells where and why one cannot be loaded."""

import os
import re
import sys
from types import CodeType, ModuleType
from typing import Final, NamedTuple

from tidemill.authoring.registry import Registry
from tidemill.domain.errors import DefinitionError, FlowFileError, TidemillError
from tidemill.domain.trust import Trust
from tidemill.engine.failures import line_in, message_of, type_name
from tidemill.engine.files.compiled import find_code, keep_code
from tidemill.engine.files.sources import Sources, make_importable

SIZE_LIMIT: Final = 1024 * 1024
"""Bytes of a flow file; what is larger is data that was given the wrong name."""
_NO_NAME: Final = re.compile(r"\W")


class LoadedFile(NamedTuple):
    """A flow file was executed as a module."""

    path: str
    module: ModuleType
    registry: Registry
    sources: Sources
    source: bytes


def load_file(
    path: str, root: str, kept: dict[str, str], *, keeping: bool = False, trust: Trust | None = None
) -> LoadedFile:
    """Execute the flow file *path* as a module, or refuse it with the line to look at.

    *path* and *root* are real paths. *kept* maps real paths to the files that hold the text to run in their place;
    *keeping*, the code is kept beside that text for the runs to come. Modules that are not kept are refused when
    somebody could change them who has no *trust*.
    """
    sources = Sources([os.path.dirname(path), root], kept, trust)  # noqa: PTH120 - plain strings throughout the import system
    source = _read(path, sources)
    place = kept.get(path)
    code = None if place is None else find_code(place, path)
    if code is None:
        code = _compile(path, source)
        if keeping and place is not None:
            keep_code(place, code)
    make_importable(sources)
    module = ModuleType(module_name(path, root))
    module.__file__ = path
    sys.modules[module.__name__] = module
    with Registry() as registry:
        try:
            exec(code, module.__dict__)
        except BaseException as error:
            raise _refusal(path, error) from error
    return LoadedFile(path, module, registry, sources, source)


def module_name(path: str, root: str) -> str:
    """Return a name for the module that no installed package bears, the same in every process."""
    inside = path[len(root) + 1 :] if path.startswith(f"{root}/") else os.path.basename(path)  # noqa: PTH119
    return "tidemill_flow_" + _NO_NAME.sub("_", inside.removesuffix(".py"))


def implicit_name(path: str) -> str:
    """Return the name of the flow that a file of plain tasks is."""
    return os.path.basename(path).removesuffix(".py")  # noqa: PTH119


def _read(path: str, sources: Sources) -> bytes:
    try:
        source = sources.read(path)
    except OSError as error:
        raise FlowFileError(path, None, f"cannot be read: {error.strerror}") from error
    if len(source) > SIZE_LIMIT:
        raise FlowFileError(path, None, f"is too large for a flow file: {len(source):,} bytes, at most {SIZE_LIMIT:,}")
    if b"\0" in source:
        raise FlowFileError(path, None, "is not Python source text: it holds null bytes")
    return source


def _compile(path: str, source: bytes) -> CodeType:
    try:
        return compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _refusal(path, error) from error


def _refusal(path: str, error: BaseException) -> FlowFileError:
    """Return the sentence for a file that failed to load."""
    line = line_in(error, path)
    if isinstance(error, SyntaxError):
        if error.filename in (path, None):
            return FlowFileError(path, error.lineno, f"{type_name(error)}: {error.msg}")
        return FlowFileError(path, line, f"{type_name(error)} in {error.filename}, line {error.lineno}: {error.msg}")
    if isinstance(error, DefinitionError):
        return FlowFileError(path, error.line or line, error.message)
    if isinstance(error, TidemillError):
        return FlowFileError(path, line, str(error))
    if isinstance(error, SystemExit):
        return FlowFileError(path, line, f"the file ended its load with sys.exit({error.code!r})")
    text = message_of(error)
    return FlowFileError(path, line, f"{type_name(error)}: {text}" if text else type_name(error))
