"""Following a batch's events through the books, item by item and record by record."""

from __future__ import annotations

from circuits.buses import (
    ACCOUNT_STEP,
    BUY_FILL_STEP,
    CREDIT_STEP,
    FORCED_MODE,
    MARGIN_MODE,
    OTHER_ACCOUNT_STEP,
    OWED_STEP,
    READING_STEP,
    SELL_FILL_STEP,
    SETTLE_GROUP_MODE,
    STEP_CLOCKS,
)
from circuits.journey import AMOUNT_LIMBS, Edit, Fill, GroupReading, Journey
from circuits.journey_entries import (
    CancellationEntry,
    DepositEntry,
    ForcedCancellationEntry,
    ForcedWithdrawalEntry,
    GroupListingEntry,
    GroupSettlementEntry,
    ParameterChangeEntry,
    Place,
    Queued,
    RegistrationEntry,
    SeriesListingEntry,
    SettlementPriceEntry,
    Signed,
    TradeEntry,
    TransferEntry,
    WithdrawalEntry,
)
from circuits.queue_item import HEAD_WORDS
from rollup.batch import Batch, BatchOutcome
from rollup.codec import BatchHeader, QueuedItem
from rollup.events import (
    Event,
    ForciblyWithdrawn,
    GroupSettled,
    ItemIgnored,
    KeyRegistered,
    OrdersMatched,
    SignatureChecked,
    Traded,
    TradeSide,
    Transferred,
    Withdrawn,
)
from rollup.fields import packed_bytes, word_bytes
from rollup.instruments import Group, option_of, series_id
from rollup.margin import Margin, margin_of, positions_by_group
from rollup.orders import Order
from rollup.outcome import Outcome, Transaction
from rollup.state import Account, Leaf, LeafIndex, OrderSlot, State, System, account_index, group_index
from rollup.transactions import (
    CancelOrders,
    Deposit,
    ForcedCancelOrders,
    ForcedWithdrawal,
    ListGroup,
    ListSeries,
    RegisterKey,
    SetParameters,
    SettleGroup,
    SettlementPrice,
    Trade,
    Transfer,
    Withdrawal,
)
from rollup.units import WIDTH_BITS, AccountId, GroupId, OptionKind, Ticks, fits, limbs_of

_NO_MARGIN = Margin(0, ())


