"""Results as objects in a cloud's storage: S3, Google Cloud Storage, Azure Blob Storage, and what speaks like them."""

import os
import re
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from tidemill.domain.addresses import without_password
from tidemill.domain.errors import DefinitionError
from tidemill.domain.naming import did_you_mean
from tidemill.domain.results import ResultInfo
from tidemill.storage.patience import Setback, beside
from tidemill.storage.places import ResultPlace
from tidemill.storage.serializers import suffix
from tidemill.storage.stored import StoredResult
from tidemill.storage.templates import DEFAULT, NameTemplate

if TYPE_CHECKING:
    from tidemill.storage.objects import Bucket

SCHEMES: Final = ("s3", "gs", "az")
_URL: Final = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#@:]+)(/[^?#]*)?", re.IGNORECASE)


class CloudResult(StoredResult):
    """Keeps each result in an object below *url*: ``s3://bucket/prefix``, ``gs://bucket/prefix``, ``az://container/prefix``.

    Credentials and endpoints come from the provider's usual environment: ``AWS_ACCESS_KEY_ID``,
    ``AWS_SECRET_ACCESS_KEY``, ``AWS_REGION``, ``AWS_ENDPOINT_URL``; ``GOOGLE_APPLICATION_CREDENTIALS``;
    ``AZURE_STORAGE_ACCOUNT_NAME``, ``AZURE_STORAGE_ACCOUNT_KEY`` or ``AZURE_STORAGE_CONNECTION_STRING``; or from the
    machine's own role. *name* is a template as LocalResult's; *timeout* is the seconds that one request may take. Needs
    the extra ``cloud``. Raises DefinitionError for another URL, or without the extra.

    >>> @task(result_handler=CloudResult("s3://reports/nightly"))
    ... def total(rows): return sum(rows)
    """

    def __init__(
        self,
        url: str,
        serializer: Any = None,
        name: str = DEFAULT,
        *,
        max_size: int | str | None = None,
        retries: int = 3,
        retry_delay: float = 1.0,
        timeout: float = 60.0,
    ) -> None:
        super().__init__(serializer=serializer, max_size=max_size, retries=retries, retry_delay=retry_delay)
        self._root, self._prefix = _parse_url(url)
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout <= 86_400:
            raise DefinitionError(f"timeout of CloudResult must be seconds above 0; it is {timeout!r}")
        self.timeout = float(timeout)
        self._name = NameTemplate(name, "CloudResult")
        self._buckets: dict[tuple[int, str], Bucket] = {}

    @property
    def where(self) -> str:
        """The URL as the author named it."""
        return f"{self._root}/{self._prefix}".rstrip("/")

    def locate(self, place: ResultPlace, form: str) -> str:
        """Return the URL of the object."""
        return f"{self.where}/{self._name.fill(place, suffix(form), datetime.now().astimezone())}"

    def put(self, info: ResultInfo, data: bytes, _: ResultPlace) -> None:
        """Write the object; a store shows it whole or not at all."""
        root, key = _parts_of(info)
        beside(lambda: self._bucket(root).write(key, data))

    def get(self, info: ResultInfo) -> bytes:
        """Return what the object holds, in the bucket where it was written."""
        root, key = _parts_of(info)
        return beside(lambda: self._bucket(root).read(key))

    def rename(self, name: str) -> None:
        """Take another template of names."""
        self._name = NameTemplate(name, "CloudResult")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_buckets": {}}

    def __repr__(self) -> str:
        return f"CloudResult({self.where!r})"

    def _bucket(self, root: str) -> "Bucket":
        """Return the bucket for this process; a forked one cannot go on with another's connections."""
        # obstore brings a runtime of its own, which no other flow shall pay for.
        from tidemill.storage.objects import Bucket

        key = (os.getpid(), root)
        found = self._buckets.get(key)
        if found is None:
            found = self._buckets[key] = Bucket(root, self.timeout)
        return found


def _parse_url(given: Any) -> tuple[str, str]:
    """Return the bucket's URL and the prefix in it."""
    match = _URL.fullmatch(given) if isinstance(given, str) else None
    if match is None:
        shown = without_password(given) if isinstance(given, str) else repr(given)
        raise DefinitionError(
            "url of CloudResult must be s3://bucket/prefix, gs://bucket/prefix or az://container/prefix, without"
            f" credentials; it is {shown}"
        )
    scheme = match[1].lower()
    if scheme not in SCHEMES:
        raise DefinitionError(f"CloudResult knows no {scheme}://{did_you_mean(scheme, SCHEMES)}")
    prefix = (match[3] or "").strip("/")
    if prefix and {"", ".", ".."} & set(prefix.split("/")):
        raise DefinitionError(f"url of CloudResult cannot have empty parts or '..': {given}")
    if find_spec("obstore") is None:
        raise DefinitionError(f"CloudResult needs obstore for {given}: pip install 'tidemill[cloud]'")
    return f"{scheme}://{match[2]}", prefix


def _parts_of(info: ResultInfo) -> tuple[str, str]:
    """Return the bucket's URL and the key that a location tells of."""
    scheme, _, rest = (info.location or "").partition("://")
    bucket, _, key = rest.partition("/")
    if scheme not in SCHEMES or not key:
        raise Setback("this is no place in a bucket", is_passing=False)
    return f"{scheme}://{bucket}", key
