"""A clearing house whose transactions are laid out in tables, good ones and bad ones alike.

The rules say whether a transaction is good; the tables are filled as if it were.
What the tables leave over on their buses is compared with what the other tables would say, computed here from the state
and the transaction and not from the tables.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, fields
from types import ModuleType
from typing import Any

import numpy as np

from circuits import (
    cancellations,
    fills,
    group_settlements,
    orders,
    statement,
    trades,
    transfers,
    withdrawals,
)
from circuits.buses import (
    ACCOUNT_STEPS,
    ACCOUNTS,
    CLAIMS,
    CREDITS,
    DATA_WORDS,
    FINAL_PARAMETERS,
    FOURTEEN_BITS,
    GROUP_TERMS,
    IDENTITY_KEYS,
    IDENTITY_OWNERS,
    KEY_ENDS,
    OWED,
    RECORD_CURSOR,
    SERIES_PLACES,
    SIXTEEN_BITS,
    SLOTS,
    SPONGE,
    TWO_BYTES,
    WIRES,
)
from prover.air.bus import Bus
from prover.field.koalabear import PRIME, Montgomery, encode
from prover.hash.domain import HashKind
from rollup.admission import message_of
from rollup.codec import encode_record
from rollup.orders import Order
from rollup.outcome import Outcome, Record
from rollup.rejections import Rejection
from rollup.state import Account, OrderSlot
from rollup.transactions import (
    TAGS,
    CancelOrders,
    CancelOrdersRecord,
    SettleGroup,
    SettleGroupRecord,
    Trade,
    TradeRecord,
    Transfer,
    TransferRecord,
    Withdrawal,
    WithdrawalRecord,
)
from rollup.units import MICRO, limbs_of
from tests.circuits.loose_ends import broken, inspected, loose_ends, table_of
from tests.rollup.workbench import DEPLOYMENT, FORGED, House, make

MODULES: dict[str, ModuleType] = {
    module.NAME: module
    for module in (orders, fills, trades, transfers, withdrawals, cancellations, group_settlements)
}
TABLES = {name: table_of(name, module.constrain, statement.PUBLIC_NAMES) for name, module in MODULES.items()}

RANGES = {SIXTEEN_BITS: 1 << 16, TWO_BYTES: 1 << 8, FOURTEEN_BITS: 1 << 14}
BUSES = {wire.bus.name: wire.bus for wire in WIRES}
FIRST_CLOCK, FIRST_WORD = 48, 100
Message = tuple[int, ...]


def key_end(account: int) -> list[int]:
    """The last four elements of an account's key; any will do, the curve is not here."""
    generator = random.Random(f"key {account}")
    return [generator.randrange(PRIME) for _ in range(4)]


def identity_of(account: int) -> int:
    return 1000 + account


def key_number_of(account: int) -> int:
    return 5000 + account


