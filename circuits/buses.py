"""Every bus: what a message says, who sends it and who receives it.  The wiring diagram of the circuits.

A sender adds a message on rows that it marks; a receiver takes it off, at most once a row or as often as it counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from prover.air.bus import Bus


@dataclass(frozen=True, slots=True)
class Wire:
    """A bus and the tables at its ends; a test compares them with the tables themselves."""

    bus: Bus
    message: tuple[str, ...]
    """What each value is; a name with a number behind it stands for that many values."""
    senders: tuple[str, ...]
    receivers: tuple[str, ...]
    meaning: str
    """What a receiver promises about every message that it takes."""


SIXTEEN_BITS: Final = Bus("sixteen bits", identifier=1, arity=1)
FOURTEEN_BITS: Final = Bus("fourteen bits", identifier=35, arity=1)
TWO_BYTES: Final = Bus("two bytes", identifier=2, arity=2)
KEY_ENTRIES: Final = Bus("key entries", identifier=3, arity=16)
KEY_ENDS: Final = Bus("key ends", identifier=4, arity=5)
KEYS: Final = Bus("keys", identifier=5, arity=16)
GENERATOR_POINTS: Final = Bus("generator points", identifier=38, arity=14)
KEY_STARTS: Final = Bus("key starts", identifier=39, arity=11)
SPONGE: Final = Bus("sponge", identifier=6, arity=14)
COMPRESS: Final = Bus("compress", identifier=7, arity=25)
NODES: Final = Bus("nodes", identifier=8, arity=19)
ACCOUNTS: Final = Bus("accounts", identifier=9, arity=13)
SLOTS: Final = Bus("slots", identifier=10, arity=7)
GROUPS: Final = Bus("groups", identifier=11, arity=11)
OWED: Final = Bus("owed", identifier=12, arity=5)
PARAMETERS: Final = Bus("parameters", identifier=13, arity=6)
FINAL_PARAMETERS: Final = Bus("final parameters", identifier=14, arity=3)
POSITIONS: Final = Bus("positions", identifier=15, arity=6)
POSITION_LISTS: Final = Bus("position lists", identifier=16, arity=12)
IDENTITY_DIGESTS: Final = Bus("identity digests", identifier=17, arity=9)
IDENTITY_OWNERS: Final = Bus("identity owners", identifier=18, arity=12)
IDENTITIES: Final = Bus("identities", identifier=37, arity=27)
IDENTITY_KEYS: Final = Bus("identity keys", identifier=19, arity=3)
GROUP_STATICS: Final = Bus("group statics", identifier=20, arity=13)
GROUP_TERMS: Final = Bus("group terms", identifier=21, arity=8)
SERIES_TERMS: Final = Bus("series terms", identifier=22, arity=8)
SERIES_PLACES: Final = Bus("series places", identifier=23, arity=3)
SERIES_LISTS: Final = Bus("series lists", identifier=24, arity=3)
WALKS: Final = Bus("walks", identifier=25, arity=15)
SETTLEMENTS: Final = Bus("settlements", identifier=26, arity=6)
ACCOUNT_STEPS: Final = Bus("account steps", identifier=27, arity=16)
CREDITS: Final = Bus("credits", identifier=28, arity=6)
ORDERS: Final = Bus("orders", identifier=29, arity=13)
FILLS: Final = Bus("fills", identifier=30, arity=16)
ITEM_CURSOR: Final = Bus("item cursor", identifier=31, arity=3)
RECORD_CURSOR: Final = Bus("record cursor", identifier=32, arity=3)
DATA_WORDS: Final = Bus("data words", identifier=33, arity=2)
CLAIMS: Final = Bus("claims", identifier=34, arity=15)
CLAIM_CURSOR: Final = Bus("claim cursor", identifier=36, arity=2)

OWN_MULTIPLE: Final = 0
"""The multiple of a key that is the key itself."""

DIGEST_PLACE: Final = -1
"""The place of a digest among a call's messages; blocks count upward from 0 and never get there."""

STEP_CLOCKS: Final = 16
"""Clocks a transaction or queue item has for its steps: item i begins at 16 (i + 1), record j at 16 (items + j + 1)."""

