"""Rows of the tables of published transactions, and of the signatures behind them, from a journey."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuits import (
    cancellations,
    comb_runs,
    fills,
    group_settlements,
    key_multiples,
    keys,
    orders,
    signature,
    trades,
    transfers,
    withdrawals,
)
from circuits.account_access import OWNER_LIMBS
from circuits.hash_ledger import HashLedger
from circuits.journey import Journey
from circuits.journey_entries import Place, Signed
from circuits.queue_item import words_of_limbs
from circuits.signed_messages import KEY_END_ELEMENTS
from prover.curve.septic import POINT_ELEMENTS
from prover.field.koalabear import Montgomery, decode, encode
from prover.hash.domain import HashKind
from rollup.events import TradeSide
from rollup.instruments import option_of
from rollup.schnorr import CHALLENGE_ELEMENTS, RESPONSE_LIMBS, key_elements
from rollup.units import limbs_of

Numbers = NDArray[np.int64]


def _numbers(values: Sequence[int]) -> Numbers:
    return np.array(values, np.int64)


@dataclass(frozen=True, slots=True)
class Signatures:
    """All signatures of a batch: their calls and keys, in the journey's order, and their table."""

    calls: Numbers
    key_numbers: Numbers
    key_ends: Montgomery
    """(4, n)"""
    rows: signature.SignatureRows
    runs: comb_runs.CombRuns

    def of(self, signed: Sequence[Signed]) -> dict[str, Any]:
        """Some of them, under the names that all signed tables' rows have."""
        chosen = _numbers([one.signature for one in signed])
        return {
            "calls": self.calls[chosen],
            "key_numbers": self.key_numbers[chosen],
            "key_ends": np.ascontiguousarray(self.key_ends[:, chosen]),
            "identities": _numbers([one.identity for one in signed]),
        }


def key_columns(journey: Journey) -> Montgomery:
    """Every trading key, by its number: (14, keys)."""
    return np.ascontiguousarray(encode(np.array(list(journey.keys), np.int64)).T)


def _signers(journey: Journey) -> Numbers:
    """The number of every signature's key."""
    return _numbers([journey.keys[key_elements(one.key)] for one in journey.signed])


def lay_out_signatures(journey: Journey, ledger: HashLedger, *, threads: int) -> Signatures:
    """Hash the challenges, messages of one length together, and run the combs."""
    count = len(journey.signed)
    numbers = _signers(journey)
    all_keys = key_columns(journey)
    of_keys = np.ascontiguousarray(all_keys[:, numbers])
    calls, lengths = np.zeros(count, np.int64), np.zeros(count, np.int64)
    digests = np.zeros((8, count), np.uint32)
    by_length: dict[int, list[int]] = defaultdict(list)
    for position, one in enumerate(journey.signed):
        by_length[len(one.message)].append(position)
    for positions in by_length.values():
        chosen = _numbers(positions)
        some = [journey.signed[position] for position in positions]
        spelled = [one.signature.commitment_x + one.signature.commitment_y for one in some]
        commitments = encode(np.array(spelled, np.int64)).T
        messages = encode(np.array([one.message for one in some], np.int64)).T
        elements = np.ascontiguousarray(np.concatenate([commitments, of_keys[:, chosen], messages]))
        owners = numbers[chosen].astype(np.uint32)
        calls[chosen], digests[:, chosen] = ledger.sponge(
            HashKind.SIGNATURE_CHALLENGE, signature.NO_LABEL, owners, elements
        )
        lengths[chosen] = len(elements)
    challenges = decode(digests[:CHALLENGE_ELEMENTS])
    responses = np.array(
        [limbs_of(one.signature.response, 16 * RESPONSE_LIMBS) for one in journey.signed], np.uint32
    )
    responses = np.ascontiguousarray(responses.reshape(count, RESPONSE_LIMBS).T)
    runs = comb_runs.run(all_keys, numbers, responses, challenges, threads=threads)
    rows = signature.SignatureRows(
        numbers.astype(np.uint32),
        of_keys,
        challenges,
        digests,
        runs.combs,
        calls.astype(np.uint32),
        lengths,
    )
    return Signatures(calls, numbers, of_keys[POINT_ELEMENTS - KEY_END_ELEMENTS :], rows, runs)


