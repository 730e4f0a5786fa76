"""Keep a task's result as a file: LocalResult writes it to a folder beside this flow file."""

from tidemill import task
from tidemill.engine.results import LocalResult


@task(result_handler=LocalResult(dir="out/local_result"))
def squares():
    """Return what is worth keeping; tidemill show local_result@last tells where it lies."""
    return {number: number**2 for number in range(10)}


@task(depends_on=[squares])
def largest(squares):
    """Use it: the next task gets the value itself, not the file."""
    print(f"the largest of {len(squares)} squares is {max(squares.values())}")
