"""What the chain charges for a proof and its batch, as `bench recursion` reports it beside the proof's own figures.

The contracts' benchmarks measure these; here they are read, and spread over the trades of the batch.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path


class GasTableError(ValueError):
    """A file that holds no gas table; the message says why."""


@dataclass(frozen=True, slots=True)
class GasTable:
    """One transaction or call each; the names are the fields of the JSON object that is read."""

    gas_prove: int
    """The transaction that proves one batch."""
    gas_data: int
    """Publishing that batch's data."""
    gas_prove_7976: int
    """The same two where calldata has the floor price of EIP-7976."""
    gas_data_7976: int
    gas_aggregate_4: int
    """The transaction that proves four batches at once."""
    gas_exit: int
    """What an account with two groups pays to leave without the operator."""
    evm_seconds: float
    """How long the embedded chain takes to verify one terminal proof."""

    @classmethod
    def read(cls, path: Path) -> GasTable:
        """The table in a file, refused with one line if a figure is missing or no positive number."""
        try:
            found = json.loads(path.read_text())
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise GasTableError(f"{path} holds no JSON: {error}") from error
        if not isinstance(found, dict):
            raise GasTableError(f"{path} holds no JSON object")
        for field in fields(cls):
            value = found.get(field.name)
            kinds = int | float if field.name == "evm_seconds" else int
            if not isinstance(value, kinds) or isinstance(value, bool) or not value > 0:
                raise GasTableError(f"{path}: {field.name} is not a positive number but {value!r}")
        return cls(**{field.name: found[field.name] for field in fields(cls)})

    def figures(self, trades: int) -> dict[str, int | float]:
        """The table, and what a trade pays where one proof and its data are shared by so many."""
        per_trade = (self.gas_prove + self.gas_data) / trades
        per_trade_7976 = (self.gas_prove_7976 + self.gas_data_7976) / trades
        return asdict(self) | {"gas_per_trade": per_trade, "gas_per_trade_7976": per_trade_7976}
