"""Parameters whose types are pydantic's, where an author has it: models, its own types, and conditions on others."""

from functools import cache
from typing import Any, Final, get_args

_THEIRS: Final = ("pydantic", "annotated_types")


def is_for_pydantic(annotation: Any) -> bool:
    """Tell whether a type, or one that it is made of, is pydantic's to check."""
    if type(annotation).__module__.startswith(_THEIRS) or hasattr(annotation, "__pydantic_validator__"):
        return True
    if isinstance(annotation, type) and annotation.__module__.startswith(_THEIRS):
        return True
    return any(is_for_pydantic(part) for part in get_args(annotation))


def validate(value: Any, annotation: Any) -> Any:
    """Return *value* as what *annotation* asks for. Raises ValueError with a sentence that says where it is not."""
    from pydantic import ValidationError

    try:
        return _adapter(annotation).validate_python(value)
    except ValidationError as error:
        first, *others = error.errors(include_url=False)
        place = ".".join(map(str, first["loc"]))
        more = f" (and {len(others)} more)" if others else ""
        raise ValueError(f"{place}: {first['msg']}{more}" if place else f"{first['msg']}{more}") from None


def default_of(given: Any, missing: Any) -> Any:
    """Return the default that ``Field(…)`` names, *missing* when it names none; anything else as it is."""
    if not type(given).__module__.startswith(_THEIRS):
        return given
    return missing if given.is_required() else given.get_default(call_default_factory=True)


def _adapter(annotation: Any) -> Any:
    try:
        return _known_adapter(annotation)
    except TypeError:
        # Conditions on a type may have no hash.
        return _new_adapter(annotation)


def _new_adapter(annotation: Any) -> Any:
    from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter

    try:
        return TypeAdapter(annotation)
    except PydanticSchemaGenerationError:
        return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))


_known_adapter = cache(_new_adapter)
