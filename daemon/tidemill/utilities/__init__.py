"""Modules that Prefect's users import from this place."""
