"""Runs one flow inside its own process: loading, graph, task pipeline, retries, results, capture.

May import authoring, journal and domain; must stay lean, because every run process is forked with it (no
asyncio, tenacity or cloudpickle until a flow needs them); must never import anything of the daemon. It learns
what to do from its order alone, and tells what happened through its journal alone.
"""
