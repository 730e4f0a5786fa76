"""What a run tells its journal."""

from tidemill import Flow, task
from tidemill.authoring.context import RunContext
from tidemill.engine.flow_run import carry_out, prepare
from tidemill.engine.run import Run
from tidemill.storage.history import HistoryResult


class Told(list):
    write = list.append


class Places(HistoryResult):
    """Notes what it is told of places."""

    told = Told()

    def write(self, value, place):
        self.told.write(place)
        return super().write(value, place)


def test_events_results_and_places_have_all_their_fields_however_they_are_made(tmp_path):
    @task
    def fine():
        return {"n": 1}

    @task(retries=1, depends_on=[fine])
    def fails():
        raise ValueError("no")

    flow, told, keeper = Flow("f", tasks=[fails]), Told(), Places(tmp_path)
    run = Run(RunContext("abc", "f", {}), told, keeper, max_workers=1)
    carry_out(prepare(flow, {}), run)
    run.close()

    (kept,) = [event.result for event in told if getattr(event, "result", None) is not None]
    records = [*told, *keeper.told, kept]
    assert {type(record).__name__ for record in records} == {
        "TaskStarted", "TaskEnded", "TaskRetrying", "ResultInfo", "ResultPlace",
    }  # fmt: skip
    for record in records:
        assert len(record) == len(type(record)._fields), record
        assert type(record)(*record) == record
