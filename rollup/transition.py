"""Applying one transaction, one published record or one queue item: pure functions of the state."""

from __future__ import annotations

from rollup.admission import changes_to
from rollup.authority import SignatureCheck
from rollup.events import ItemIgnored, LeafRead, QueueAdvanced
from rollup.fields import is_in_range
from rollup.outcome import Outcome, QueueItem, Record, RuleBrokenError, Transaction, require
from rollup.rejections import Rejection
from rollup.state import State
from rollup.system import with_item_consumed
from rollup.transactions import TAGS


def apply_transaction(state: State, transaction: Transaction, check: SignatureCheck) -> Outcome | Rejection:
    """Check a transaction and apply it, or say why not; the given state is unchanged either way."""
    try:
        if not is_in_range(transaction):
            return Rejection.FIELD_OUT_OF_RANGE
        record, admitted = transaction.admit(state, check, TAGS[type(transaction)])
        after, event = record.clear(state)
    except RuleBrokenError as broken:
        return broken.rejection
    return Outcome(after, (*admitted, event), record)


def apply_record(state: State, record: Record) -> Outcome | Rejection:
    """Repeat the effect of a published record, whose authority a proof vouches for."""
    try:
        after, event = record.clear(state)
    except RuleBrokenError as broken:
        return broken.rejection
    return Outcome(after, (event,), record)


def apply_l1_item(state: State, item: QueueItem, check: SignatureCheck) -> Outcome:
    """Consume a queue item, whatever it says.

    Soundness: were any item refused, whoever queued it could stop the queue, and with it every exit behind it.
    An item that breaks a rule has no effect but its place in the queue, with the reason in the event; money that came
    with it becomes a claim.
    """
    if not is_in_range(item):
        raise ValueError("a queue item's fields fit their words; nothing else can come out of the queue")
    system = with_item_consumed(state.system)
    advanced = state.with_leaves(system)
    step = QueueAdvanced(changes_to(state, system))
    try:
        key = item.new_key()
        require(key is None or check.accepts_key(key), Rejection.KEY_REFUSED)
        after, event = item.clear(advanced)
    except RuleBrokenError as broken:
        seen = tuple(LeafRead(place, advanced.leaves.get(place)) for place in item.places(advanced))
        return Outcome(advanced, (step, ItemIgnored((), broken.rejection, seen, item.refund())), item)
    return Outcome(after, (step, event), item)
