"""One task, bound to several names: write it once, use it as often as needed."""

from tidemill import Flow, cron, task


@task
def greet(name, greeting="Hello"):
    """Greet someone."""
    print(f"{greeting}, {name}!")


greet_alice = greet.bind(name="Alice")
greet_bob = greet.bind(name="Bob", greeting="Good morning")

flow = Flow("bound_greeting", tasks=[greet_alice, greet_bob], schedule=cron("0 8 * * 1-5"))
