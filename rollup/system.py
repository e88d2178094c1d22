"""Steps of the system leaf."""

from __future__ import annotations

from rollup.state import System
from rollup.units import Amount, BatchNumber, QueuePosition, Time


def with_owed(system: System, owed: int) -> System:
    """The system leaf after money came in or was promised out."""
    return System(
        system.deployment,
        system.batch_number,
        system.queue_position,
        system.time,
        Amount(owed),
        system.parameters,
    )


def with_batch_opened(system: System, time: Time) -> System:
    """The system leaf at the start of the next batch."""
    return System(
        system.deployment,
        BatchNumber(system.batch_number + 1),
        system.queue_position,
        time,
        system.owed,
        system.parameters,
    )


def with_item_consumed(system: System) -> System:
    """The system leaf one queue item later."""
    return System(
        system.deployment,
        system.batch_number,
        QueuePosition(system.queue_position + 1),
        system.time,
        system.owed,
        system.parameters,
    )
