"""What is true of every state, and of every step: checked by tests, audits and a node that has just restarted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from rollup.fields import is_in_range
from rollup.instruments import Group, SeriesId, group_of, has_whole_terms, strike_of
from rollup.leaf_formats import POOL_OFFSET
from rollup.margin import group_payoff, margin_of
from rollup.state import NO_ACCOUNT, Account, OrderSlot, Position, State, System, index_of_leaf
from rollup.units import MAX_POSITIONS, MAX_SERIES, VAULT_CAP, WIDTH_BITS, Time, fits


def broken_invariants(state: State) -> list[str]:
    """Name everything that is wrong with a state; an empty list is a sound state."""
    return [
        *_money(state),
        *_lots_and_pools(state),
        *(fault for account in state.accounts() for fault in _account(state, account)),
        *(fault for group in state.groups() for fault in _group(group, state.system.time)),
        *_slots(state),
    ]


def _money(state: State) -> Iterator[str]:
    """Money over the whole clearing house, and who is paid fees."""
    held = sum(account.cash for account in state.accounts()) + sum(group.pool for group in state.groups())
    if held != state.system.owed:
        yield f"cash and pools are {held}, but deposits less withdrawals are {state.system.owed}"
    if not 0 <= state.system.owed <= VAULT_CAP:
        yield f"the clearing house owes {state.system.owed}, outside the vault's bounds"
    parameters = state.system.parameters
    has_fees = parameters.maker_fee_rate > 0 or parameters.taker_fee_rate > 0
    if state.account(parameters.treasury) is None and (has_fees or parameters.treasury != NO_ACCOUNT):
        yield f"fees go to account {parameters.treasury}, which there is not"
    if not is_in_range(state.system):
        yield "the system leaf has a number that does not fit"


def _lots_and_pools(state: State) -> Iterator[str]:
    """Every contract has two sides until its group is fixed; from then on the pool owes what is not settled yet."""
    groups = list(state.groups())
    lots: dict[SeriesId, int] = defaultdict(int)
    open_payoff: dict[int, int] = defaultdict(int)
    fixed = {group.group: group for group in groups if group.settlement_price is not None}
    for account in state.accounts():
        for series, amount in account.positions:
            lots[series] += amount
            group = fixed.get(group_of(series))
            if group is not None and group.settlement_price is not None:
                held_here = (Position(series, amount),)
                open_payoff[group.group] += group_payoff(held_here, group.settlement_price, group.tick_value)
    for series, total in lots.items():
        if total != 0 and group_of(series) not in fixed:
            yield f"lots of series {series} sum to {total}"
    for group in groups:
        if group.pool != open_payoff[group.group]:
            yield f"the pool of group {group.group} is {group.pool}, its open payoffs {open_payoff[group.group]}"


def _account(state: State, account: Account) -> Iterator[str]:
    """One account."""
    name = f"account {account.account}"
    series = [position.series for position in account.positions]
    if not 0 < account.account < 1 << WIDTH_BITS["AccountId"]:
        yield f"{name} has an id that no account may have"
    if not fits(account.owner, WIDTH_BITS["Address"]) or (
        account.key is not None and not is_in_range(account.key)
    ):
        yield f"{name} has an owner or a key that does not fit"
    if series != sorted(set(series)):
        yield f"{name} has positions out of order"
    if len(series) > MAX_POSITIONS:
        yield f"{name} has {len(series)} positions"
    if not all(lots != 0 and fits(abs(lots), WIDTH_BITS["Lots"]) for _, lots in account.positions):
        yield f"{name} has a position of no lots or too many"
    if account.cash < 0 or not fits(account.cash, WIDTH_BITS["Amount"]):
        yield f"{name} has {account.cash} in cash"
    if not fits(account.nonce, WIDTH_BITS["Nonce"]) or not fits(
        account.order_floor, WIDTH_BITS["OrderNumber"]
    ):
        yield f"{name} has a nonce or floor that does not fit"
    unlisted = [held for held in series if not _is_listed(state, held)]
    if unlisted:
        yield f"{name} holds series that are not listed: {unlisted}"
    elif account.cash < margin_of(account.positions, state.group).requirement:
        yield f"{name} does not meet its margin"


def _is_listed(state: State, series: SeriesId) -> bool:
    """Say whether a series' group lists it."""
    group = state.group(group_of(series))
    return group is not None and group.lists(series)