def counts(journey: Journey) -> dict[str, int]:
    """How many rows each of the tables needs."""
    signers = comb_runs.signing_keys(_signers(journey))
    return {
        signature.NAME: len(journey.signed) * signature.BLOCK,
        key_multiples.NAME: len(signers) * key_multiples.BLOCK,
        keys.NAME: len(journey.keys),
        orders.NAME: len(journey.orders),
        fills.NAME: len(journey.fills),
        trades.NAME: len(journey.trades),
        transfers.NAME: len(journey.transfers),
        withdrawals.NAME: len(journey.withdrawals),
        cancellations.NAME: len(journey.cancellations),
        group_settlements.NAME: len(journey.group_settlements),
    }


def fill(
    journey: Journey, signatures: Signatures, now: int, log_heights: dict[str, int]
) -> dict[str, Montgomery]:
    """The traces of the signatures and of the five record tables with their orders and fills."""
    runs = signatures.runs
    rows: dict[str, Montgomery] = {
        keys.NAME: keys.fill(key_columns(journey), log_heights[keys.NAME]),
        key_multiples.NAME: key_multiples.fill(
            runs.tables, runs.key_numbers, log_heights[key_multiples.NAME]
        ),
        signature.NAME: signature.fill(signatures.rows, runs.spare, log_heights[signature.NAME]),
        orders.NAME: orders.fill(_order_rows(journey, signatures), now, log_heights[orders.NAME]),
        fills.NAME: fills.fill(_fill_rows(journey), log_heights[fills.NAME]),
        trades.NAME: trades.fill(_trade_rows(journey), log_heights[trades.NAME]),
    }
    return rows | _fill_signed(journey, signatures, log_heights)


def _order_rows(journey: Journey, signatures: Signatures) -> orders.Rows:
    found = list(journey.orders)
    columns: dict[str, Any] = {
        name: _numbers([int(getattr(one, name)) for one in found]) for name in orders.ORDER_FIELDS
    }
    return orders.Rows(**signatures.of(list(journey.orders.values())), **columns)


def _fill_rows(journey: Journey) -> fills.Rows:
    found = journey.fills
    order = [one.order for one in found]
    before = [one.before for one in found]
    return fills.Rows(
        clock=_numbers([one.clock for one in found]),
        side=_numbers([int(one.side) for one in order]),
        account=_numbers([one.account for one in order]),
        slot=_numbers([one.slot for one in order]),
        number=_numbers([one.number for one in order]),
        group=_numbers([one.group for one in order]),
        option=_numbers([option_of(one.series) for one in order]),
        price=_numbers([one.price for one in found]),
        lots=_numbers([one.lots for one in found]),
        fee_rate=_numbers([one.fee_rate for one in found]),
        is_maker=_numbers([one.is_maker for one in found]),
        identity=_numbers([one.identity for one in found]),
        floor=_numbers([one.floor for one in found]),
        kind=_numbers([int(one.kind) for one in order]),
        limit_price=_numbers([one.limit_price for one in order]),
        order_lots=_numbers([one.lots for one in order]),
        max_fee_rate=_numbers([one.max_fee_rate for one in order]),
        old_time=_numbers([one.old_time for one in found]),
        old_number=_numbers([one.number if one else 0 for one in before]),
        old_filled=_numbers([one.filled if one else 0 for one in before]),
    )


def _trade_rows(journey: Journey) -> trades.Rows:
    found = [entry.traded for entry in journey.trades]
    return trades.Rows(
        **_placed([entry.place for entry in journey.trades]),
        buyer_is_maker=_numbers([int(one.buyer_is_maker) for one in found]),
        index=_numbers([one.index for one in found]),
        group=_numbers([one.group.group for one in found]),
        option=_numbers([option_of(one.series) for one in found]),
        cap_value=_numbers([one.group.cap * one.group.tick_value for one in found]),
        maker_rate=_numbers([entry.parameters.maker_fee_rate for entry in journey.trades]),
        treasury=_numbers([entry.parameters.treasury for entry in journey.trades]),
        price=_numbers([one.price for one in found]),
        lots=_numbers([one.lots for one in found]),
        premium=_numbers([one.premium for one in found]),
        buyer=_party_rows([one.buyer for one in found], [entry.buyer for entry in journey.trades]),
        seller=_party_rows([one.seller for one in found], [entry.seller for entry in journey.trades]),
    )


