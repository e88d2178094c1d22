"""Rows of the tables that open and close leaves: accounts with identities and lists, order slots; from a journey."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from circuits import accounts, identities, position_lists, slots
from circuits.account_access import OWNER_LIMBS
from circuits.hash_ledger import HashLedger
from circuits.journey import AccountBook, Journey
from circuits.queue_item import words_of_limbs
from prover.curve.septic import POINT_ELEMENTS
from prover.field.koalabear import Montgomery
from prover.hash.poseidon import DIGEST_LENGTH
from rollup.instruments import group_of, option_of
from rollup.schnorr import key_elements
from rollup.state import Account, OrderSlot, Position, account_index, slot_index
from rollup.units import AccountId, SlotIndex

Numbers = NDArray[np.int64]
TouchedLeaves = tuple[Numbers, Montgomery, Montgomery]
"""Places of leaves with their digests (8, n) before and after."""


def _numbers(values: Sequence[int]) -> Numbers:
    return np.array(values, np.int64)


def counts(journey: Journey) -> dict[str, int]:
    """How many rows each of the tables needs."""
    lists = [held for book in journey.accounts.values() for held in _lists_of(book)]
    return {
        accounts.NAME: len(journey.accounts),
        identities.NAME: len(journey.identities),
        slots.NAME: len(journey.slots),
        position_lists.NAME: sum(max(1, -(-len(held) // position_lists.POSITIONS_A_ROW)) for held in lists),
    }


def _lists_of(book: AccountBook) -> list[tuple[Position, ...]]:
    """The account's list before and after, where there is an account."""
    return [one.positions for one in (book.first, book.account) if one is not None]


def fill_identities(journey: Journey, ledger: HashLedger, log_height: int) -> tuple[Montgomery, Montgomery]:
    """The trace, and the identities' digests (8, n) in the order of their numbers."""
    found = list(journey.identities)
    spelled = [(0,) * POINT_ELEMENTS if one.key is None else key_elements(one.key) for one in found]
    rows = identities.Rows(
        accounts=_numbers([one.account for one in found]),
        owners=words_of_limbs(OWNER_LIMBS, [one.owner for one in found]),
        suites=_numbers([0 if one.key is None else one.key.suite for one in found]),
        keys=np.array(spelled, np.int64).reshape(len(found), POINT_ELEMENTS).T,
        key_numbers=_numbers([0 if one.key is None else journey.key_number(one.key) for one in found]),
    )
    return identities.fill(rows, ledger, log_height)


def fill_accounts(
    journey: Journey, identity_digests: Montgomery, ledger: HashLedger, log_heights: dict[str, int]
) -> tuple[dict[str, Montgomery], TouchedLeaves]:
    """The traces of accounts and their lists, and the touched leaves."""
    touched = sorted(journey.accounts.items())
    books = [book for _, book in touched]
    trace, digests = _fill_lists(touched, ledger, log_heights[position_lists.NAME])
    versions = []
    for which in (0, 1):
        found = [book.account if which else book.first for book in books]
        numbers = [book.identity if which else book.first_identity for book in books]
        versions.append(_leaves(found, numbers, identity_digests, digests[which]))
    rows = accounts.Rows(
        accounts=_numbers([account for account, _ in touched]),
        old=versions[0],
        new=versions[1],
        times=_numbers([book.time for book in books]),
        versions=_numbers([book.version for book in books]),
    )
    account_trace, old, new = accounts.fill(rows, ledger, log_heights[accounts.NAME])
    places = _numbers([account_index(AccountId(account)) for account, _ in touched])
    return {position_lists.NAME: trace, accounts.NAME: account_trace}, (places, old, new)


def _leaves(
    found: Sequence[Account | None], numbers: Sequence[int], identity_digests: Montgomery, lists: Montgomery
) -> accounts.Leaves:
    """One version of all touched accounts."""
    chosen = _numbers(numbers)
    exists = chosen != 0
    of_identities = np.zeros((DIGEST_LENGTH, len(found)), np.uint32)
    of_identities[:, exists] = identity_digests[:, chosen[exists] - 1]
    return accounts.Leaves(
        identities=chosen,
        nonces=_numbers([one.nonce if one else 0 for one in found]),
        floors=_numbers([one.order_floor if one else 0 for one in found]),
        cash=_numbers([one.cash if one else 0 for one in found]),
        counts=_numbers([len(one.positions) if one else 0 for one in found]),
        identity_digests=of_identities,
        positions_digests=lists,
    )


def _fill_lists(
    touched: Sequence[tuple[int, AccountBook]], ledger: HashLedger, log_height: int
) -> tuple[Montgomery, tuple[Montgomery, Montgomery]]:
    """The trace of position lists, and the digests before and after, (8, accounts), zeros without an account."""
    keys: list[tuple[int, int, int]] = []
    owners: list[int] = []
    lengths: list[int] = []
    held: list[Position] = []
    for place, (account, book) in enumerate(touched):
        for is_closing, leaf in ((0, book.first), (1, book.account)):
            if leaf is not None:
                keys.append((account, book.version if is_closing else 0, is_closing))
                owners.append(place)
                lengths.append(len(leaf.positions))
                held.extend(leaf.positions)
    accounts_of, versions, closing = np.array(keys, np.int64).reshape(len(keys), 3).T
    rows = position_lists.Rows(
        accounts=accounts_of,
        versions=versions,
        is_closing=closing,
        counts=_numbers(lengths),
        groups=_numbers([group_of(position.series) for position in held]),
        options=_numbers([option_of(position.series) for position in held]),
        lots=_numbers([position.lots for position in held]),
    )
    trace, digests = position_lists.fill(rows, ledger, log_height)
    placed = np.zeros((2, DIGEST_LENGTH, len(touched)), np.uint32)
    places = _numbers(owners)
    for which in (0, 1):
        chosen = closing == which
        placed[which][:, places[chosen]] = digests[:, chosen]
    return trace, (placed[0], placed[1])


def fill_slots(journey: Journey, ledger: HashLedger, log_height: int) -> tuple[Montgomery, TouchedLeaves]:
    """The trace of order slots, and the touched leaves."""
    touched = sorted(journey.slots.items())
    rows = slots.Rows(
        accounts=_numbers([account for (account, _), _ in touched]),
        slots=_numbers([slot for (_, slot), _ in touched]),
        old=_slot_leaves([book.first for _, book in touched]),
        new=_slot_leaves([book.slot for _, book in touched]),
        times=_numbers([book.time for _, book in touched]),
    )
    trace, old, new = slots.fill(rows, ledger, log_height)
    places = [slot_index(AccountId(account), SlotIndex(slot)) for (account, slot), _ in touched]
    return trace, (_numbers(places), old, new)


def _slot_leaves(found: Sequence[OrderSlot | None]) -> slots.Leaves:
    return slots.Leaves(
        exists=_numbers([int(one is not None) for one in found]),
        numbers=_numbers([one.number if one else 0 for one in found]),
        filled=_numbers([one.filled if one else 0 for one in found]),
    )
