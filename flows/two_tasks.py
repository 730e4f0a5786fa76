"""Two tasks, one after the other: a file of plain tasks is a flow, named after the file.

It has no schedule, so it runs when asked: tidemill run two_tasks --wait
"""

from tidemill import task


@task
def extract():
    """Return some numbers; the result is kept in the history: tidemill result two_tasks@last extract."""
    return [1, 2, 3]


@task(depends_on=[extract])
def total(extract):
    """Add them up: a parameter that bears a task's name takes that task's result."""
    return sum(extract)
