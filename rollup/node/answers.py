"""What the API answers: receipts, accounts, groups, books and batches as JSON."""

from __future__ import annotations

from rollup.authority import TradingKey
from rollup.codec import BatchContent
from rollup.instruments import Group, series_id
from rollup.margin import margin_of
from rollup.node.engine import Engine
from rollup.node.gathered import Receipt
from rollup.node.inputs import InputKind
from rollup.node.news import series_fields
from rollup.node.order_book import Entry
from rollup.node.sequencer import Sequencer
from rollup.node.storage import JournalRow
from rollup.node.wire import Json, flat_to_json
from rollup.state import Account, State
from rollup.units import GroupId, OptionKind, Side, Ticks


def address_text(address: int) -> str:
    """An Ethereum address."""
    return f"0x{address:040x}"


def key_text(key: TradingKey | None) -> str | None:
    """A trading key: its fourteen elements."""
    return None if key is None else "0x" + b"".join(element.to_bytes(4) for element in key.x + key.y).hex()


def receipt_json(receipt: Receipt) -> Json:
    """What was acknowledged."""
    effects = receipt.effects
    answer: Json = {
        "sequence": effects.sequence,
        "batch": int(receipt.batch),
        "time": int(effects.time),
        "fills": [
            {
                "price": int(fill.trade.price),
                "lots": int(fill.trade.lots),
                "fee": int(
                    (fill.trade.buyer if fill.taker.order.side is Side.BUY else fill.trade.seller).fee.amount
                ),
            }
            for fill in effects.fills
        ],
    }
    placed = effects.placed
    if placed is not None:
        own = [one.reason.value for one in effects.departed if one.entry is placed]
        answer["status"] = own[0] if own else "resting"
        answer["filled"] = sum(fill.trade.lots for fill in effects.fills)
    else:
        answer["status"] = "done"
        answer["filled"] = 0
    return answer


def parameters_json(sequencer: Sequencer) -> Json:
    """What a client needs to sign and to price."""
    system = sequencer.engine.state.system
    return {
        "chain": int(system.deployment.chain),
        "contract": address_text(system.deployment.contract),
        "version": int(system.parameters.version),
        "maker_fee_rate": int(system.parameters.maker_fee_rate),
        "taker_fee_rate": int(system.parameters.taker_fee_rate),
        "treasury": int(system.parameters.treasury),
        "time": int(sequencer.clock.now()),
        "batch": int(system.batch_number),
        "queue_position": int(system.queue_position),
        "open_orders_per_account": sequencer.settings.limits.open_orders_per_account,
    }


def group_json(group: Group) -> Json:
    """A group with its series."""
    return {
        "group": int(group.group),
        "underlying": int(group.underlying),
        "expiry": int(group.expiry),
        "cap": int(group.cap),
        "tick_micro_dollars": group.tick_micro_dollars,
        "lot_micro_units": group.lot_micro_units,
        "settlement_price": None if group.settlement_price is None else int(group.settlement_price),
        "pool": group.pool,
        "series": [series_fields(series) for series in group.series],
    }


def account_json(state: State, account: Account) -> Json:
    """An account with its margin."""
    margin = margin_of(account.positions, state.group)
    return {
        "account": int(account.account),
        "owner": address_text(account.owner),
        "key": key_text(account.key),
        "nonce": int(account.nonce),
        "order_floor": int(account.order_floor),
        "cash": int(account.cash),
        "requirement": margin.requirement,
        "free": int(account.cash) - margin.requirement,
        "positions": [
            series_fields(position.series) | {"lots": position.lots} for position in account.positions
        ],
    }


def open_order_json(entry: Entry) -> Json:
    """An order in the book; its signature stays here."""
    return flat_to_json(entry.order) | {"sequence": entry.sequence, "remaining": entry.remaining}


def book_json(engine: Engine, group: int, strike: int, option: OptionKind, depth: int) -> Json:
    """The best prices of one series."""
    series = series_id(GroupId(group), Ticks(strike), option)
    return {
        "sequence": engine.sequence,
        **series_fields(series),
        **{
            name: [
                {"price": int(level.price), "lots": level.lots, "orders": level.orders}
                for level in engine.book.levels(series, side, depth)
            ]
            for name, side in (("bids", Side.BUY), ("asks", Side.SELL))
        },
    }


def batch_content_json(content: BatchContent) -> Json:
    """What a batch published, counted."""
    kinds: dict[str, int] = {}
    for record in content.records:
        name = type(record).__name__.removesuffix("Record")
        kinds[name] = kinds.get(name, 0) + 1
    return {
        "queue_start": int(content.queue_start),
        "queue_items": len(content.items),
        "records": kinds,
        "claims": [
            {"owner": address_text(claim.owner), "amount": int(claim.amount)} for claim in content.claims
        ],
    }


def input_json(row: JournalRow) -> Json:
    """An input as the journal holds it."""
    return {
        "sequence": row.sequence,
        "kind": InputKind(row.kind).name.lower(),
        "payload": "0x" + row.payload.hex(),
        "fingerprint": row.fingerprint,
    }
