"""What a cache policy is, and how policies are added; which there are stands in ``cache_policies``."""

import copy
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from tidemill.authoring.hashing import hash_value
from tidemill.authoring.isolation import IsolationLevel
from tidemill.authoring.naming import did_you_mean
from tidemill.domain.errors import DefinitionError

_CONFIGURED: Final = ("key_storage", "isolation_level", "lock_manager")

Policy = TypeVar("Policy", bound="CachePolicy")
KeyFunction = Callable[[Any, dict[str, Any]], str | None]
"""Takes the context of the task run and the task's arguments by name, and returns a key, or None for no caching."""


@dataclass
class CachePolicy:
    """Computes the key under which a task's result is kept; subclass it and write ``compute_key``."""

    key_storage: str | Path | None = None
    """A folder for the records; None leaves them to the state directory."""
    isolation_level: IsolationLevel | None = None
    lock_manager: Any = None
    """What SERIALIZABLE locks with; None takes locks of the kernel's, which hold across processes."""

    @classmethod
    def from_cache_key_fn(cls, cache_key_fn: KeyFunction) -> "CacheKeyFnPolicy":
        """Return the policy that asks a function for the key."""
        return CacheKeyFnPolicy(cache_key_fn=cache_key_fn)

    def configure(
        self,
        key_storage: Any = None,
        lock_manager: Any = None,
        isolation_level: IsolationLevel | str | None = None,
    ) -> Self:
        """Return the same policy with its records in *key_storage*, or with another isolation level or locks."""
        changes: dict[str, Any] = {}
        if key_storage is not None:
            if not isinstance(key_storage, str | os.PathLike):
                raise DefinitionError(f"key_storage must be a folder, as text or a Path; it is {key_storage!r}")
            changes["key_storage"] = Path(key_storage)
        if lock_manager is not None:
            if not all(callable(getattr(lock_manager, name, None)) for name in ("acquire_lock", "release_lock")):
                raise DefinitionError(
                    f"a lock_manager must have acquire_lock and release_lock; {lock_manager!r} has not both"
                )
            changes["lock_manager"] = lock_manager
        if isolation_level is not None:
            changes["isolation_level"] = parse_isolation(isolation_level)
        return changed(self, changes)

    def compute_key(
        self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return the key of a task run with these inputs; None says that it is not cached."""
        raise NotImplementedError(f"{type(self).__name__} has no compute_key: that is where a policy does its work")

    def __add__(self, other: Any) -> "CachePolicy":
        if not isinstance(other, CachePolicy):
            return NotImplemented
        if isinstance(other, NoCache):
            return self
        return CompoundCachePolicy(policies=[self, other], **_common(self, other))

    def __sub__(self, other: Any) -> "CachePolicy":
        """Leave an input out of the key; nothing changes in a policy without inputs."""
        if not isinstance(other, str):
            raise TypeError(f"only the name of an input can be taken from a cache policy, as text, not {other!r}")
        return self

    def absorb(self, other: "CachePolicy") -> "CachePolicy | None":
        """Return one policy that says what both say; None where it takes two."""
        # Not by ==, which a subclass of the author's inherits and which knows none of its own attributes.
        return self if type(self) is type(other) and vars(self) == vars(other) else None


@dataclass
class CacheKeyFnPolicy(CachePolicy):
    """Asks a function of the author's, with the task run's context and the inputs."""

    cache_key_fn: KeyFunction | None = None

    def compute_key(
        self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return what the function says."""
        return None if self.cache_key_fn is None else self.cache_key_fn(task_ctx, inputs)


@dataclass
class CompoundCachePolicy(CachePolicy):
    """Several policies at once: a call is the same when it is the same to each. Their order is irrelevant."""

    policies: Iterable[CachePolicy] = ()

    def __post_init__(self) -> None:
        parts: list[CachePolicy] = []
        for part in (part for policy in self.policies for part in _parts(policy)):
            absorbed = ((place, known.absorb(part)) for place, known in enumerate(parts))
            place, both = next(((place, both) for place, both in absorbed if both is not None), (len(parts), part))
            parts[place : place + 1] = [both]
        self.policies = parts

    def compute_key(
        self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return a key made of those that the policies compute; None when none does."""
        computed = (policy.compute_key(task_ctx, inputs, flow_parameters, **kwargs) for policy in self.policies)
        keys = sorted(check_key(key) for key in computed if key is not None)
        return hash_value(keys) if keys else None

    def __sub__(self, other: Any) -> CachePolicy:
        super().__sub__(other)
        return changed(self, {"policies": [policy - other for policy in self.policies]})


@dataclass
class NoCache(CachePolicy):
    """Computes no key: nothing is cached."""

    def compute_key(
        self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return none."""
        return None

    def __add__(self, other: Any) -> CachePolicy:
        return other if isinstance(other, CachePolicy) else NotImplemented


def parse_isolation(level: Any) -> IsolationLevel:
    """Return an isolation level, or refuse what is none."""
    try:
        return IsolationLevel(level)
    except ValueError:
        reason = did_you_mean(str(level), map(str, IsolationLevel))
        raise DefinitionError(f"there is no isolation level {level!r}{reason}") from None


def check_key(key: Any) -> str:
    """Return *key*, or refuse what a policy computed and is no text."""
    if not isinstance(key, str) or not key:
        raise ValueError(f"a cache key must be text that is not empty, or None; it is {key!r}")
    return key


def changed(policy: Policy, changes: Mapping[str, Any]) -> Policy:
    """Return a copy that differs in *changes*; a subclass of the author's may be made in any way."""
    changed = copy.copy(policy)
    for name, value in changes.items():
        setattr(changed, name, value)
    return changed


def _parts(policy: CachePolicy) -> list[CachePolicy]:
    """Return the policies in *policy*, without what was configured: that is the sum's business."""
    several = policy.policies if isinstance(policy, CompoundCachePolicy) else [policy]
    return [changed(each, dict.fromkeys(_CONFIGURED)) for each in several]


def _common(one: CachePolicy, other: CachePolicy) -> Mapping[str, Any]:
    """Return what two policies were configured with, or refuse two answers."""
    found: dict[str, Any] = {}
    for name in _CONFIGURED:
        given = [value for value in (getattr(one, name), getattr(other, name)) if value is not None]
        if len(given) == 2 and given[0] != given[1]:
            raise ValueError(f"two cache policies with a different {name} cannot be added: {given[0]!r}, {given[1]!r}")
        found[name] = given[0] if given else None
    return found
