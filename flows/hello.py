"""Say hello every ten seconds: the smallest flow with a schedule."""

from tidemill import Flow, every, task


@task
def hello():
    """Print a greeting; whatever a task prints is kept: tidemill logs hello@last."""
    print("Hello from tidemill!")


flow = Flow("hello", tasks=[hello], schedule=every(seconds=10))
