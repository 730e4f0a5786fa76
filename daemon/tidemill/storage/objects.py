"""The bucket that CloudResult writes to. obstore lives and ends here, and is imported with the first result."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from tidemill.domain.addresses import redacted
from tidemill.storage.patience import Setback
from tidemill.storage.providers import provider_options

_CONNECT_TIMEOUT: Final = timedelta(seconds=10)
_IN_PARTS: Final = 64 * 1024 * 1024
"""Bytes from which an object is sent in parts, each with its own time limit."""
_STATUS: Final = re.compile(r"status code: (\d{3})(?: ([^:<\n]*))?")
_CODE: Final = re.compile(r"<Code>([^<]*)</Code>")
_MESSAGE: Final = re.compile(r"<Message>([^<]*)</Message>")
_METADATA: Final = re.compile(r"169\.254\.169\.254|metadata\.google\.internal|169\.254\.170\.2")
_NOISE: Final = re.compile(r"^(?:Generic \w+ error: )?(?:Error performing \w+ in \S+ - )?")
_ADDRESS: Final = re.compile(r" ?https?://\S+")
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_CREDENTIALS: Final = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}


_users: Final[set[int]] = set()
"""The processes that have used obstore, this one and those it was forked from."""


class Bucket:
    """One bucket, or container, of one provider."""

    def __init__(self, url: str, timeout: float) -> None:
        self._scheme = url.partition(":")[0]
        _users.add(os.getpid())
        if len(_users) > 1:
            # Its runtime has threads, which are not there in a copy of their process: it would wait for ever.
            reason = "obstore cannot be used in a process that was forked from one which uses it; start it afresh"
            raise Setback(reason, is_passing=False)
        with self._refusals():
            # Retries are the handler's, which tells of them and lets itself be interrupted.
            self._store: Any = from_url(
                url,
                **provider_options(self._scheme, os.environ),
                client_options={
                    # Only an endpoint that the environment names is reached without TLS.
                    "allow_http": True,
                    "timeout": timedelta(seconds=timeout),
                    "connect_timeout": min(_CONNECT_TIMEOUT, timedelta(seconds=timeout)),
                },
                retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=timeout)},
            )

    def write(self, key: str, data: bytes) -> None:
        """Write an object. Raises Setback."""
        with self._refusals("there is no such bucket or container"):
            obstore.put(self._store, key, data, use_multipart=len(data) > _IN_PARTS)

    def read(self, key: str) -> bytes:
        """Return what an object holds. Raises Setback."""
        with self._refusals("there is no such object"):
            return bytes(obstore.get(self._store, key).bytes())

    @contextmanager
    def _refusals(self, missing: str = "") -> Iterator[None]:
        """Turn what obstore raises into setbacks; *missing* is what it means that something is not there."""
        try:
            yield
        except (BaseError, ValueError, OSError) as error:
            raise self._setback(error, missing) from None
        except BaseException as error:
            if type(error).__module__ != "pyo3_runtime":
                raise
            # What it does not foresee, such as an endpoint that is no URL.
            reason = f"obstore cannot go on ({error}); check the endpoint and the credentials in the environment"
            raise Setback(redacted(reason), is_passing=False) from None

    def _setback(self, error: Exception, missing: str) -> Setback:
        """Return what *error* means, without the addresses in it: they may be signed."""
        text = str(error).partition("\n\nDebug source")[0]
        credentials = _CREDENTIALS[self._scheme]
        if _METADATA.search(text):
            return Setback(f"there are no credentials for it; set {credentials}", is_passing=False)
        status = _STATUS.search(text)
        if status is None:
            reason = redacted(_NOISE.sub("", _ADDRESS.sub("", text.strip().split("\n", 1)[0])))
            if isinstance(error, BaseError) and _is_transport(text):
                return Setback(f"{reason}{_cause(str(error))}", is_passing=True)
            return Setback(f"{reason.rstrip('.')}; check {credentials}", is_passing=False)
        number = int(status[1])
        reason = ": ".join(part for part in (f"{number} {(status[2] or '').strip()}".strip(), *_words(text)) if part)
        if number in (401, 403):
            return Setback(f"the credentials are refused ({reason}); check {credentials}", is_passing=False)
        if number == 404:
            return Setback(f"{missing} ({reason})", is_passing=False)
        return Setback(reason, is_passing=number in _PASSING)


def _words(text: str) -> tuple[str, ...]:
    """Return the server's own code and message, in the form that S3 and Azure have them."""
    found = (_CODE.search(text), _MESSAGE.search(text))
    return tuple(match[1].split("\n")[0].rstrip(".") for match in found if match)


def _is_transport(text: str) -> bool:
    """Tell whether the request got no answer at all."""
    return any(
        sign in text for sign in ("HTTP error", "error sending request", "operation timed out", "error decoding")
    )


def _cause(text: str) -> str:
    """Return the system's own word for a connection that failed, which stands deep in the debug text."""
    for sign in ("Connection refused", "Connection reset", "Name or service not known", "timed out", "TimedOut"):
        if sign in text:
            return f" ({'timed out' if sign == 'TimedOut' else sign})"
    return ""
