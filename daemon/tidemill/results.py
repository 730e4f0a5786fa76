"""The handlers that keep what tasks return: ``from tidemill.results import LocalResult``."""

from tidemill import CloudResult, DatabaseResult, LocalResult
from tidemill.authoring.result_stores import ResultStore
from tidemill.authoring.unsupported import missing_from
from tidemill.storage.places import ResultError, ResultHandler, ResultPlace

__all__ = ["CloudResult", "DatabaseResult", "LocalResult", "ResultError", "ResultHandler", "ResultPlace", "ResultStore"]

__getattr__ = missing_from(__name__)
