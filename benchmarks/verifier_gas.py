"""What each step of verifying a terminal proof costs: `python -m benchmarks.verifier_gas` rewrites a table.

The contract is compiled with a source map and run in py-evm on the committed proof, instruction by instruction.
Every instruction belongs to the step whose function was entered last; the steps have one order.
A second table says which functions of the source take most, wherever they are called from.
It needs npm, which brings the compiler, and a checkout.
"""

from __future__ import annotations

import bisect
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.gas import README, rewritten
from prover.hash.keccak import keccak256

BEGIN, END = "<!-- verifier table: begin -->", "<!-- verifier table: end -->"

FUNCTIONS_BEGIN, FUNCTIONS_END = "<!-- functions table: begin -->", "<!-- functions table: end -->"

DEAREST = 12
"""Functions that the second table lists."""

UNIT = "src/StarkVerifier.sol"

STEPS: dict[str, str] = {
    "begin": "load the description, divide the proof",
    "absorbTheStatement": "absorb the statement, receive trace, challenge rounds and quotient",
    "fillHeights": "selectors at the point",
    "fillPeriodic": "periodic columns",
    "fillFractions": "fractions of the statement's messages",
    "run": "opened values, constraint tape",
    "receiveTheFolds": "receive the folds, powers of the batching challenge",
    "drawPositions": "draw and sort the positions",
    "makeBatches": "claims",
    "checkPhases": "rows and paths of the phases",
    "deepValues": "divide by point minus position",
    "checkFold": "folds: rows, paths and arithmetic",
    "checkFinalPolynomial": "final polynomial",
}
"""The functions that begin a step, in the order in which they are entered, and what the table calls it."""


@dataclass(frozen=True, slots=True)
class Traced:
    """The verifier with a map from its instructions to functions."""

    creation: bytes
    function_at: dict[int, str]


def functions_of(text: str) -> list[tuple[int, str]]:
    """Where functions of a source begin."""
    return [(match.start(), match.group(1)) for match in re.finditer(r"\bfunction (\w+)\(", text)]


def compiled() -> Traced:
    """Compile the verifier as it is deployed, with a source map."""
    from verifier_contracts.artifact import SOURCES
    from verifier_contracts.compile import read_sources, run_compiler

    sources = read_sources(SOURCES, "src/")
    answer = run_compiler(sources, [UNIT], ["evm.deployedBytecode.sourceMap"])
    made = answer["contracts"][UNIT]["StarkVerifier"]["evm"]
    runtime = bytes.fromhex(made["deployedBytecode"]["object"])
    names = {source["id"]: name for name, source in answer["sources"].items()}
    functions = {number: functions_of(sources[name]) for number, name in names.items()}
    function_at = {}
    for place, (start, file) in zip(
        _instructions(runtime), _places(made["deployedBytecode"]["sourceMap"]), strict=False
    ):
        if file in functions:
            found = bisect.bisect_right(functions[file], (start, "~")) - 1
            if found >= 0:
                function_at[place] = functions[file][found][1]
    return Traced(bytes.fromhex(made["bytecode"]["object"]), function_at)


def _instructions(code: bytes) -> Iterator[int]:
    place = 0
    while place < len(code):
        yield place
        push = code[place] - 0x5F
        place += 1 + (push if 0 < push <= 32 else 0)


def _places(source_map: str) -> Iterator[tuple[int, int]]:
    """Start in the file and number of the file for each instruction; what is left out is as before."""
    start, file = 0, -1
    for entry in source_map.split(";"):
        parts = [*entry.split(":"), "", "", ""]
        start = int(parts[0]) if parts[0] else start
        file = int(parts[2]) if parts[2] else file
        yield start, file


