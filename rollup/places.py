"""Places of leaves that a queue item names, where the number names one at all."""

from __future__ import annotations

from rollup.state import LeafIndex, account_index
from rollup.units import WIDTH_BITS, AccountId, fits


def account_places(account: int) -> tuple[LeafIndex, ...]:
    """The account's place, or none for a number that no account can have."""
    return (account_index(AccountId(account)),) if fits(account, WIDTH_BITS["AccountId"]) else ()
