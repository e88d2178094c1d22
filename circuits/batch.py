"""The batch: one row that opens and closes everything.

header      13 words of the data
system      the system leaf before and after: number, queue, time, owed, parameters, deployment
memory      what is owed and the parameters, sent out at clock 0, taken back at the end
cursors     queue items begin behind the header, records behind the items, claims behind the records
roots       the tree's root before and after, which are the statement's
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from circuits import statement
from circuits.buses import (
    CLAIM_CURSOR,
    DATA_WORDS,
    DIGEST_PLACE,
    FINAL_PARAMETERS,
    ITEM_CURSOR,
    NODES,
    OWED,
    PARAMETERS,
    RECORD_CURSOR,
    SIXTEEN_BITS,
    SPONGE,
    STEP_CLOCKS,
    TWO_BYTES,
)
from circuits.claims import WORDS as CLAIM_WORDS
from circuits.gadgets.carries import Carries
from circuits.gadgets.limbs import Limbs
from circuits.hash_ledger import HashLedger
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand
from prover.field.koalabear import PRIME, Montgomery, encode
from prover.hash.poseidon import DIGEST_LENGTH, RATE
from rollup.codec import BatchHeader
from rollup.fields import word_bytes
from rollup.leaf_formats import LeafFormat, system_elements
from rollup.state import SYSTEM_INDEX, TREE_DEPTH, System
from rollup.units import limbs_of

NAME: Final = "batch"
LOG_HEIGHT: Final = 0
"""One row.

Soundness: a second one could open the books twice; the height is part of every key (`circuits.machine`).
"""

HEADER_WORDS: Final = word_bytes(BatchHeader) // 2

OLD: Final = (
    *(f"old number {i}" for i in range(2)),
    *(f"old time {i}" for i in range(3)),
    *(f"old owed {i}" for i in range(4)),
    *(f"old parameters version {i}" for i in range(2)),
    "old maker rate",
    "old taker rate",
    *(f"old treasury {i}" for i in range(2)),
)
NEW: Final = (
    *(f"new owed {i}" for i in range(4)),
    "new maker rate",
    "new taker rate",
    *(f"new treasury {i}" for i in range(2)),
)
CONTROL: Final = (
    "items",
    "records",
    "claims",
    "records' offset",
    "claims' offset",
    "claims of items",
    "owed time",
    "parameters time",
    "old call",
    "new call",
    "count of final parameters",
    "number carry",
    "queue carry",
    *(f"length {i}" for i in range(2)),
)
DIGESTS: Final = (
    *(f"old digest {i}" for i in range(DIGEST_LENGTH)),
    *(f"new digest {i}" for i in range(DIGEST_LENGTH)),
)
_LENGTH_SCALE: Final = 4
"""The upper limb of the data's length times this is looked up too: the length lies below 2^30, far below the prime."""

_CHECKED_PUBLIC: Final = (
    *statement.NUMBER,
    *statement.QUEUE_START,
    *statement.QUEUE_END,
    *statement.TIME,
    *statement.PARAMETERS_VERSION,
)


