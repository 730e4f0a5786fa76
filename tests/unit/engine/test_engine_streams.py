"""Generators as flows and tasks: what they return, and what becomes of one that nobody takes to its end."""

from tidemill import flow, task


@task
def counted(n):
    yield from range(n)
    return f"{n} in all"


@flow
def counting(n):
    said = yield from counted(n)
    yield said
    return said


def consumed(stream):
    """Return what a stream yields, and what it returns."""
    values = []
    while True:
        try:
            values.append(next(stream))
        except StopIteration as end:
            return values, end.value


def test_what_a_generator_returns_is_what_it_returns():
    @flow
    def outer():
        return consumed(counted(2)), consumed(counting(1)), counted.submit(3).result()

    assert consumed(counted(2)) == ([0, 1], "2 in all")
    assert consumed(counting(1)) == ([0, "1 in all"], "1 in all")
    assert outer() == (([0, 1], "2 in all"), ([0, "1 in all"], "1 in all"), [0, 1, 2])


def test_a_stream_that_is_left_is_no_failure_of_its_flow():
    @flow
    def outer():
        for number in counted(10):
            if number == 2:
                break
        return number

    run = outer.run()

    assert (run.state, run.value, run.tasks["counted"].state) == ("completed", 2, "cancelled")