def _placed(places: Sequence[Place]) -> dict[str, Any]:
    """Where records stand, under the names that all their rows have."""
    return {
        "clock": _numbers([place.clock for place in places]),
        "offset": _numbers([place.offset for place in places]),
        "claims": _numbers([place.claims for place in places]),
    }


def _party_rows(sides: Sequence[TradeSide], signed: Sequence[Signed]) -> trades.PartyRows:
    return trades.PartyRows(
        account=_numbers([side.account_before.account for side in sides]),
        slot=_numbers([side.slot_after.slot for side in sides]),
        number=_numbers([side.slot_after.number for side in sides]),
        identity=_numbers([one.identity for one in signed]),
        floor=_numbers([side.account_before.order_floor for side in sides]),
        nonce=_numbers([side.account_before.nonce for side in sides]),
        rate=_numbers([side.fee.rate for side in sides]),
        fee=_numbers([side.fee.amount for side in sides]),
        excess=_numbers([side.fee.excess for side in sides]),
    )


def _fill_signed(
    journey: Journey, signatures: Signatures, log_heights: dict[str, int]
) -> dict[str, Montgomery]:
    """Transfers, withdrawals, cancellations and settlements."""
    of_transfers, of_withdrawals = journey.transfers, journey.withdrawals
    of_floors, of_groups = journey.cancellations, journey.group_settlements
    transfer_rows = transfers.Rows(
        **_placed([one.place for one in of_transfers]),
        **signatures.of([one.signed for one in of_transfers]),
        sender=_numbers([one.transfer.sender for one in of_transfers]),
        receiver=_numbers([one.transfer.receiver for one in of_transfers]),
        amount=_numbers([one.transfer.amount for one in of_transfers]),
        nonce=_numbers([one.transfer.nonce for one in of_transfers]),
        floor=_numbers([one.before.order_floor for one in of_transfers]),
    )
    withdrawal_rows = withdrawals.Rows(
        **_placed([one.place for one in of_withdrawals]),
        **signatures.of([one.signed for one in of_withdrawals]),
        account=_numbers([one.withdrawal.account for one in of_withdrawals]),
        amount=_numbers([one.withdrawal.amount for one in of_withdrawals]),
        nonce=_numbers([one.withdrawal.nonce for one in of_withdrawals]),
        floor=_numbers([one.before.order_floor for one in of_withdrawals]),
        owner=words_of_limbs(OWNER_LIMBS, [one.before.owner for one in of_withdrawals]),
        old_time=_numbers([one.owed.old_time for one in of_withdrawals]),
        owed_before=_numbers([one.owed.owed for one in of_withdrawals]),
    )
    floor_rows = cancellations.Rows(
        **_placed([one.place for one in of_floors]),
        **signatures.of([one.signed for one in of_floors]),
        account=_numbers([one.cancellation.account for one in of_floors]),
        order_floor=_numbers([one.cancellation.order_floor for one in of_floors]),
        nonce=_numbers([one.cancellation.nonce for one in of_floors]),
        old_time=_numbers([one.content.old_time for one in of_floors]),
        old_floor=_numbers([one.content.floor for one in of_floors]),
        cash=_numbers([one.content.cash for one in of_floors]),
        version=_numbers([one.content.version for one in of_floors]),
        position_count=_numbers([one.content.held for one in of_floors]),
    )
    group_rows = group_settlements.Rows(
        **_placed([one.place for one in of_groups]),
        account=_numbers([one.settlement.account for one in of_groups]),
        group=_numbers([one.settlement.group for one in of_groups]),
        identity=_numbers([one.identity for one in of_groups]),
        nonce=_numbers([one.before.nonce for one in of_groups]),
        floor=_numbers([one.before.order_floor for one in of_groups]),
    )
    return {
        transfers.NAME: transfers.fill(transfer_rows, log_heights[transfers.NAME]),
        withdrawals.NAME: withdrawals.fill(withdrawal_rows, log_heights[withdrawals.NAME]),
        cancellations.NAME: cancellations.fill(floor_rows, log_heights[cancellations.NAME]),
        group_settlements.NAME: group_settlements.fill(group_rows, log_heights[group_settlements.NAME]),
    }
