"""How trades, levels of the book and batches are told."""

from __future__ import annotations

from typing import Final

from rollup.instruments import SeriesId, group_of, kind_of, strike_of
from rollup.node.effects import Effects, Fill, SealedBatch
from rollup.node.feed import News
from rollup.node.order_book import OrderBook
from rollup.node.storage import Stage, StoredBatch
from rollup.units import BatchNumber, Price, Side, Time

CLAIMS_AT: Final = 24
"""Where the header of a batch's data counts the claims: `rollup/README.md` has the table."""


def series_fields(series: SeriesId) -> dict[str, object]:
    """A series by its terms."""
    return {
        "group": int(group_of(series)),
        "strike": int(strike_of(series)),
        "option": kind_of(series).name.lower(),
    }


def trade_news(effects: Effects, fill: Fill, batch: int) -> News:
    """One trade; both accounts are on Ethereum soon, so they are no secret here."""
    trade = fill.trade
    return {
        "channel": "trades",
        "sequence": effects.sequence,
        "time": int(effects.time),
        "batch": int(batch),
        **series_fields(trade.series),
        "price": int(trade.price),
        "lots": int(trade.lots),
        "taker_side": fill.taker.order.side.name.lower(),
        "buyer": int(trade.buyer.account_after.account),
        "seller": int(trade.seller.account_after.account),
    }


def level_news(sequence: int, book: OrderBook, series: SeriesId, side: Side, price: Price) -> News:
    """One price of the book as it stands now; no lots means that the price is gone."""
    level = book.level(series, side, price)
    return {
        "channel": "book",
        "sequence": sequence,
        **series_fields(series),
        "side": side.name.lower(),
        "price": int(price),
        "lots": level.lots,
        "orders": level.orders,
    }


def root_text(root: tuple[int, ...] | None) -> str | None:
    """A state root as people see it: eight elements of four bytes."""
    return None if root is None else "0x" + b"".join(element.to_bytes(4) for element in root).hex()


def claim_count(published: bytes) -> int:
    """How many claims a batch's data ends with, by its header."""
    return int.from_bytes(published[CLAIMS_AT : CLAIMS_AT + 2])


def batch_news(sealed: SealedBatch, root: tuple[int, ...] | None, stage: Stage) -> News:
    """A batch that was closed."""
    return {
        "channel": "batches",
        "number": int(sealed.number),
        "time": int(sealed.batch.time),
        "transactions": len(sealed.batch.transactions),
        "bytes": len(sealed.published),
        "claim_count": claim_count(sealed.published),
        "root": root_text(root),
        "stage": stage.value,
    }


def open_batch_news(number: BatchNumber, time: Time, transactions: int, length: int) -> News:
    """The batch that is being filled: it has no root yet, and if nothing happens in it, its number is used again."""
    return {
        "channel": "batches",
        "number": int(number),
        "time": int(time),
        "transactions": transactions,
        "bytes": length,
        "claim_count": 0,
        "root": None,
        "stage": "open",
    }


def stored_batch_news(stored: StoredBatch) -> News:
    """A batch from the disk, told the same way."""
    return {
        "channel": "batches",
        "number": int(stored.number),
        "time": int(stored.time),
        "transactions": stored.transactions,
        "bytes": len(stored.published),
        "claim_count": claim_count(stored.published),
        "root": root_text(stored.root),
        "stage": stored.stage.value,
    }