@dataclass
class TradingFloor:
    """The bench: a house, the rows of all tables, and what is left for the other tables to say."""

    house: House
    clock: int = FIRST_CLOCK
    offset: int = FIRST_WORD
    claims: int = 0
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in MODULES})
    asked: dict[Bus, Counter[Message]] = field(default_factory=dict)
    """Messages that other tables take (negative: send) exactly so often."""
    call: int = 70
    """The last signature's sponge call."""
    slots: dict[tuple[int, int], tuple[int, int, int]] = field(default_factory=dict)
    owed: tuple[int, int] | None = None
    accounts: dict[int, tuple[int, int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ask(RECORD_CURSOR, self.clock, self.offset, 0, times=-1)

    # What the other tables say.

    def ask(self, bus: Bus, *message: int, times: int = 1) -> None:
        self.asked.setdefault(bus, Counter())[tuple(value % PRIME for value in message)] += times

    def sign(self, account: int, tag: int, signed: object, message: Message | None = None) -> dict[str, Any]:
        """The signature's columns, and the message's blocks in its call."""
        if message is None:
            message = make(message_of, DEPLOYMENT, 1, account, tag, signed)
        self.call += 1
        elements = [*key_end(account), *message]
        length, elements = 24 + len(elements), [*elements, *[0] * (-len(elements) % 8)]
        kind = int(HashKind.SIGNATURE_CHALLENGE)
        for start in range(0, len(elements), 8):
            tags = [self.call, key_number_of(account), 3 + start // 8, kind, length, 0]
            self.ask(SPONGE, *tags, *elements[start : start + 8])
        return {
            "calls": self.call,
            "key_numbers": key_number_of(account),
            "key_ends": encode(np.array(key_end(account))),
            "identities": identity_of(account),
        }

    def publish(self, record: Record, claims: int = 0) -> dict[str, Any]:
        """The record's turn; its words are the codec's."""
        words = np.frombuffer(encode_record(record), dtype=">u2").tolist()
        turn = {"clock": self.clock, "offset": self.offset, "claims": self.claims}
        for place, word in enumerate(words):
            self.ask(DATA_WORDS, self.offset + place, word)
        self.clock, self.offset, self.claims = self.clock + 16, self.offset + len(words), self.claims + claims
        return turn

    def step(
        self,
        clock: int,
        account: int,
        change: list[int],
        *edit: int,
        uses_nonce: int = 0,
        mode: int = 0,
    ) -> None:
        """What the holder of an account takes; nobody takes the step of one that does not exist."""
        found = self.house.state.account(account)
        if found is not None:
            nonce, floor = limbs_of(found.nonce, 32), limbs_of(found.order_floor, 32)
            identity = identity_of(account)
            self.ask(
                ACCOUNT_STEPS, clock, account, identity, *nonce, uses_nonce, *floor, *change, *edit, mode
            )

    def credit(self, clock: int, account: int, amount: list[int]) -> None:
        if self.house.state.account(account) is not None:
            self.ask(CREDITS, clock, account, *amount)

    def found(self, account: int) -> Account:
        """The account, or one whose numbers are all zero."""
        nobody = make(Account, account, 0, None, 0, 0, 0, ())
        return self.house.state.account(account) or nobody

    # Transactions.

    def trade(self, trade: Trade, **claimed: int) -> Outcome | Rejection:
        """Lay a trade out, with whatever else the sequencer may claim of it."""
        state = self.house.state
        buy, sell = trade.buy.order, trade.sell.order
        maker, taker = (buy, sell) if trade.buyer_is_maker else (sell, buy)
        price = claimed.get("price", maker.limit_price)
        group = state.group(buy.group)
        found = group.index_of(buy.series) if group is not None else None
        index = claimed.get("index", 0 if found is None else int(found))
        record = make(
            TradeRecord,
            *(trade.buyer_is_maker, index, buy.group),
            *(buy.account, buy.slot, buy.number, sell.account, sell.slot, sell.number),
            *(price, trade.lots),
        )
        turn = self.publish(record)
        clock, paid = turn["clock"], price * trade.lots
        parameters = state.system.parameters
        rates = {id(maker): parameters.maker_fee_rate, id(taker): parameters.taker_fee_rate}
        option = buy.strike * 2 + buy.option
        for signed in (trade.buy, trade.sell):
            self.add_order(signed.order, is_forged=signed.signature == FORGED)
        sides, fees = {}, []
        for side, order in enumerate((buy, sell)):
            rate = rates[id(order)]
            fee = -(-paid * rate // MICRO)
            fees.append(limbs_of(fee, 64))
            account, lots = self.found(order.account), trade.lots * (1 - 2 * side)
            sign = -1 if side == 0 else 1
            change = [sign * a - b for a, b in zip(limbs_of(paid, 64), fees[-1], strict=True)]
            self.step(clock + 3 + side, order.account, change, buy.group, option, lots)
            sides[("buyer", "seller")[side]] = {
                "account": order.account,
                "slot": order.slot,
                "number": order.number,
                "identity": identity_of(order.account),
                "floor": account.order_floor,
                "nonce": account.nonce,
                "rate": rate,
                "fee": fee,
                "excess": fee * MICRO - paid * rate,
            }
            said = {"side": side, "group": buy.group, "option": option, "price": price, "lots": trade.lots}
            self._fill(order, clock + 1 + side, said | {"fee_rate": rate, "is_maker": int(order is maker)})
        if parameters.treasury:
            self.credit(clock + 5, parameters.treasury, [a + b for a, b in zip(*fees, strict=True)])
        self.rows["trades"].append(
            {
                **turn,
                "buyer_is_maker": int(trade.buyer_is_maker),
                "index": index,
                "group": buy.group,
                "option": option,
                "cap_value": 0 if group is None else group.cap * group.tick_value,
                "maker_rate": parameters.maker_fee_rate,
                "treasury": parameters.treasury,
                "price": price,
                "lots": trade.lots,
                "premium": paid,
                **sides,
            }
        )
        return self.house.attempt(trade)

    def add_order(self, order: Order, *, is_forged: bool = False) -> None:
        """An order's row, once; nothing of a forged signature reaches the sponge."""
        row = {part.name: int(getattr(order, part.name)) for part in fields(order)}
        if any(row.items() <= other.items() for other in self.rows["orders"]):
            return
        signer = self.sign(order.account, TAGS[Trade], order)
        if is_forged:
            self.asked[SPONGE] = Counter(
                {message: n for message, n in self.asked[SPONGE].items() if message[0] != signer["calls"]}
            )
        self.rows["orders"].append({**signer, **row})

    def _fill(self, order: Order, clock: int, said: dict[str, int]) -> None:
        """A fill's row, and the slot's content after it."""
        place = order.account, order.slot
        if place not in self.slots:
            leaf = self.house.state.slot(*place) or make(OrderSlot, *place, 0, 0)
            self.slots[place] = 0, leaf.number, leaf.filled
            self.ask(SLOTS, *place, 0, *limbs_of(leaf.number, 32), *limbs_of(leaf.filled, 32), times=-1)
        old_time, old_number, old_filled = self.slots[place]
        filled = said["lots"] + old_filled * (order.number == old_number)
        self.slots[place] = clock, order.number, filled
        self.rows["fills"].append(
            {
                **said,
                "clock": clock,
                "account": order.account,
                "slot": order.slot,
                "number": order.number,
                "identity": identity_of(order.account),
                "floor": self.found(order.account).order_floor,
                "kind": order.kind,
                "limit_price": order.limit_price,
                "order_lots": order.lots,
                "max_fee_rate": order.max_fee_rate,
                "old_time": old_time,
                "old_number": old_number,
                "old_filled": old_filled,
            }
        )

    def transfer(self, transfer: Transfer) -> Outcome | Rejection:
        signer = self.sign(transfer.sender, TAGS[Transfer], transfer)
        record = TransferRecord(transfer.sender, transfer.receiver, transfer.amount)
        turn = self.publish(record)
        amount = list(limbs_of(transfer.amount, 64))
        change = [-limb for limb in amount]
        self.step(turn["clock"] + 3, transfer.sender, change, 0, 0, 0, uses_nonce=1)
        self.credit(turn["clock"] + 5, transfer.receiver, amount)
        self.rows["transfers"].append(
            {
                **turn,
                **signer,
                "sender": transfer.sender,
                "receiver": transfer.receiver,
                "amount": transfer.amount,
                "nonce": transfer.nonce,
                "floor": self.found(transfer.sender).order_floor,
            }
        )
        return self.house.attempt(transfer)

    def withdraw(self, withdrawal: Withdrawal) -> Outcome | Rejection:
        signer = self.sign(withdrawal.account, TAGS[Withdrawal], withdrawal)
        turn = self.publish(WithdrawalRecord(withdrawal.account, withdrawal.amount), claims=1)
        amount = limbs_of(withdrawal.amount, 64)
        change = [-limb for limb in amount]
        self.step(turn["clock"] + 3, withdrawal.account, change, 0, 0, 0, uses_nonce=1)
        holder = self.found(withdrawal.account)
        owner = limbs_of(holder.owner, 160)
        self.ask(CLAIMS, turn["claims"], *owner, *amount)
        if self.owed is None:
            self.owed = 0, self.house.state.system.owed
            self.ask(OWED, 0, *limbs_of(self.owed[1], 64), times=-1)
        old_time, owed = self.owed
        self.owed = turn["clock"] + 1, owed - withdrawal.amount
        self.rows["withdrawals"].append(
            {
                **turn,
                **signer,
                "account": withdrawal.account,
                "amount": withdrawal.amount,
                "nonce": withdrawal.nonce,
                "floor": holder.order_floor,
                "owner": np.array(owner),
                "old_time": old_time,
                "owed_before": owed,
            }
        )
        return self.house.attempt(withdrawal)

    def cancel(self, cancel: CancelOrders) -> Outcome | Rejection:
        signer = self.sign(cancel.account, TAGS[CancelOrders], cancel)
        turn = self.publish(CancelOrdersRecord(cancel.account, cancel.order_floor))
        holder, kept = self.found(cancel.account), (7, 3)
        nonce, floor, cash = (
            limbs_of(number, bits)
            for number, bits in ((holder.nonce, 32), (holder.order_floor, 32), (holder.cash, 64))
        )
        identity, clock = identity_of(cancel.account), turn["clock"] + 3
        if self.house.state.account(cancel.account) is not None:
            self.ask(ACCOUNTS, cancel.account, 1, identity, *nonce, *floor, *cash, *kept, times=-1)
            after = limbs_of((holder.nonce + 1) % (1 << 32), 32), limbs_of(cancel.order_floor, 32)
            self.ask(ACCOUNTS, cancel.account, clock, identity, *after[0], *after[1], *cash, *kept)
        self.rows["cancellations"].append(
            {
                **turn,
                **signer,
                "account": cancel.account,
                "order_floor": cancel.order_floor,
                "nonce": cancel.nonce,
                "old_time": 1,
                "old_floor": holder.order_floor,
                "cash": holder.cash,
                "version": kept[0],
                "position_count": kept[1],
            }
        )
        return self.house.attempt(cancel)

    def settle(self, settle: SettleGroup) -> Outcome | Rejection:
        turn = self.publish(SettleGroupRecord(settle.account, settle.group))
        self.step(turn["clock"] + 3, settle.account, [0] * 4, settle.group, 0, 0, mode=1)
        holder = self.found(settle.account)
        self.rows["group settlements"].append(
            {
                **turn,
                "account": settle.account,
                "group": settle.group,
                "identity": identity_of(settle.account),
                "nonce": holder.nonce,
                "floor": holder.order_floor,
            }
        )
        return self.house.attempt(settle)

    # Readings.

    def traces(self, log_height: int | None = None) -> dict[str, Montgomery]:
        """The traces of the tables that have rows."""
        answers = {}
        for name, rows in self.rows.items():
            if rows:
                height = (len(rows) - 1).bit_length() if log_height is None else log_height
                answers[name] = fill(name, rows, self.house.state.system.time, height)
        if "orders" in answers:
            asked = Counter(_order_key(row, row["order_lots"], row["identity"]) for row in self.rows["fills"])
            provided = [_order_key(row, row["lots"], row["identities"]) for row in self.rows["orders"]]
            # Orders that differ in their time only give the same message: the first one answers for all.
            answers["orders"][-1, : len(provided)] = encode(np.array([asked.pop(key, 0) for key in provided]))
        return answers

    @property
    def publics(self) -> list[int]:
        """The public values that the tables read; the others are zero."""
        known = dict.fromkeys(statement.PUBLIC_NAMES, 0)
        known |= dict(zip(statement.CHAIN, limbs_of(DEPLOYMENT.chain, 64), strict=True))
        known |= dict(zip(statement.CONTRACT, limbs_of(DEPLOYMENT.contract, 160), strict=True))
        known |= dict(zip(statement.TIME, limbs_of(self.house.state.system.time, 48), strict=True))
        return list(known.values())

    def lookups(self) -> dict[Bus, set[Message]]:
        """What other tables provide to whoever asks."""
        state = self.house.state
        parameters = state.system.parameters
        answers: dict[Bus, set[Message]] = {
            FINAL_PARAMETERS: {(parameters.maker_fee_rate, parameters.taker_fee_rate, parameters.treasury)},
            **{bus: set() for bus in (GROUP_TERMS, SERIES_PLACES, IDENTITY_KEYS, IDENTITY_OWNERS, KEY_ENDS)},
        }
        for group in state.groups():
            is_open = int(state.system.time < group.expiry)
            end = group.cap if group.settlement_price is None else group.settlement_price
            value = (end * group.tick_value).to_bytes(4, "little")
            is_fixed = int(group.settlement_price is not None)
            answers[GROUP_TERMS].add((group.group, 0, is_open, is_fixed, *value))
            for index, series in enumerate(group.series):
                answers[SERIES_PLACES].add((group.group, index, series & (1 << 25) - 1))
        for account in state.accounts():
            identity = identity_of(account.account)
            answers[IDENTITY_OWNERS].add((identity, account.account, *limbs_of(account.owner, 160)))
            if account.key is not None:
                answers[IDENTITY_KEYS].add((identity, account.account, key_number_of(account.account)))
                answers[KEY_ENDS].add((key_number_of(account.account), *key_end(account.account)))
        return answers

    def wrong(self, traces: dict[str, Montgomery] | None = None) -> set[str]:
        """The names of broken constraints, and of buses on which the tables and the others disagree."""
        traces = self.traces() if traces is None else traces
        found = inspected([TABLES[name] for name in traces], traces, self.publics)
        names = broken(found) | {f"bus {count.bus} counts" for count in found.counts}
        expected = {bus: Counter(messages) for bus, messages in self.asked.items()}
        expected.setdefault(RECORD_CURSOR, Counter())[self.clock, self.offset, self.claims] += 1
        for place, (clock, number, filled) in self.slots.items():
            limbs = (*limbs_of(number, 32), *limbs_of(filled, 32))
            expected.setdefault(SLOTS, Counter())[(*place, clock, *limbs)] += 1
        if self.owed is not None:
            limbs = limbs_of(self.owed[1] % (1 << 64), 64)
            expected.setdefault(OWED, Counter())[(self.owed[0], *limbs)] += 1
        lookups = self.lookups()
        for bus in {finding.bus for finding in found.messages} | {bus.name for bus in expected}:
            wire = BUSES[bus]
            left = Counter(
                {tuple(v % PRIME for v in message): n for message, n in loose_ends(found, wire).items() if n}
            )
            if wire in RANGES:
                is_good = all(max(message) < RANGES[wire] for message in left)
            elif wire in lookups:
                is_good = set(left) <= lookups[wire] and min(left.values(), default=1) > 0
            else:
                is_good = left == Counter({m: n for m, n in expected.get(wire, Counter()).items() if n})
            if not is_good:
                names.add(f"bus {bus}")
        return names


def _order_key(row: dict[str, Any], lots: int, identity: int) -> Message:
    """What the bus of orders says of an order, from a row of either end."""
    option = row["option"] + 2 * row["strike"] if "strike" in row else row["option"]
    names = ("account", "slot", "number", "side", "kind", "group", "limit_price", "max_fee_rate")
    return identity, option, lots, *(row[name] for name in names)


def fill(name: str, rows: list[dict[str, Any]], time: int, log_height: int) -> Montgomery:
    """A table's trace from its rows."""
    module = MODULES[name]
    named = {
        part: _column([row[part] for row in rows], module) for part in (f.name for f in fields(module.Rows))
    }
    trace: Montgomery
    if module is orders:
        trace = orders.fill(orders.Rows(**named), time, log_height)
    else:
        trace = module.fill(module.Rows(**named), log_height)
    return trace


def _column(values: list[Any], module: ModuleType) -> Any:
    """One field of all rows: an array, or the rows of a trade's party."""
    if isinstance(values[0], dict):
        parts = {part.name: [value[part.name] for value in values] for part in fields(trades.PartyRows)}
        return module.PartyRows(**{name: np.array(column, np.int64) for name, column in parts.items()})
    if isinstance(values[0], np.ndarray):
        return np.stack(values, axis=1)
    return np.array([int(value) for value in values], np.int64)
