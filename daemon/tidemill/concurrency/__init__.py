"""Slots of named limits for any piece of code: ``concurrency`` and ``rate_limit``, with Prefect's names and meanings.

``tidemill.concurrency.sync`` and ``tidemill.concurrency.asyncio`` differ in how they wait, and in nothing else.
"""