def follow(before: State, batch: Batch, outcome: BatchOutcome) -> Journey:
    """Follow a whole batch."""
    system = before.system
    journey = Journey(before, owed=system.owed, parameters=system.parameters)
    place = Place(STEP_CLOCKS, word_bytes(BatchHeader) // 2, 0)
    for queued, served in zip(batch.items, outcome.items, strict=True):
        _follow_item(journey, place, queued, served)
        place = _next(place, HEAD_WORDS + word_bytes(type(queued.item)) // 2, len(journey.claims))
    journey.records_place = place
    for transaction, applied in zip(batch.transactions, outcome.transactions, strict=True):
        _follow_record(journey, place, transaction, applied)
        place = _next(place, packed_bytes(type(applied.record)) // 2, len(journey.claims))
    journey.claims_place = place
    return journey


def _next(place: Place, words: int, claims: int) -> Place:
    return Place(place.clock + STEP_CLOCKS, place.offset + words, claims)


def _limbs(amount: int, sign: int = 1) -> tuple[int, ...]:
    return tuple(sign * limb for limb in limbs_of(amount, 16 * AMOUNT_LIMBS))


def _after(event: Event, index: LeafIndex) -> Leaf | None:
    """What an event left at a place, None where it left nothing."""
    for change in event.changes:
        if change.index == index:
            return change.after
    return None


# ---------------------------------------------------------------------------------------------------- queue items


def _follow_item(journey: Journey, place: Place, queued: QueuedItem, outcome: Outcome) -> None:
    event = outcome.events[-1]
    item = queued.item
    clock = place.clock + ACCOUNT_STEP
    stands = Queued(place, queued.time)
    match item:
        case Deposit():
            after = _account_after(event, item.account)
            credited = 0 if isinstance(event, ItemIgnored) else item.amount
            owed = journey.access_owed(place.clock + OWED_STEP, credited)
            content = journey.access(item.account, clock, after)
            identity = content.identity if after is None else journey.identity_of(after)
            journey.deposits.append(DepositEntry(stands, item, content, identity, owed))
        case RegisterKey():
            after = _account_after(event, item.account)
            content = journey.access(item.account, clock, after)
            identity = content.identity if after is None else journey.identity_of(after)
            key = after.key if isinstance(event, KeyRegistered) and after is not None else None
            number = 0 if key is None else journey.key_number(key)
            journey.registrations.append(
                RegistrationEntry(stands, item, content, key is not None, identity, number)
            )
        case ForcedCancelOrders():
            content = journey.access(item.account, clock, _account_after(event, item.account))
            journey.forced_cancellations.append(ForcedCancellationEntry(stands, item, content))
        case ForcedWithdrawal():
            _follow_forced_withdrawal(journey, stands, item, event)
        case ListGroup():
            found = journey.access_group(item.group, clock, _group_after(event, item.group))
            journey.group_listings.append(GroupListingEntry(stands, item, found))
        case ListSeries():
            found = journey.access_group(item.group, clock, _group_after(event, item.group))
            same_place = _place_in_list(item, found.group)
            journey.series_listings.append(SeriesListingEntry(stands, item, found, same_place))
        case SetParameters():
            _follow_parameter_change(journey, stands, item, event)
        case SettlementPrice():
            found = journey.access_group(item.group, clock, _group_after(event, item.group))
            journey.settlement_prices.append(SettlementPriceEntry(stands, item, found))
        case _:
            raise TypeError(f"no table lays out a queue item of type {type(item).__name__}")
    journey.claims.extend((claim.owner, claim.amount) for claim in event.claims)


def _place_in_list(item: ListSeries, group: Group | None) -> int:
    """Where the series stands in its group's list already; -1 for a new one, or one that cannot be."""
    if group is None or not fits(item.strike, WIDTH_BITS["Ticks"]) or item.option >= len(OptionKind):
        return -1
    index = group.index_of(series_id(item.group, Ticks(item.strike), OptionKind(item.option)))
    return -1 if index is None else index


def _follow_parameter_change(journey: Journey, queued: Queued, item: SetParameters, event: Event) -> None:
    """The change finds the parameters that were in force, since when, and leaves its own if it has effect."""
    clock, before = queued.place.clock, journey.parameters
    assert before is not None
    content = journey.access(item.treasury, clock + ACCOUNT_STEP, None)
    journey.parameter_changes.append(
        ParameterChangeEntry(queued, item, content, before, journey.parameters_time)
    )
    journey.parameters_time = clock + OWED_STEP
    for leaf in event.changes:
        if isinstance(leaf.after, System):
            journey.parameters = leaf.after.parameters


def _account_after(event: Event, number: int) -> Account | None:
    if not fits(number, WIDTH_BITS["AccountId"]):
        return None
    found = _after(event, account_index(AccountId(number)))
    return found if isinstance(found, Account) else None


def _group_after(event: Event, number: GroupId) -> Group | None:
    found = _after(event, group_index(number))
    return found if isinstance(found, Group) else None


def _follow_forced_withdrawal(journey: Journey, queued: Queued, item: ForcedWithdrawal, event: Event) -> None:
    """An owner's withdrawal takes its step even where there is nothing to pay."""
    place = queued.place
    content = journey.access(item.account, place.clock + READING_STEP, None)
    is_owned = content.identity != 0 and content.owner == item.owner
    free = event.claim.amount if isinstance(event, ForciblyWithdrawn) else 0
    owed = journey.access_owed(place.clock + OWED_STEP, -free)
    journey.forced_withdrawals.append(ForcedWithdrawalEntry(queued, item, content, free, owed))
    if not is_owned:
        return
    before = journey.book_of(item.account).account
    assert before is not None
    clock = place.clock + ACCOUNT_STEP
    groups: dict[int, Group] = {}
    for group_id, _ in positions_by_group(before.positions):
        book = journey.group_book(group_id)
        assert book.group is not None
        groups[group_id] = book.group
        journey.readings.append(GroupReading(place.clock + READING_STEP, clock, book.time, book.group))
        book.time = place.clock + READING_STEP
    if isinstance(event, ForciblyWithdrawn):
        after = _account_after(event, item.account)
        assert after is not None
        settlements, margin = event.settlements, event.margin
    else:
        after, settlements, margin = before, (), margin_of(before.positions, groups.get)
    change = _limbs(free, -1)
    journey.step(clock, after, change, FORCED_MODE, margin, settlements=settlements)


# -------------------------------------------------------------------------------------------------------- records


def _follow_record(journey: Journey, place: Place, transaction: Transaction, outcome: Outcome) -> None:
    *admitted, event = outcome.events
    checked = [one for one in admitted if isinstance(one, SignatureChecked)]
    clock = place.clock + ACCOUNT_STEP
    match transaction:
        case Trade():
            assert isinstance(event, Traded)
            (matched,) = (one for one in admitted if isinstance(one, OrdersMatched))
            _follow_trade(journey, place, event, matched, checked)
        case Transfer():
            assert isinstance(event, Transferred)
            signed = journey.sign(checked[0])
            before = journey.book_of(transaction.sender).account
            after = _account_after(event, transaction.sender)
            assert before is not None and after is not None
            journey.transfers.append(TransferEntry(place, transaction, signed, before))
            paid = _limbs(transaction.amount, -1)
            journey.step(clock, after, paid, MARGIN_MODE, event.sender_margin, uses_nonce=True)
            journey.credit(place.clock + CREDIT_STEP, transaction.receiver, _limbs(transaction.amount))
        case Withdrawal():
            assert isinstance(event, Withdrawn)
            signed = journey.sign(checked[0])
            before = journey.book_of(transaction.account).account
            after = _account_after(event, transaction.account)
            assert before is not None and after is not None
            owed = journey.access_owed(place.clock + OWED_STEP, -transaction.amount)
            journey.withdrawals.append(WithdrawalEntry(place, transaction, signed, before, owed))
            paid = _limbs(transaction.amount, -1)
            journey.step(clock, after, paid, MARGIN_MODE, event.margin, uses_nonce=True)
        case CancelOrders():
            signed = journey.sign(checked[0])
            content = journey.access(transaction.account, clock, _account_after(event, transaction.account))
            journey.cancellations.append(CancellationEntry(place, transaction, signed, content))
        case SettleGroup():
            assert isinstance(event, GroupSettled)
            book = journey.book_of(transaction.account)
            after = _account_after(event, transaction.account)
            assert book.account is not None and after is not None
            journey.group_settlements.append(
                GroupSettlementEntry(place, transaction, book.identity, book.account)
            )
            journey.step(
                clock,
                after,
                _limbs(0),
                SETTLE_GROUP_MODE,
                _NO_MARGIN,
                edit=Edit(transaction.group, 0, 0),
                settlements=(event.settlement,),
            )
        case _:
            raise TypeError(f"no table lays out a transaction of type {type(transaction).__name__}")
    journey.claims.extend((claim.owner, claim.amount) for claim in event.claims)


def _follow_trade(
    journey: Journey, place: Place, traded: Traded, matched: OrdersMatched, checked: list[SignatureChecked]
) -> None:
    buyer = _signed_order(journey, matched.buy, checked[0])
    seller = _signed_order(journey, matched.sell, checked[1])
    assert journey.parameters is not None
    journey.trades.append(TradeEntry(place, traded, buyer, seller, journey.parameters))
    paid = _limbs(traded.premium)
    option = option_of(traded.series)
    sides = (
        (traded.buyer, matched.buy, buyer, BUY_FILL_STEP, traded.buyer_is_maker),
        (traded.seller, matched.sell, seller, SELL_FILL_STEP, not traded.buyer_is_maker),
    )
    for side, order, who, step, is_maker in sides:
        _fill(journey, place.clock + step, traded, side, order, who, is_maker=is_maker)
    group = traded.group.group
    for side, sign, step in ((traded.buyer, -1, ACCOUNT_STEP), (traded.seller, 1, OTHER_ACCOUNT_STEP)):
        fee = _limbs(side.fee.amount)
        change = tuple(sign * a - b for a, b in zip(paid, fee, strict=True))
        edit = Edit(group, option, -sign * traded.lots)
        journey.step(place.clock + step, side.account_after, change, MARGIN_MODE, side.margin, edit=edit)
    if traded.treasury_before is not None:
        fees = tuple(
            a + b
            for a, b in zip(_limbs(traded.buyer.fee.amount), _limbs(traded.seller.fee.amount), strict=True)
        )
        journey.credit(place.clock + CREDIT_STEP, traded.treasury_before.account, fees)


def _signed_order(journey: Journey, order: Order, checked: SignatureChecked) -> Signed:
    """An order's signature, checked once however often the order is filled."""
    signed = journey.orders.get(order)
    if signed is None:
        signed = journey.orders[order] = journey.sign(checked)
    return signed


def _fill(
    journey: Journey,
    clock: int,
    traded: Traded,
    side: TradeSide,
    order: Order,
    signed: Signed,
    *,
    is_maker: bool,
) -> None:
    book = journey.slot_book(order.account, order.slot)
    before: OrderSlot | None = book.slot
    journey.fills.append(
        Fill(
            clock,
            order,
            signed.identity,
            side.account_before.order_floor,
            traded.price,
            traded.lots,
            side.fee.rate,
            int(is_maker),
            book.time,
            before,
        )
    )
    book.time, book.slot = clock, side.slot_after