def constrain(air: AirBuilder) -> None:
    """Bind the statement, the header, the system leaf and the ends of every chain to each other.

    Assumes: the table has one row.
    Guarantees: the queue was served from the statement's start to its end, every record and claim was published in
    order, and the roots are those of the leaves before and after.
    """
    old, new, control, digests = (air.columns(*names) for names in (OLD, NEW, CONTROL, DIGESTS))
    number, time = _public(air, statement.NUMBER), _public(air, statement.TIME)
    queue_start, queue_end = _public(air, statement.QUEUE_START), _public(air, statement.QUEUE_END)
    version = _public(air, statement.PARAMETERS_VERSION)
    items, records, claims, records_offset, claims_offset, item_claims, owed_time, parameters_time, *rest = (
        control
    )
    old_call, new_call, final_count, number_carry, queue_carry, *length = rest
    old_number, old_time, old_owed, old_version = old[:2], old[2:5], old[5:9], old[9:11]
    old_rates, old_treasury = old[11:13], old[13:]
    new_owed, new_rates, new_treasury = new[:4], new[4:6], new[6:]

    air.assert_equal("the data is calldata", air.public("data kind"), statement.DATA_KIND_CALLDATA)
    checked = [air.public(name) for name in _CHECKED_PUBLIC]
    for value in (*checked, items, records, claims, *length, new_treasury[0]):
        air.send(SIXTEEN_BITS, [value])
    # Soundness: memory holds the treasury as one number; limbs that lend to each other, or that are the number's and
    # the prime's sum, would hash to a root of which nobody who rebuilds the state from the data knows the leaf.
    air.send(TWO_BYTES, [new_treasury[1], 0])
    # Soundness: the statement's length is one element, and 32 bits spell it plus the prime too; data with that header
    # would be proved, and nobody could read them.
    air.send(SIXTEEN_BITS, [length[1] * _LENGTH_SCALE])
    air.assert_boolean("the number's limbs carry or not", number_carry)
    _assert_step(air, "the batch number", old_number, 1, number, number_carry)
    air.assert_boolean("the queue's limbs carry or not", queue_carry)
    # Soundness: an item that is skipped or served twice would make these differ.
    _assert_step(air, "the queue position", queue_start, items, queue_end, queue_carry)
    passed = Limbs.constrain(air, "time passed", 3)
    Carries.constrain(
        air,
        "time does not run backwards",
        [now - then - gap for now, then, gap in zip(time, old_time, passed.columns, strict=True)],
    )
    bytes_ = air.public("data length")
    air.assert_equal("the length is the statement's", length[0] + length[1] * (1 << 16), bytes_)
    air.assert_equal("the data ends with its claims", (claims_offset + claims * CLAIM_WORDS) * 2, bytes_)

    _constrain_cursors(air, items, records, claims, records_offset, claims_offset, item_claims)
    _constrain_memory(air, "old", 0, 0, old_owed, old_version, old_rates, old_treasury)
    _constrain_memory(air, "new", owed_time, parameters_time, new_owed, version, new_rates, new_treasury)
    treasury = new_treasury[0] + new_treasury[1] * (1 << 16)
    air.provide(FINAL_PARAMETERS, [*new_rates, treasury], final_count)

    deployment = [*_public(air, statement.CHAIN), *_public(air, statement.CONTRACT)]
    before = [
        *old_number,
        *queue_start,
        *old_time,
        *old_owed,
        *old_version,
        *old_rates,
        *old_treasury,
        *deployment,
    ]
    after = [*number, *queue_end, *time, *new_owed, *version, *new_rates, *new_treasury, *deployment]
    old_digest, new_digest = digests[:DIGEST_LENGTH], digests[DIGEST_LENGTH:]
    _send_leaf(air, old_call, before, old_digest)
    _send_leaf(air, new_call, after, new_digest)
    air.send(NODES, [TREE_DEPTH, SYSTEM_INDEX >> 16, SYSTEM_INDEX & 0xFFFF, *digests])
    roots = [*_public(air, statement.OLD_ROOT), *_public(air, statement.NEW_ROOT)]
    air.receive(NODES, [0, 0, 0, *roots])

    header = [
        air.public("data version"),
        *reversed(length),
        *reversed(number),
        *reversed(time),
        *reversed(queue_start),
        items,
        records,
        claims,
    ]
    for offset, word in enumerate(header):
        air.send(DATA_WORDS, [offset, word])


def _public(air: AirBuilder, names: Sequence[str]) -> list[Expression]:
    return [air.public(name) for name in names]


def _assert_step(
    air: AirBuilder,
    name: str,
    before: Sequence[Expression],
    step: Operand,
    after: Sequence[Expression],
    carry: Expression,
) -> None:
    """State that a number of two limbs grows by a step of at most one limb."""
    air.assert_equal(f"{name} grows, low limb", before[0] + step, after[0] + carry * (1 << 16))
    air.assert_equal(f"{name} grows, high limb", before[1] + carry, after[1])


