"""A batch's way through the books: what each step found, since when, and what it left.

The rules' events are followed in order; for every leaf that is touched the journey keeps its content and the clock at
which it was written, and notes what each table will lay out.
Nothing is decided here: contents come from the events, clocks from the order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from circuits.account_access import ABSENT, Content
from circuits.buses import FORCED_MODE
from circuits.comb_runs import SPARE_KEY
from circuits.group_access import GroupContent
from circuits.journey_entries import (
    CancellationEntry,
    DepositEntry,
    ForcedCancellationEntry,
    ForcedWithdrawalEntry,
    GroupListingEntry,
    GroupSettlementEntry,
    OwedAccess,
    ParameterChangeEntry,
    Place,
    RegistrationEntry,
    SeriesListingEntry,
    SettlementPriceEntry,
    Signed,
    TradeEntry,
    TransferEntry,
    WithdrawalEntry,
)
from rollup.authority import TradingKey
from rollup.events import GroupSettlement, SignatureChecked
from rollup.instruments import Group, group_of
from rollup.margin import Margin
from rollup.orders import Order
from rollup.schnorr import key_elements
from rollup.schnorr_batch import SignedMessage
from rollup.state import Account, OrderSlot, Parameters, State
from rollup.units import WIDTH_BITS, AccountId, GroupId, SlotIndex, fits

AMOUNT_LIMBS = 4


class Identity(NamedTuple):
    """Who an account is: what its identity digest is over."""

    account: int
    owner: int
    key: TradingKey | None


class Edit(NamedTuple):
    """A change of one position; lots 0: none."""

    group: int
    option: int
    lots: int


NO_EDIT = Edit(0, 0, 0)


class Step(NamedTuple):
    """An account's step with a walk over its positions."""

    clock: int
    account: int
    identity: int
    old_time: int
    old_version: int
    before: Account
    after: Account
    uses_nonce: int
    change: tuple[int, int, int, int]
    """Signed limbs of the cash that came in, as the transaction's table sends them."""
    edit: Edit
    mode: int
    margin: Margin
    settlements: tuple[GroupSettlement, ...]


class Credit(NamedTuple):
    """Cash that an account received."""

    clock: int
    old_time: int
    identity: int
    version: int
    before: Account
    amount: tuple[int, int, int, int]


class Fill(NamedTuple):
    """One order's part in a trade."""

    clock: int
    order: Order
    identity: int
    floor: int
    price: int
    lots: int
    fee_rate: int
    is_maker: int
    old_time: int
    before: OrderSlot | None


class PoolPayment(NamedTuple):
    """A group's pool when one account left it."""

    clock: int
    old_time: int
    settlement: GroupSettlement


class GroupReading(NamedTuple):
    """A group as a forced withdrawal found it."""

    clock: int
    stamp: int
    old_time: int
    group: Group


@dataclass
class AccountBook:
    """One touched account."""

    first: Account | None
    account: Account | None
    first_identity: int
    identity: int
    time: int = 0
    version: int = 0


@dataclass
class SlotBook:
    """One touched order slot."""

    first: OrderSlot | None
    slot: OrderSlot | None
    time: int = 0


@dataclass
class GroupBook:
    """One touched group."""

    first: Group | None
    group: Group | None
    time: int = 0


