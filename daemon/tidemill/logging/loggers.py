"""The same loggers, from where Prefect's users also import them."""

from tidemill.logging import disable_run_logger, get_logger, get_run_logger

__all__ = ["disable_run_logger", "get_logger", "get_run_logger"]
