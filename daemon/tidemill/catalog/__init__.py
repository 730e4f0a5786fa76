"""Which flows exist now, and which text each of them runs.

Finds the flow files of the watched folder, has each inspected by a callable it is given, keeps the last
good version of every file, and tells changes in batches. May import the journal, config and domain
floors; knows nothing of schedules, runs or the history, and never loads user code.
"""
