"""When an earlier result of a task stands in for an execution: what its options say about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tidemill.authoring.cache_policies import DEFAULT, NO_CACHE
from tidemill.authoring.cache_policy import CacheKeyFnPolicy, CachePolicy, NoCache
from tidemill.authoring.retries import seconds
from tidemill.domain.errors import DefinitionError

SPELLINGS: Final = ("cache_policy", "cache_key_fn", "cache_expiration", "refresh_cache", "persist_result")
"""The options that say something about caching."""


@dataclass(frozen=True, slots=True)
class Caching:
    """A task is cached."""

    policy: CachePolicy
    expiration: float | None = None
    """Seconds for which a result may be taken; None: for ever."""
    refresh: bool | None = None
    """Execute in any case, and keep the new result; None leaves it to the run's environment."""
    notices: tuple[str, ...] = ()
    """Sentences about options that say nothing together, for the run's log."""


def parse_caching(options: Mapping[str, Any], owner: str) -> Caching | None:
    """Return how the task called *owner* is cached, None when it is not; refuse what cannot be meant."""
    policy, key_fn = options.get("cache_policy"), options.get("cache_key_fn")
    persist, refresh = options.get("persist_result"), options.get("refresh_cache")
    if policy is not None and not isinstance(policy, CachePolicy):
        raise DefinitionError(
            f"cache_policy of {owner} must be a policy such as INPUTS + TASK_SOURCE from tidemill.cache_policies; "
            f"it is {policy!r}"
        )
    if key_fn is not None and not callable(key_fn):
        raise DefinitionError(
            f"cache_key_fn of {owner} must be a function of a context and the arguments; it is {key_fn!r}"
        )
    if refresh is not None and not isinstance(refresh, bool):
        raise DefinitionError(f"refresh_cache of {owner} must be true or false; it is {refresh!r}")
    expiration = _expiration(options.get("cache_expiration"), owner)
    notices: list[str] = []
    if policy is not None and key_fn is not None:
        notices.append("has both cache_policy and cache_key_fn; cache_key_fn is taken")
    if key_fn is not None:
        policy = CacheKeyFnPolicy(cache_key_fn=key_fn)
    if persist is False and policy is not None and not isinstance(policy, NoCache):
        notices.append("is not cached in spite of its policy, because of persist_result=False")
        policy = NO_CACHE
    if policy is None:
        policy = DEFAULT if persist else NO_CACHE
        if not persist and (expiration is not None or refresh):
            said = "cache_expiration" if expiration is not None else "refresh_cache"
            notices.append(f"is not cached in spite of {said}; say what makes two calls the same: cache_policy=INPUTS")
    if isinstance(policy, NoCache) and not notices:
        return None
    return Caching(policy, expiration, refresh, tuple(notices))


def _expiration(given: Any, owner: str) -> float | None:
    if given is None:
        return None
    expiration = seconds(given, f"cache_expiration of {owner}")
    if not expiration:
        raise DefinitionError(
            f"cache_expiration of {owner} must be longer than nothing; refresh_cache=True executes it every time"
        )
    return expiration
