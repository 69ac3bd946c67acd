"""The states in which a run ends, beside Completed and Failed: people and notifications tell runs apart by them."""

from typing import Any

from prefect import State
from prefect.states import Failed

# Kinds of Completed, in this order: something was left undone, the batch may show no digits, the gate refused the model, a
# batch is still being copied.
INCOMPLETE = "Incomplete"
SUSPECT = "Suspect"
REFUSED = "Refused"
WAITING = "Waiting"
# A kind of Failed, as Prefect calls it.
TIMED_OUT = "TimedOut"


def failure(message: str, *failed: State[Any]) -> State[None]:
    """End a run as failed, under the name ``TimedOut`` if one of its tasks took too long."""
    if any(state.name == TIMED_OUT for state in failed):
        return Failed(name=TIMED_OUT, message=message)
    return Failed(message=message)
