"""What the engine raises inside user code to end it.

They are no Exceptions: a task's own ``except Exception`` must not make it immortal.
"""


class Interrupt(BaseException):
    """The engine asks the code that runs to come to its end."""


class Cancelled(Interrupt):
    """Raised in a task or a flow whose run was cancelled; catch it to clean up, then let it go on."""

    def __str__(self) -> str:
        return "the run was cancelled"


class DeadlinePassed(Interrupt):
    """Raised in a task or a flow that has used up its time-out."""

    def __str__(self) -> str:
        return "the run took longer than its time-out"
