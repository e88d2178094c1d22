"""What the governor may do, and what it has announced: the contract's actions with their arguments, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final


class Action(IntEnum):
    """Everything that can be proposed, by its number in the contract."""

    LIST_GROUP = 0
    LIST_SERIES = 1
    SET_PARAMETERS = 2
    SET_ORACLES = 3
    SET_SEQUENCER = 4
    SET_GOVERNOR = 5
    SET_VERIFIER = 6
    SET_STEP_KEYS = 7


KEYS: Final = "(uint256,uint256)[]"

ARGUMENTS: Final[Mapping[Action, Mapping[str, str]]] = {
    Action.LIST_GROUP: {
        "group": "uint16",
        "underlying": "uint16",
        "expiry": "uint48",
        "cap": "uint32",
        "tick_micro_dollars": "uint32",
        "lot_micro_units": "uint32",
    },
    Action.LIST_SERIES: {"group": "uint16", "strike": "uint32", "option": "uint16"},
    Action.SET_PARAMETERS: {"maker_fee_rate": "uint16", "taker_fee_rate": "uint16", "treasury": "uint32"},
    Action.SET_ORACLES: {"oracles": "address[]", "threshold": "uint8", "faults": "uint8"},
    Action.SET_SEQUENCER: {"sequencer": "address"},
    Action.SET_GOVERNOR: {"governor": "address"},
    Action.SET_VERIFIER: {"verifier": "address", "terminal_key": "bytes32", "last_keys": KEYS},
    Action.SET_STEP_KEYS: {"version": "uint16", "step_keys": KEYS},
}
"""Names and ABI types of each action's arguments, in order."""

PROPOSAL_LIFETIME: Final = 14 * 86400
"""Seconds for which a proposal stays ready; a constant of the contract."""


def encode_arguments(action: Action, values: Sequence[Any]) -> bytes:
    """Spell an action's arguments."""
    from eth_abi.abi import encode

    return encode(list(ARGUMENTS[action].values()), list(values))


def decode_arguments(action: Action, encoded: bytes) -> dict[str, Any]:
    """Read an action's arguments, for people and for JSON."""
    from eth_abi.abi import decode
    from eth_utils.address import to_checksum_address

    def plain(kind: str, value: Any) -> Any:
        if kind == "address":
            return to_checksum_address(value)
        return [to_checksum_address(one) for one in value] if kind == "address[]" else _plain(value)

    names = ARGUMENTS[action]
    values = decode(list(names.values()), encoded)
    return {name: plain(kind, value) for (name, kind), value in zip(names.items(), values, strict=True)}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, tuple | list):
        # Words of 256 bits do not survive every reader of JSON as numbers.
        return [f"0x{one:064x}" if isinstance(one, int) else _plain(one) for one in value]
    return value


@dataclass(frozen=True, slots=True)
class Announced:
    """A proposal that was neither executed nor cancelled."""

    number: int
    action: Action
    arguments: bytes
    ready_at: int

    @property
    def expires_at(self) -> int:
        """The last second in which it can be executed."""
        return self.ready_at + PROPOSAL_LIFETIME

    def state(self, now: int) -> str:
        """How far it is: `waiting`, `ready` or `expired`."""
        if now < self.ready_at:
            return "waiting"
        return "ready" if now <= self.expires_at else "expired"


def announced(contract: Any, from_block: int) -> list[Announced]:
    """Every proposal that still stands, oldest first."""
    gone = {
        int(log["args"]["proposal"])
        for event in (contract.events.Executed(), contract.events.Cancelled())
        for log in event.get_logs(from_block=from_block)
    }
    found = [log["args"] for log in contract.events.Proposed().get_logs(from_block=from_block)]
    return [
        Announced(int(one["proposal"]), Action(one["action"]), bytes(one["arguments"]), int(one["readyAt"]))
        for one in found
        if int(one["proposal"]) not in gone
    ]
