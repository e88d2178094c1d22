"""RegisterKey: an owner sets the trading key of an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from prover.field.koalabear import PRIME
from rollup.admission import changes_to, owned_account
from rollup.authority import Authority, Coordinate, TradingKey
from rollup.events import Event, KeyRegistered
from rollup.outcome import QueueItem, require
from rollup.places import account_places
from rollup.rejections import Rejection
from rollup.state import Account, LeafIndex, State
from rollup.units import Address, FieldElement, OrderNumber, RawDoubleWord, SuiteId

RawCoordinate = tuple[
    RawDoubleWord,
    RawDoubleWord,
    RawDoubleWord,
    RawDoubleWord,
    RawDoubleWord,
    RawDoubleWord,
    RawDoubleWord,
]


@dataclass(frozen=True, slots=True)
class RegisterKey(QueueItem):
    """Replace the account's trading key and raise its floor of order numbers.

    The floor is the owner's choice: above every number the old key has signed.
    Should the old key ever be registered again, its orders stay dead.
    A floor that is not higher leaves the old one and does not stop the key: a stolen key that has pushed the floor to
    its end must not be able to keep its place.
    """

    account: RawDoubleWord
    owner: Address
    order_floor: OrderNumber
    suite: SuiteId
    x: RawCoordinate
    y: RawCoordinate

    authority: ClassVar[Authority] = Authority.OWNER
    rule: ClassVar[str] = (
        "sets the trading key, if its suite accepts it, and raises the floor of order numbers"
    )

    def places(self, state: State) -> tuple[LeafIndex, ...]:
        """The account."""
        del state
        return account_places(self.account)

    def new_key(self) -> TradingKey:
        """Read the key, whose elements must be canonical."""
        require(all(element < PRIME for element in self.x + self.y), Rejection.FIELD_OUT_OF_RANGE)
        return TradingKey(self.suite, _canonical(self.x), _canonical(self.y))

    def clear(self, state: State) -> tuple[State, Event]:
        """Set the key."""
        # Admission.
        account = owned_account(state, self.account, self.owner)
        # Effects.
        after = Account(
            account.account,
            account.owner,
            self.new_key(),
            account.nonce,
            max(account.order_floor, self.order_floor),
            account.cash,
            account.positions,
        )
        return state.with_leaves(after), KeyRegistered(changes_to(state, after))


def _canonical(coordinate: RawCoordinate) -> Coordinate:
    """Read checked words as elements."""
    a, b, c, d, e, f, g = (FieldElement(element) for element in coordinate)
    return (a, b, c, d, e, f, g)
