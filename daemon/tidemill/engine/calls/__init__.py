"""Flows and tasks that are called, submitted, mapped or streamed, inside a run and outside of any."""
