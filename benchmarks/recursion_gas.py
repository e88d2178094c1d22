"""What the chain charges for a proof and its batch, as `bench recursion` reports it beside the proof's own figures.

The contracts' benchmarks measure these, in a checkout only; here they are put together and spread over the trades.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from importlib.util import find_spec


@dataclass(frozen=True, slots=True)
class GasTable:
    """One transaction or call each."""

    gas_prove: int
    """The transaction that proves one batch."""
    gas_data: int
    """Publishing that batch's data: begin, append and seal."""
    gas_prove_7976: int
    """The same two where calldata has the floor price of EIP-7976."""
    gas_data_7976: int
    gas_aggregate_4: int
    """The transaction that proves four batches at once."""
    gas_exit: int
    """What the median account of the benchmarks' mix pays to leave without the operator."""
    evm_seconds: float
    """How long py-evm takes to verify one terminal proof."""

    def figures(self, trades: int) -> dict[str, int | float]:
        """The table, and what a trade pays in a batch of so many: proved alone, or one of four that share a proof."""
        per_trade = (self.gas_prove + self.gas_data) / trades
        per_trade_7976 = (self.gas_prove_7976 + self.gas_data_7976) / trades
        together = (self.gas_aggregate_4 / 4 + self.gas_data) / trades
        return asdict(self) | {
            "gas_per_trade": per_trade,
            "gas_per_trade_7976": per_trade_7976,
            "gas_per_trade_of_4": together,
        }


def can_measure() -> bool:
    """Whether this is a checkout: the contracts' tests set up the clearing house."""
    return find_spec("tests.verifier_contracts.vault_bench") is not None


def measured(trades: int) -> GasTable:
    """Send every transaction once."""
    from benchmarks.exit_gas import MEDIAN_EXIT, measure_exit
    from benchmarks.gas import measure_trades

    *published, single, together = measure_trades(trades)
    (leaving,) = (row for row in measure_exit() if row.transaction == MEDIAN_EXIT)
    return GasTable(
        single.gas,
        sum(row.gas for row in published),
        single.repriced,
        sum(row.repriced for row in published),
        together.gas,
        leaving.gas,
        evm_seconds(),
    )


def evm_seconds() -> float:
    """Let the verifier judge the committed terminal proof in py-evm."""
    from circuits.terminal_statement import pinned_chain
    from rollup.node.deployment import stark_verifier
    from tests.verifier_contracts.terminal_bench import TerminalVector
    from tests.verifier_contracts.vault_bench import House

    vector, judge = TerminalVector.read(), stark_verifier(json.loads(pinned_chain().spelled()))
    verifier = House(verifier="SilentVerifier").deploy("StarkVerifier", judge.description)
    call = verifier.functions.verify(judge.terminal_key, vector.words, vector.proof)
    start = time.perf_counter()
    call.call()
    return time.perf_counter() - start
