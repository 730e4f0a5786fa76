"""The result handlers under the names that flow files import."""

from tidemill.storage.local import LocalResult
from tidemill.storage.places import ResultError, ResultHandler, ResultPlace

__all__ = ["LocalResult", "ResultError", "ResultHandler", "ResultPlace"]
