"""What happened, in frozen values: the only bridge from the rules to the circuits.

Every event lists the leaves it wrote, in order, before and after.
What a table needs beyond that (a fee's excess, a margin walk, each leg's payoff) stands in the event too, so a circuit
lays numbers out and decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from rollup.authority import Signature, TradingKey
from rollup.instruments import Group, SeriesId
from rollup.margin import Margin
from rollup.orders import Order
from rollup.rejections import Rejection
from rollup.state import Account, Leaf, LeafIndex, OrderSlot, System
from rollup.units import AccountId, Address, Amount, FillLots, Price, RatePerMillion, SeriesIndex


@dataclass(frozen=True, slots=True)
class LeafChange:
    """One leaf written; `before` is None where the place was empty."""

    index: LeafIndex
    before: Leaf | None
    after: Leaf


@dataclass(frozen=True, slots=True)
class LeafRead:
    """One leaf looked at without effect."""

    index: LeafIndex
    leaf: Leaf | None


@dataclass(frozen=True, slots=True)
class Claim:
    """Money the vault owes to an address once the batch is proved."""

    owner: Address
    amount: Amount


@dataclass(frozen=True, slots=True)
class Event:
    """What every event says."""

    changes: tuple[LeafChange, ...]

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Claims that this event makes."""
        return ()


@dataclass(frozen=True, slots=True)
class BatchOpened(Event):
    """A batch began: its number and time stand in the system leaf."""


@dataclass(frozen=True, slots=True)
class QueueAdvanced(Event):
    """One queue item was consumed, whatever comes of it."""


@dataclass(frozen=True, slots=True)
class SignatureChecked(Event):
    """A signature over these message elements verified under this account's key."""

    account: AccountId
    key: TradingKey
    message: tuple[int, ...]
    signature: Signature


@dataclass(frozen=True, slots=True)
class OrdersMatched(Event):
    """Two orders may trade with one another."""

    buy: Order
    sell: Order
    system: System


@dataclass(frozen=True, slots=True)
class Fee:
    """A fee rounded up: premium * rate + excess = amount * one million, excess below one million."""

    rate: RatePerMillion
    amount: Amount
    excess: int


@dataclass(frozen=True, slots=True)
class TradeSide:
    """One party of a trade."""

    account_before: Account
    account_after: Account
    slot_after: OrderSlot
    fee: Fee
    margin: Margin


@dataclass(frozen=True, slots=True)
class Traded(Event):
    """Two accounts traded; the treasury's change comes last."""

    group: Group
    series: SeriesId
    index: SeriesIndex
    price: Price
    lots: FillLots
    buyer_is_maker: bool
    premium: Amount
    buyer: TradeSide
    seller: TradeSide
    treasury_before: Account | None
    treasury_after: Account | None


@dataclass(frozen=True, slots=True)
class Transferred(Event):
    """Cash moved between two accounts."""

    amount: Amount
    sender_margin: Margin


@dataclass(frozen=True, slots=True)
class Withdrawn(Event):
    """An account asked for cash and becomes a claimant."""

    claim: Claim
    margin: Margin

    @property
    def claims(self) -> tuple[Claim, ...]:
        """The one claim."""
        return (self.claim,)


@dataclass(frozen=True, slots=True)
class OrdersCancelled(Event):
    """An account raised its floor of order numbers."""


@dataclass(frozen=True, slots=True)
class SettlementLeg:
    """One position closed at the settlement price."""

    series: SeriesId
    lots: int
    payoff_per_lot: Amount


@dataclass(frozen=True, slots=True)
class GroupSettlement:
    """One account leaves one fixed group."""

    group_before: Group
    group_after: Group
    legs: tuple[SettlementLeg, ...]
    payoff: int


@dataclass(frozen=True, slots=True)
class GroupSettled(Event):
    """An account's positions in a fixed group were closed."""

    settlement: GroupSettlement


@dataclass(frozen=True, slots=True)
class Deposited(Event):
    """Cash was credited; the account is new where its change has no before."""

    amount: Amount


@dataclass(frozen=True, slots=True)
class KeyRegistered(Event):
    """An owner set the trading key of an account."""


@dataclass(frozen=True, slots=True)
class ForciblyWithdrawn(Event):
    """An owner left through the queue with everything that was free."""

    settlements: tuple[GroupSettlement, ...]
    claim: Claim
    margin: Margin

    @property
    def claims(self) -> tuple[Claim, ...]:
        """The claim, unless nothing was free."""
        return (self.claim,) if self.claim.amount else ()


@dataclass(frozen=True, slots=True)
class GroupListed(Event):
    """The governor listed a group."""


@dataclass(frozen=True, slots=True)
class SeriesListed(Event):
    """The governor added a series to a group."""


@dataclass(frozen=True, slots=True)
class ParametersSet(Event):
    """The governor changed the parameters."""


@dataclass(frozen=True, slots=True)
class PriceFixed(Event):
    """A group's settlement price was fixed; `posted` is the oracles' price before it was clamped."""

    posted: int


@dataclass(frozen=True, slots=True)
class ItemIgnored(Event):
    """A queue item had no effect; a deposit that could not be credited is claimed back."""

    reason: Rejection
    seen: tuple[LeafRead, ...]
    refund: Claim | None

    @property
    def claims(self) -> tuple[Claim, ...]:
        """The refund, if money came with the item."""
        return () if self.refund is None else (self.refund,)
