"""What a flow function sees of tasks and flows that skip themselves."""

from tidemill import Skip, flow, task
from tidemill.states import StateType


@task
def skips():
    raise Skip("nothing new")


@task
def takes(x, y=0):
    return x


def test_a_skipped_task_gives_none_and_its_state_says_why():
    @flow
    def etl():
        return skips(), skips.submit().result(), skips(return_state=True).type

    assert etl() == (None, None, StateType.SKIPPED)


def test_what_takes_the_future_of_a_skipped_task_is_skipped_too():
    @flow
    def etl():
        below = takes.submit(skips.submit())
        return below.state.type if below.wait() is None else None

    assert etl() is StateType.SKIPPED


def test_a_skipped_task_that_nobody_looked_at_fails_no_flow():
    @flow
    def etl():
        skips.submit()
        return 1

    assert etl() == 1


def test_a_flow_may_skip_itself():
    @flow
    def weekly(day):
        if day == "sunday":
            raise Skip("no work on sundays")
        return day

    @flow
    def outer():
        return weekly("sunday"), weekly("monday")

    assert (weekly("sunday"), weekly("monday")) == (None, "monday")
    assert outer() == (None, "monday")
    assert weekly("sunday", return_state=True).type is StateType.SKIPPED
    run = weekly.run(day="sunday")
    assert (str(run.state), run.error.line) == ("skipped", "Skip: no work on sundays")