OWED_STEP, READING_STEP, ACCOUNT_STEP, OTHER_ACCOUNT_STEP, CREDIT_STEP = 1, 2, 3, 4, 5
"""When, inside a transaction, what is touched; fills of a trade come at 1 and 2, as no trade touches what is owed."""

BUY_FILL_STEP, SELL_FILL_STEP = 1, 2

MARGIN_MODE, SETTLE_GROUP_MODE, FORCED_MODE = 0, 1, 2
"""What a walk does with groups: margin of all; settle one, pass the others; settle the fixed, margin of the others."""

QUEUE_TABLES: Final = (
    "deposits",
    "registrations",
    "forced cancellations",
    "forced withdrawals",
    "group listings",
    "series listings",
    "parameter changes",
    "settlement prices",
)
"""One table for each type of queue item, in the order of their wire tags."""

RECORD_TABLES: Final = ("transfers", "withdrawals", "cancellations", "trades", "group settlements")
"""One table for each type of published transaction, in the order of their wire tags."""

SIGNED_TABLES: Final = ("orders", "transfers", "withdrawals", "cancellations")

WIRES: Final = (
    Wire(
        SIXTEEN_BITS,
        ("value",),
        ("limbs",),
        ("range check",),
        "the value lies in [0, 2^16)",
    ),
    Wire(
        FOURTEEN_BITS,
        ("value",),
        ("carries",),
        ("range check",),
        "the value lies in [0, 2^14)",
    ),
    Wire(
        TWO_BYTES,
        ("low", "high"),
        ("bytes",),
        ("range check",),
        "both values lie in [0, 2^8)",
    ),
    Wire(
        GENERATOR_POINTS,
        ("x 7", "y 7"),
        ("signatures",),
        ("keys",),
        "the point is one of the 128 of the generator's table",
    ),
    Wire(
        KEY_ENTRIES,
        ("key number", "entry", "x 7", "y 7"),
        ("signatures",),
        ("key multiples",),
        "the entry, 0 to 15, of the table of that key",
    ),
    Wire(
        KEY_STARTS,
        ("key number", "x 7", "y0", "y1", "y2"),
        ("signatures",),
        ("keys",),
        "these are the first ten elements of the key, which share blocks with R",
    ),
    Wire(
        KEY_ENDS,
        ("key number", "y3", "y4", "y5", "y6"),
        SIGNED_TABLES,
        ("keys",),
        "these are the last four elements of the key, which share a block with the message's first",
    ),
    Wire(
        KEYS,
        ("key number", "multiple", "x 7", "y 7"),
        ("identities", "registrations", "key multiples"),
        ("keys", "key multiples"),
        "multiple 0 is the key of that number, multiple k, 1 to 3, is 2^(31 k) times that key",
    ),
    Wire(
        SPONGE,
        ("call", "owner", "place", "kind", "length", "label", "value 8"),
        (
            "signatures",
            *SIGNED_TABLES,
            "accounts",
            "identities",
            "slots",
            "groups",
            "series lists",
            "position lists",
            "batch",
            "data",
        ),
        ("poseidon",),
        "the call of that kind, length and label absorbed the eight values as block `place`, or, at place -1, has them"
        " as digest; each message of a call is taken exactly once",
    ),
    Wire(
        COMPRESS,
        ("level", "left 8", "right 8", "digest 8"),
        ("tree",),
        ("poseidon",),
        "the node over the two digests at that level of the state tree",
    ),
    Wire(
        NODES,
        ("level", "high", "low", "old 8", "new 8"),
        ("accounts", "slots", "groups", "batch", "tree"),
        ("tree", "batch"),
        "the node at that place of the state tree has these digests before and after the batch; the place of a leaf,"
        " at level 34, is its index: the upper 18 bits and the lower 16",
    ),
    Wire(
        ACCOUNTS,
        ("account", "time", "identity", "nonce 2", "floor 2", "cash 4", "version", "count"),
        ("accounts", "holders", "credits", "cancellations", *QUEUE_TABLES[:4], QUEUE_TABLES[6]),
        ("accounts", "holders", "credits", "cancellations", *QUEUE_TABLES[:4], QUEUE_TABLES[6]),
        "the account's content since that clock; identity 0 and zeros: there is no account",
    ),
    Wire(
        SLOTS,
        ("account", "slot", "time", "number 2", "filled 2"),
        ("slots", "fills"),
        ("slots", "fills"),
        "the order slot's content since that clock; zeros: it was never used",
    ),
    Wire(
        GROUPS,
        ("group", "time", "exists", "is fixed", "price 2", "series", "pool 4"),
        ("groups", "group readings", "settlements", *QUEUE_TABLES[4:6], QUEUE_TABLES[7]),
        ("groups", "group readings", "settlements", *QUEUE_TABLES[4:6], QUEUE_TABLES[7]),
        "the group's content since that clock: price in ticks, how many series, pool + 2^63; zeros: it is not listed",
    ),
    Wire(
        OWED,
        ("time", "owed 4"),
        ("batch", "withdrawals", "deposits", "forced withdrawals"),
        ("batch", "withdrawals", "deposits", "forced withdrawals"),
        "what is owed since that clock",
    ),
    Wire(
        PARAMETERS,
        ("time", "version 2", "maker rate", "taker rate", "treasury"),
        ("batch", "parameter changes"),
        ("batch", "parameter changes"),
        "the parameters since that clock; treasury 0: none",
    ),
    Wire(
        FINAL_PARAMETERS,
        ("maker rate", "taker rate", "treasury"),
        ("trades",),
        ("batch",),
        "the parameters after the queue items, which hold for every published transaction",
    ),
    Wire(
        POSITIONS,
        ("account", "version", "place", "group", "option", "lots"),
        ("position lists", "walks"),
        ("position lists", "walks"),
        "entry `place` of the account's position list that was written at the clock `version`; lots signed",
    ),
    Wire(
        POSITION_LISTS,
        ("account", "is closing", "version", "count", "digest 8"),
        ("accounts",),
        ("position lists",),
        "the list of that version has so many entries and this digest; at the opening its entries come from the"
        " digest, at the closing the digest comes from them",
    ),
    Wire(
        IDENTITY_DIGESTS,
        ("identity", "digest 8"),
        ("accounts",),
        ("identities",),
        "the identity of that number has this digest",
    ),
    Wire(
        IDENTITY_OWNERS,
        ("identity", "account", "owner 10"),
        ("withdrawals", *QUEUE_TABLES[:4]),
        ("identities",),
        "the identity of that number is this account's and this owner's",
    ),
    Wire(
        IDENTITIES,
        ("identity", "account", "owner 10", "suite", "key 14"),
        QUEUE_TABLES[:2],
        ("identities",),
        "all that the identity of that number is; suite and key are zeros where it has no key",
    ),
    Wire(
        IDENTITY_KEYS,
        ("identity", "account", "key number"),
        SIGNED_TABLES,
        ("identities",),
        "the identity of that number is this account's and has that trading key",
    ),
    Wire(
        GROUP_STATICS,
        ("group", "underlying", "expiry 3", "cap 2", "tick 2", "lot 2", "tick value 2"),
        ("group readings", "series", *QUEUE_TABLES[4:6], QUEUE_TABLES[7]),
        ("groups",),
        "the group's terms, if it is listed before the batch or in it",
    ),
    Wire(
        GROUP_TERMS,
        ("group", "stamp", "is open", "is fixed", "end value 4"),
        ("trades", "walks"),
        ("groups", "group readings"),
        "stamp 0: after all queue items, so for every published transaction; else: at the account step of that clock."
        " is open: the batch's time is before the expiry; the end value is the settlement price, or the cap while none"
        " is fixed, times the tick value, in four bytes",
    ),
    Wire(
        SERIES_TERMS,
        ("group", "option", "is put", "rank", "value 4"),
        ("walks",),
        ("series",),
        "the group lists the series at the end of the batch; the rank, from 1 and below 2^16, rises strictly with group"
        " and option; the value is the strike times the tick value, in four bytes",
    ),
    Wire(
        SERIES_PLACES,
        ("group", "index", "option"),
        ("trades", "series listings"),
        ("series",),
        "at that index of its list the group has this series at the end of the batch",
    ),
    Wire(
        SERIES_LISTS,
        ("group", "index", "option"),
        ("series lists",),
        ("series",),
        "the same, as the list was hashed; each is taken exactly once",
    ),
    Wire(
        WALKS,
        (
            "clock",
            "account",
            "old version",
            "old count",
            "new count",
            "edit group",
            "edit option",
            "edit lots",
            "edits",
            "settles",
            "stamp",
            "total 4",
        ),
        ("holders",),
        ("walks",),
        "the account's list of the old version, with one position changed by the edit's lots if edits is 1 and settled"
        " groups taken out, is its list of the version `clock`. settles 0: the total is the sum of the requirements of"
        " all groups, none of them fixed if the stamp is not 0. settles 1: it is the sum of the settled groups'"
        " payoffs, all of them fixed: the edit's group if edits is 1, any if the stamp is the clock. Limbs are not"
        " normalised",
    ),
    Wire(
        SETTLEMENTS,
        ("clock", "group", "payoff 4"),
        ("walks",),
        ("settlements",),
        "the fixed group's pool paid that out, one clock later; limb 3 carries the sign",
    ),
    Wire(
        ACCOUNT_STEPS,
        (
            "clock",
            "account",
            "identity",
            "nonce 2",
            "uses nonce",
            "floor 2",
            "change 4",
            "edit group",
            "edit option",
            "edit lots",
            "mode",
        ),
        ("transfers", "withdrawals", "trades", "group settlements", "forced withdrawals"),
        ("holders",),
        "at that clock the account, which exists and has this identity, nonce and floor, changed its cash by the change"
        " and by what was settled, and its positions by the edit; its margin is met afterwards, and in mode 2 its cash"
        " is exactly the requirement",
    ),
    Wire(
        CREDITS,
        ("clock", "account", "amount 4"),
        ("transfers", "trades"),
        ("credits",),
        "at that clock the account, which exists, received the amount",
    ),
    Wire(
        ORDERS,
        (
            "identity",
            "account",
            "slot",
            "number 2",
            "side",
            "kind",
            "group",
            "option",
            "limit 2",
            "lots",
            "max fee rate",
        ),
        ("fills",),
        ("orders",),
        "the identity's key signed this order for this clearing house, and it is in its time; lots in one element",
    ),
    Wire(
        FILLS,
        (
            "clock",
            "side",
            "account",
            "slot",
            "number 2",
            "group",
            "option",
            "price 2",
            "lots",
            "fee rate",
            "is maker",
            "identity",
            "floor 2",
        ),
        ("trades",),
        ("fills",),
        "an order of that account and identity with that number, above the floor, takes these lots at this price",
    ),
    Wire(
        ITEM_CURSOR,
        ("clock", "offset", "claims"),
        ("batch", *QUEUE_TABLES),
        ("batch", *QUEUE_TABLES),
        "the next queue item begins at that clock and at that word of the data, after so many claims",
    ),
    Wire(
        RECORD_CURSOR,
        ("clock", "offset", "claims"),
        ("batch", *RECORD_TABLES),
        ("batch", *RECORD_TABLES),
        "the next record begins at that clock and at that word of the data, after so many claims",
    ),
    Wire(
        DATA_WORDS,
        ("offset", "word"),
        ("batch", "claims", *RECORD_TABLES, *QUEUE_TABLES),
        ("data",),
        "the batch's data has that 16-bit word at that place; every word of the data is taken exactly once",
    ),
    Wire(
        CLAIMS,
        ("place", "owner 10", "amount 4"),
        ("withdrawals", "deposits", "forced withdrawals"),
        ("claims",),
        "the claim of that place in the batch is this owner's",
    ),
    Wire(
        CLAIM_CURSOR,
        ("place", "offset"),
        ("batch", "claims"),
        ("batch", "claims"),
        "the claim of that place begins at that word of the data",
    ),
)
"""All wires; identifiers are never given twice."""