def _constrain_cursors(
    air: AirBuilder,
    items: Expression,
    records: Expression,
    claims: Expression,
    records_offset: Expression,
    claims_offset: Expression,
    item_claims: Expression,
) -> None:
    """Start and end the three chains; what lies between them is one path, for every part takes one cursor."""
    records_clock = STEP_CLOCKS * (items + 1)
    air.send(ITEM_CURSOR, [STEP_CLOCKS, HEADER_WORDS, 0])
    air.receive(ITEM_CURSOR, [records_clock, records_offset, item_claims])
    air.send(RECORD_CURSOR, [records_clock, records_offset, item_claims])
    air.receive(RECORD_CURSOR, [records_clock + STEP_CLOCKS * records, claims_offset, claims])
    air.send(CLAIM_CURSOR, [0, claims_offset])
    air.receive(CLAIM_CURSOR, [claims, claims_offset + claims * CLAIM_WORDS])


def _constrain_memory(
    air: AirBuilder,
    which: str,
    owed_time: Operand,
    parameters_time: Operand,
    owed: Sequence[Expression],
    version: Sequence[Expression],
    rates: Sequence[Expression],
    treasury: Sequence[Expression],
) -> None:
    """Send out what is owed and the parameters before everything, take them back after it."""
    interact = air.send if which == "old" else air.receive
    interact(OWED, [owed_time, *owed])
    interact(PARAMETERS, [parameters_time, *version, *rates, treasury[0] + treasury[1] * (1 << 16)])


def _send_leaf(
    air: AirBuilder, call: Expression, elements: Sequence[Expression], digest: Sequence[Expression]
) -> None:
    """Hash a system leaf."""
    format_ = LeafFormat.SYSTEM
    for start in range(0, len(elements), RATE):
        block = [*elements[start : start + RATE]]
        tags: list[Operand] = [call, 0, start // RATE, int(format_.kind), len(elements), format_.label]
        air.send(SPONGE, [*tags, *block, *[0] * (RATE - len(block))])
    air.send(SPONGE, [call, 0, DIGEST_PLACE, int(format_.kind), len(elements), format_.label, *digest])


@dataclass(frozen=True, slots=True)
class Row:
    """What the one row is filled from."""

    before: System
    after: System
    items: int
    records: int
    claims: int
    item_claims: int
    records_offset: int
    claims_offset: int
    owed_time: int
    """Clock of the last step that touched what is owed; 0 if none did."""
    parameters_time: int
    length: int


def fill(row: Row, ledger: HashLedger) -> tuple[Montgomery, Montgomery]:
    """The trace, and the system leaf's digests before and after, (16, 1)."""
    before, after = row.before, row.after
    kind, label = LeafFormat.SYSTEM.kind, LeafFormat.SYSTEM.label
    leaves = encode(np.array([system_elements(before), system_elements(after)], np.int64).T)
    calls, digests = ledger.sponge(kind, label, np.zeros(2, np.uint32), leaves)
    old = [
        *limbs_of(before.batch_number, 32),
        *limbs_of(before.time, 48),
        *limbs_of(before.owed, 64),
        *limbs_of(before.parameters.version, 32),
        before.parameters.maker_fee_rate,
        before.parameters.taker_fee_rate,
        *limbs_of(before.parameters.treasury, 32),
    ]
    new = [
        *limbs_of(after.owed, 64),
        after.parameters.maker_fee_rate,
        after.parameters.taker_fee_rate,
        *limbs_of(after.parameters.treasury, 32),
    ]
    control = [
        row.items,
        row.records,
        row.claims,
        row.records_offset,
        row.claims_offset,
        row.item_claims,
        row.owed_time,
        row.parameters_time,
        *calls.tolist(),
        0,
        int((before.batch_number & 0xFFFF) == 0xFFFF),
        int((before.queue_position & 0xFFFF) + row.items > 0xFFFF),
        *limbs_of(row.length, 32),
    ]
    now, then = (limbs_of(system.time, 48) for system in (after, before))
    passed = limbs_of((after.time - before.time) % (1 << 48), 48)
    terms = np.array([[a - b - c] for a, b, c in zip(now, then, passed, strict=True)], np.int64)
    front = encode(np.array([*old, *new, *control], np.int64) % PRIME)[:, None]
    joined = np.concatenate([digests[:, :1], digests[:, 1:]])
    end = encode(np.concatenate([np.array(passed, np.int64)[:, None], Carries.fill(terms)]) % PRIME)
    return np.ascontiguousarray(np.concatenate([front, joined, end])), joined