def _group(group: Group, now: Time) -> Iterator[str]:
    """One group."""
    name = f"group {group.group}"
    if not all(fits(value, bits) for value, bits in _group_widths(group)):
        yield f"{name} has a number that does not fit"
    if not has_whole_terms(group.cap, group.tick_micro_dollars, group.lot_micro_units, group.tick_value):
        yield f"{name} has terms that do not come out whole"
    if len(group.series) > MAX_SERIES or len(set(group.series)) != len(group.series):
        yield f"{name} lists too many series, or one twice"
    # Soundness: the margin walk visits the strikes between zero and the cap and no others.
    misplaced = [
        series
        for series in group.series
        if group_of(series) != group.group or not 0 < strike_of(series) < group.cap
    ]
    if misplaced:
        yield f"{name} lists series that are not its own or lie outside its cap: {misplaced}"
    if group.settlement_price is not None and now < group.expiry:
        yield f"{name} is fixed before it expires"
    if group.settlement_price is None and group.pool != 0:
        yield f"{name} has a pool before its price is fixed"
    if group.settlement_price is not None and not 0 <= group.settlement_price <= group.cap:
        yield f"{name} is fixed at {group.settlement_price}, outside zero and its cap"


def _group_widths(group: Group) -> tuple[tuple[int, int], ...]:
    """The numbers of a group that have no other bound, with their widths; a pool fits four limbs with its sign."""
    return (
        (group.group, WIDTH_BITS["GroupId"]),
        (group.underlying, WIDTH_BITS["UnderlyingId"]),
        (group.expiry, WIDTH_BITS["Time"]),
        (group.cap, WIDTH_BITS["Ticks"]),
        (group.tick_micro_dollars, WIDTH_BITS["RawDoubleWord"]),
        (group.lot_micro_units, WIDTH_BITS["RawDoubleWord"]),
        (group.pool + POOL_OFFSET, 64),
    )


def _slots(state: State) -> Iterator[str]:
    """Order slots and the places of all leaves."""
    for index, leaf in state.all_leaves().items():
        if index != index_of_leaf(leaf):
            yield f"the leaf at {index} belongs at {index_of_leaf(leaf)}"
        if isinstance(leaf, OrderSlot):
            if state.account(leaf.account) is None:
                yield f"slot {leaf.slot} of account {leaf.account} has no account"
            # A slot beyond its width would lie in the next account's place.
            if not fits(leaf.slot, WIDTH_BITS["SlotIndex"]) or not fits(
                leaf.number, WIDTH_BITS["OrderNumber"]
            ):
                yield f"slot {leaf.slot} of account {leaf.account} or its order number does not fit"
            if not (leaf.filled > 0 and fits(leaf.filled, WIDTH_BITS["Lots"])):
                yield f"slot {leaf.slot} of account {leaf.account} has {leaf.filled} lots filled"


def broken_step(before: State, after: State) -> list[str]:
    """Name everything that one step may not do, whatever the two states are."""
    faults: list[str] = []
    old, new = before.all_leaves(), after.all_leaves()
    for index, was in old.items():
        now = new.get(index)
        if now is None:
            faults.append(f"the leaf at {index} is gone")
        elif isinstance(was, Account) and isinstance(now, Account):
            if now.nonce < was.nonce or now.order_floor < was.order_floor:
                faults.append(f"a nonce or floor of account {was.account} fell")
            if now.owner != was.owner:
                faults.append(f"account {was.account} changed its owner")
        elif isinstance(was, OrderSlot) and isinstance(now, OrderSlot):
            if (now.number, now.filled) < (was.number, was.filled):
                faults.append(f"slot {was.slot} of account {was.account} went back")
        elif isinstance(was, Group) and isinstance(now, Group):
            faults.extend(_broken_group_step(was, now))
    faults.extend(_broken_system_step(before.system, after.system))
    return faults


def _broken_system_step(was: System, now: System) -> Iterator[str]:
    """What may not happen to the system leaf."""
    if now.time < was.time or now.queue_position < was.queue_position:
        yield "time or queue ran backwards"
    if now.batch_number < was.batch_number:
        yield "the batch number fell"
    if now.deployment != was.deployment:
        yield "the clearing house became another one"
    if now.parameters.version < was.parameters.version or (
        now.parameters.version == was.parameters.version and now.parameters != was.parameters
    ):
        yield "the parameters changed without a new version"


def _terms(group: Group) -> tuple[int, ...]:
    """What a group is listed with and keeps."""
    return (
        group.underlying,
        group.expiry,
        group.cap,
        group.tick_micro_dollars,
        group.lot_micro_units,
        group.tick_value,
    )


def _broken_group_step(was: Group, now: Group) -> Iterator[str]:
    """What may not happen to a group."""
    if _terms(now) != _terms(was):
        yield f"the terms of group {was.group} changed"
    if now.series[: len(was.series)] != was.series:
        yield f"a series of group {was.group} changed its place"
    if was.settlement_price is not None and now.settlement_price != was.settlement_price:
        yield f"the settlement price of group {was.group} changed"