@dataclass
class Journey:
    """Everything that the tables lay out, in the order in which it happened."""

    before: State
    accounts: dict[int, AccountBook] = field(default_factory=dict)
    slots: dict[tuple[int, int], SlotBook] = field(default_factory=dict)
    groups: dict[int, GroupBook] = field(default_factory=dict)
    identities: dict[Identity, int] = field(default_factory=dict)
    """Numbered from one."""
    keys: dict[tuple[int, ...], int] = field(default_factory=lambda: {SPARE_KEY: 0})
    """Numbered from zero, the generator first."""
    owed: int = 0
    owed_time: int = 0
    parameters: Parameters | None = None
    parameters_time: int = 0
    signed: list[SignedMessage] = field(default_factory=list)
    orders: dict[Order, Signed] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    trades: list[TradeEntry] = field(default_factory=list)
    transfers: list[TransferEntry] = field(default_factory=list)
    withdrawals: list[WithdrawalEntry] = field(default_factory=list)
    cancellations: list[CancellationEntry] = field(default_factory=list)
    group_settlements: list[GroupSettlementEntry] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    credits: list[Credit] = field(default_factory=list)
    pools: list[PoolPayment] = field(default_factory=list)
    readings: list[GroupReading] = field(default_factory=list)
    claims: list[tuple[int, int]] = field(default_factory=list)
    """Owner and amount."""
    deposits: list[DepositEntry] = field(default_factory=list)
    registrations: list[RegistrationEntry] = field(default_factory=list)
    forced_cancellations: list[ForcedCancellationEntry] = field(default_factory=list)
    forced_withdrawals: list[ForcedWithdrawalEntry] = field(default_factory=list)
    group_listings: list[GroupListingEntry] = field(default_factory=list)
    series_listings: list[SeriesListingEntry] = field(default_factory=list)
    parameter_changes: list[ParameterChangeEntry] = field(default_factory=list)
    settlement_prices: list[SettlementPriceEntry] = field(default_factory=list)
    records_place: Place = field(default_factory=lambda: Place(0, 0, 0))
    claims_place: Place = field(default_factory=lambda: Place(0, 0, 0))

    # ------------------------------------------------------------------------------------------------- the books

    def book_of(self, account: int) -> AccountBook:
        """An account's book, opened when it is first touched."""
        book = self.accounts.get(account)
        if book is None:
            leaf = self.before.account(account)
            identity = 0 if leaf is None else self.identity_of(leaf)
            book = self.accounts[account] = AccountBook(leaf, leaf, identity, identity)
        return book

    def identity_of(self, account: Account) -> int:
        """The number of an account's identity."""
        identity = Identity(account.account, account.owner, account.key)
        if account.key is not None:
            self.key_number(account.key)
        return self.identities.setdefault(identity, len(self.identities) + 1)

    def key_number(self, key: TradingKey) -> int:
        """The number of a trading key."""
        return self.keys.setdefault(key_elements(key), len(self.keys))

    def slot_book(self, account: AccountId, slot: SlotIndex) -> SlotBook:
        """An order slot's book."""
        book = self.slots.get((account, slot))
        if book is None:
            leaf = self.before.slot(account, slot)
            book = self.slots[account, slot] = SlotBook(leaf, leaf)
        return book

    def group_book(self, group: int) -> GroupBook:
        """A group's book."""
        book = self.groups.get(group)
        if book is None:
            leaf = self.before.group(GroupId(group))
            book = self.groups[group] = GroupBook(leaf, leaf)
        return book

    def access(self, number: int, clock: int, after: Account | None) -> Content:
        """Touch an account without its positions; numbers that no account can have are touched by nobody."""
        if not fits(number, WIDTH_BITS["AccountId"]):
            return ABSENT
        book = self.book_of(number)
        found = book.account
        content = (
            ABSENT._replace(old_time=book.time)
            if found is None
            else Content(
                book.time,
                book.identity,
                found.nonce,
                found.order_floor,
                found.cash,
                book.version,
                len(found.positions),
                found.owner,
            )
        )
        book.time = clock
        if after is not None:
            book.account, book.identity = after, self.identity_of(after)
        return content

    def access_group(self, number: int, clock: int, after: Group | None) -> GroupContent:
        """Touch a group."""
        book = self.group_book(number)
        content = GroupContent(book.time, book.group)
        book.time = clock
        if after is not None:
            book.group = after
        return content

    def access_owed(self, clock: int, change: int) -> OwedAccess:
        """Touch what is owed."""
        found = OwedAccess(self.owed_time, self.owed)
        self.owed_time, self.owed = clock, self.owed + change
        return found

    def step(
        self,
        clock: int,
        after: Account,
        change: tuple[int, ...],
        mode: int,
        margin: Margin,
        *,
        uses_nonce: bool = False,
        edit: Edit = NO_EDIT,
        settlements: tuple[GroupSettlement, ...] = (),
    ) -> Step:
        """Let an account take a step with a walk."""
        book = self.book_of(after.account)
        if book.account is None:
            raise LookupError(f"account {after.account} takes a step before it exists")
        a, b, c, d = change
        step = Step(
            clock,
            after.account,
            book.identity,
            book.time,
            book.version,
            book.account,
            after,
            int(uses_nonce),
            (a, b, c, d),
            edit,
            mode,
            margin,
            settlements,
        )
        self.steps.append(step)
        for position in (*book.account.positions, *after.positions):
            self.group_book(group_of(position.series))
        if book.account.positions or after.positions:
            # A forced step walks twice: first to settle what is fixed, then for the margin of what is left.
            book.version = clock + int(mode == FORCED_MODE and bool(after.positions))
        book.time, book.account = clock, after
        for settlement in settlements:
            group = self.group_book(settlement.group_before.group)
            self.pools.append(PoolPayment(clock, group.time, settlement))
            group.time, group.group = clock + 1, settlement.group_after
        return step

    def credit(self, clock: int, account: AccountId, amount: tuple[int, ...]) -> None:
        """Pay cash into an account."""
        book = self.book_of(account)
        if book.account is None:
            raise LookupError(f"account {account} is credited before it exists")
        a, b, c, d = amount
        self.credits.append(Credit(clock, book.time, book.identity, book.version, book.account, (a, b, c, d)))
        total = sum(limb << 16 * m for m, limb in enumerate(amount))
        book.time, book.account = clock, book.account.with_cash(book.account.cash + total)

    def sign(self, checked: SignatureChecked) -> Signed:
        """Note a signature."""
        book = self.book_of(checked.account)
        self.signed.append(SignedMessage(checked.key, checked.message, checked.signature))
        return Signed(len(self.signed) - 1, book.identity, checked.account)