def traced_gas(traced: Traced, description: bytes, calldata: bytes) -> list[tuple[int, int]]:
    """Place and gas of each instruction that a call executes."""
    from eth.vm.message import Message
    from eth.vm.transaction_context import BaseTransactionContext
    from eth_abi.abi import encode
    from eth_tester import EthereumTester, PyEVMBackend  # type: ignore[import-untyped]
    from eth_utils.address import to_canonical_address
    from web3 import EthereumTesterProvider, Web3

    overrides = {"gas_limit": 60_000_000}
    backend: Any = PyEVMBackend(genesis_parameters=PyEVMBackend.generate_genesis_params(overrides=overrides))
    web3 = Web3(EthereumTesterProvider(EthereumTester(backend)))
    creation = traced.creation + encode(["bytes"], [description])
    sent = web3.eth.send_transaction({"from": web3.eth.accounts[0], "data": creation, "gas": 16_000_000})
    address = to_canonical_address(str(web3.eth.wait_for_transaction_receipt(sent)["contractAddress"]))
    state: Any = backend.chain.get_vm().state
    executed: list[tuple[int, int]] = []

    def counted(operation: Callable[..., None]) -> Callable[..., None]:
        def run(computation: Any) -> None:
            place, before = computation.code.program_counter - 1, computation._gas_meter.gas_remaining
            try:
                operation(computation=computation)
            finally:
                executed.append((place, before - computation._gas_meter.gas_remaining))

        return run

    machine: Any = type(state).computation_class
    opcodes = {number: counted(operation) for number, operation in machine.opcodes.items()}
    counting: Any = type("Counting", (machine,), {"opcodes": opcodes})
    sender = to_canonical_address(f"0x{1:040x}")
    message = Message(10**8, address, sender, 0, calldata, state.get_code(address))
    outcome = counting.apply_computation(state, message, BaseTransactionContext(1, sender))
    outcome.raise_if_error()
    return executed


def gas_of_steps(function_at: dict[int, str], executed: list[tuple[int, int]]) -> Counter[str]:
    """Gas by step: a step lasts until the function is entered that begins one of the next."""
    order, current = list(STEPS), 0
    total: Counter[str] = Counter()
    for place, gas in executed:
        name = function_at.get(place, "")
        # The compiler shares code between functions, so what looks like a step far ahead is none.
        if name in order[current + 1 : current + 3]:
            current = order.index(name)
        total[order[current]] += gas
    return total


def gas_of_functions(function_at: dict[int, str], executed: list[tuple[int, int]]) -> Counter[str]:
    """Gas by function; what the compiler adds between functions belongs to the one that ran last."""
    name = "verify"
    total: Counter[str] = Counter()
    for place, gas in executed:
        name = function_at.get(place, name)
        total[name] += gas
    return total


@dataclass(frozen=True, slots=True)
class Measured:
    """What the committed proof costs."""

    rows: list[tuple[str, int]]
    """The transaction's own gas, each step's, and the whole."""
    functions: Counter[str]


def measure() -> Measured:
    """Verify the committed proof, instruction by instruction."""
    from eth_abi.abi import encode

    from circuits.terminal_statement import pinned_chain
    from tests.verifier_contracts.terminal_bench import TerminalVector
    from verifier_contracts.artifact import load_circuit

    vector, circuit = TerminalVector.read(), load_circuit()
    key = pinned_chain().terminal.to_bytes(32, "big")
    types = ["bytes32", "uint256[]", "bytes"]
    calldata = keccak256(b"verify(bytes32,uint256[],bytes)")[:4] + encode(
        types, [key, list(vector.words), vector.proof]
    )
    traced = compiled()
    executed = traced_gas(traced, circuit.description, calldata)
    steps = gas_of_steps(traced.function_at, executed)
    own = 21_000 + 16 * len(calldata) - 12 * calldata.count(0)
    rows = [(f"transaction and {len(calldata):,} bytes of calldata", own)]
    rows += [(STEPS[name], steps[name]) for name in STEPS]
    whole = ("the whole", sum(gas for _, gas in rows))
    return Measured([*rows, whole], gas_of_functions(traced.function_at, executed))


def table(head: str, rows: list[tuple[str, int]]) -> str:
    """Lay rows out as Markdown."""
    return (
        "\n".join([f"| {head} | gas |", "|---|---:|", *(f"| {name} | {gas:,} |" for name, gas in rows)])
        + "\n"
    )


def main() -> int:
    """Measure and rewrite the tables."""
    measured = measure()
    text = rewritten(README.read_text(encoding="utf-8"), BEGIN, END, table("step", measured.rows))
    dearest = [(f"`{name}`", gas) for name, gas in measured.functions.most_common(DEAREST)]
    text = rewritten(text, FUNCTIONS_BEGIN, FUNCTIONS_END, table("function", dearest))
    README.write_text(text, encoding="utf-8")
    size = measured.rows[0][0].split()[2]
    print(f"verifying a terminal proof of {size} bytes: {measured.rows[-1][1]:,} gas")
    return 0


if __name__ == "__main__":
    sys.exit(main())
