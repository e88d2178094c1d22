"""Queue items: what the rules say of them, effect or none, is what their tables can show, and nothing else."""

from __future__ import annotations

from collections import Counter

import pytest

from circuits import deposits, forced_withdrawals, registrations, settlement_prices
from prover.air.inspect import Findings, inspect
from prover.field.koalabear import Montgomery, encode
from rollup.events import ItemIgnored
from rollup.rejections import Rejection
from tests.circuits.queue import TABLES, Served, both


def _inspected(served: Served, name: str, trace: Montgomery) -> Findings:
    return inspect([TABLES[name]], {name: trace}, served.publics, is_montgomery=True)


def _said(found: Findings) -> Counter[tuple[str, tuple[int, ...], int]]:
    """Everything that the table tells others."""
    return Counter(
        (message.bus, message.message, message.sent - message.received) for message in found.messages
    )


def test_every_reason_of_the_queue_is_among_the_items() -> None:
    seen = {
        event.reason
        for served in both()
        for step in served.outcome.items
        for event in step.events
        if isinstance(event, ItemIgnored)
    }
    assert seen == {
        Rejection.ACCOUNT_UNKNOWN,
        Rejection.AMOUNT_IS_ZERO,
        Rejection.AMOUNT_TOO_LARGE,
        Rejection.FIELD_OUT_OF_RANGE,
        Rejection.FLOOR_NOT_RAISED,
        Rejection.GROUP_ALREADY_FIXED,
        Rejection.GROUP_ALREADY_LISTED,
        Rejection.GROUP_EXPIRED,
        Rejection.GROUP_NOT_EXPIRED,
        Rejection.GROUP_TERMS_INVALID,
        Rejection.GROUP_UNKNOWN,
        Rejection.KEY_REFUSED,
        Rejection.NOT_OWNER,
        Rejection.NOTHING_TO_WITHDRAW,
        Rejection.SERIES_ALREADY_LISTED,
        Rejection.STRIKE_OUTSIDE_CAP,
        Rejection.TREASURY_MISSING,
    }


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("which", [0, 1])
def test_what_the_rules_did_breaks_nothing(name: str, which: int) -> None:
    served = both()[which]
    assert _inspected(served, name, served.traces[name]).constraints == ()


@pytest.mark.parametrize("name", TABLES)
def test_no_cell_of_a_live_row_is_free(name: str) -> None:
    """A cell changed alone breaks a constraint or says something else to another table."""
    served = both()[1 if name == settlement_prices.NAME else 0]
    honest, seven = served.traces[name], encode([7])[0]
    said = _said(_inspected(served, name, honest))
    free = []
    for column, column_name in enumerate(TABLES[name].main_names):
        trace = honest.copy()
        trace[column, 0] = 0 if trace[column, 0] == seven else seven
        found = _inspected(served, name, trace)
        if not found.constraints and _said(found) == said:
            free.append(column_name)
    assert [column for column in free if not _is_spare(column)] == []


def _is_spare(column: str) -> bool:
    """Columns that mean nothing on rows that do not use them: an inverse of zero, a weight of no difference."""
    return any(
        word in column for word in ("inverse", "weight", "stored owner", "place of the same", "key number")
    )


def test_an_item_cannot_be_called_without_effect() -> None:
    """The sequencer drops a deposit, an exit, a key and a price that should take effect."""
    first, second = both()
    for served, name, flag in (
        (first, deposits.NAME, "has room"),
        (first, forced_withdrawals.NAME, "is owned"),
        (first, registrations.NAME, "is set"),
        (second, settlement_prices.NAME, "is taken"),
    ):
        names = TABLES[name].main_names
        trace = served.traces[name].copy()
        column = next(i for i, column in enumerate(names) if column.endswith(flag) or flag in column)
        trace[column, 0] = 0
        assert _inspected(served, name, trace).constraints


def test_a_key_cannot_be_refused_for_a_reason_that_is_not_so() -> None:
    served = both()[0]
    names = TABLES[registrations.NAME].main_names
    for reason in registrations.REASONS:
        trace = served.traces[registrations.NAME].copy()
        trace[names.index("is set"), 0] = 0
        trace[names.index(f"because {reason}"), 0] = encode([1])[0]
        assert _inspected(served, registrations.NAME, trace).constraints
