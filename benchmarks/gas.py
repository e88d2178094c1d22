"""What every transaction to the clearing house costs: `python -m benchmarks.gas` rewrites the tables in the README.

The chain is the embedded one, so the figures are exact and repeat.
What the verifier itself takes is measured with the committed terminal proof, in pyrevm.
The contracts' tests set up the clearing house, so this runs in a checkout only.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.verifier_contracts.vault_bench import House

README: Path = Path(__file__).resolve().parent.parent / "verifier_contracts" / "README.md"

BEGIN, END = "<!-- gas table: begin -->", "<!-- gas table: end -->"

TRADES_BEGIN, TRADES_END = "<!-- trades table: begin -->", "<!-- trades table: end -->"

MAX_TRANSACTION_GAS: int = 16_777_216
"""EIP-7825."""

MAX_TRANSACTION_BYTES: int = 128 * 1024
"""What nodes relay."""

ENVELOPE_BYTES: int = 256
"""More than signature, fees, nonce and addresses of a transaction take."""

MAX_CHUNK_BYTES: int = 112 * 1024

TRADE_BYTES: int = 26

TRADES: int = 4096
"""Trades of the batch whose cost a trade is told."""

BASE_GAS: int = 21_000

FLOOR_GAS_OF_A_BYTE: int = 64
"""EIP-7976: a transaction pays at least this for each byte of calldata, zero or not."""

EXPIRY_DAYS: int = 30


@dataclass(frozen=True, slots=True)
class GasRow:
    """One kind of transaction."""

    transaction: str
    gas: int
    calldata_bytes: int

    @property
    def repriced(self) -> int:
        """Gas by EIP-7976 instead of EIP-7623, whose floor is never above it."""
        return max(self.gas, BASE_GAS + FLOOR_GAS_OF_A_BYTE * self.calldata_bytes)


@dataclass(slots=True)
class GasMeter:
    """Sends transactions and keeps what they cost."""

    house: House
    rows: list[GasRow]

    def measure(self, name: str, function: Any, sender: str, value: int = 0) -> None:
        """Send and write down."""
        calldata = bytes.fromhex(function._encode_transaction_data().removeprefix("0x"))
        done = self.house.send(function, sender, value)
        self.rows.append(GasRow(name, done["gasUsed"], len(calldata)))


def measure_owners(meter: GasMeter) -> None:
    """What depositors and owners send."""
    house, dollars = meter.house, 100 * 10**6
    house.deposit(house.bob)
    meter.measure(
        "deposit, which opens the account", house.function("deposit", house.alice, dollars), house.alice
    )
    meter.measure("deposit, again", house.function("deposit", house.alice, dollars), house.alice)
    charge = house.call("forcedItemCharge")
    key = [0x7F000000] * 7
    meter.measure("registerKey", house.function("registerKey", 1, 1, key, key), house.alice, charge)
    meter.measure("forceCancelOrders", house.function("forceCancelOrders", 5), house.alice, charge)
    meter.measure("forceWithdrawal", house.function("forceWithdrawal"), house.alice, charge)


def measure_governor(meter: GasMeter, expiry: int) -> None:
    """What the governor sends."""
    from eth_abi.abi import encode

    house = meter.house
    terms = encode(
        ["uint16", "uint16", "uint48", "uint32", "uint32", "uint32"], [7, 1, expiry, 10_000, 10**6, 10_000]
    )
    series = encode(["uint16", "uint32", "uint16"], [7, 5000, 1])
    parameters = encode(["uint16", "uint16", "uint32"], [100, 200, 1])
    actions = (("ListGroup", 0, terms), ("ListSeries", 1, series), ("SetParameters", 2, parameters))
    for name, action, arguments in actions:
        meter.measure(f"propose {name}", house.function("propose", action, arguments), house.governor)
    house.wait(house.call("timelock"))
    for number, (name, action, arguments) in enumerate(actions):
        execute = house.function("execute", number, action, arguments)
        meter.measure(f"execute {name}", execute, house.governor)


def measure_batches(meter: GasMeter) -> None:
    """What the sequencer, a prover and a claimant send."""
    house, noise = meter.house, random.Random(1)
    batch = house.prepare(
        [(house.alice, 10 + index) for index in range(100)], noise.randbytes(1000 * TRADE_BYTES)
    )
    meter.measure("begin", house.begin(batch), house.sequencer)
    append = house.function("append", batch.published)
    meter.measure("append 1,000 trades, 8 queue items, 100 claims", append, house.sequencer)
    meter.measure("seal", house.function("seal"), house.sequencer)
    meter.measure("prove a batch, without the verifier", house.proving(1, b""), house.stranger)
    meter.measure("claim, one of 100", house.claim(batch, 70, house.alice), house.alice)
    for count in (4, 8):
        first = house.call("sealedBatch") + 1
        for _ in range(count):
            house.publish(house.prepare())
        proving = house.proving(first, b"", count)
        meter.measure(f"prove {count} batches, without the verifier", proving, house.stranger)
    house.publish(house.prepare())
    meter.measure("revertBatches", house.function("revertBatches"), house.sequencer)


def measure_largest_chunks(meter: GasMeter) -> None:
    """The dearest chunks that fit a transaction."""
    house, noise = meter.house, random.Random(2)
    header = 26
    items = house.prepare().published[header:]
    full = MAX_CHUNK_BYTES - header - len(items)
    largest = house.prepare(records=noise.randbytes(full))
    house.send(house.begin(largest), house.sequencer)
    append = house.function("append", largest.published)
    meter.measure("append 112 KiB, records only", append, house.sequencer)
    count = (full - 60) // 28
    claims = [(house.alice, (1 << 62) - 1 - index) for index in range(count)]
    largest = house.prepare(claims)
    house.send(house.begin(largest), house.sequencer)
    append = house.function("append", largest.published)
    meter.measure("append 112 KiB, claims only", append, house.sequencer)
    # The shortest item: a series. Nobody queued these, which the seal would find out and the chunk does not.
    count = (MAX_CHUNK_BYTES - header) // 16
    body = b"".join(bytes([0, 5]) + noise.randbytes(14) for _ in range(count))
    empty = house.prepare(items=()).published
    length = (header + len(body)).to_bytes(4, "big")
    published = empty[:2] + length + empty[6:20] + count.to_bytes(2, "big") + empty[22:header] + body
    start = house.call("sealedBatch") + 1
    invented = type(largest)(start, published, (), largest.new_root)
    house.send(house.begin(invented), house.sequencer)
    append = house.function("append", published)
    meter.measure("append 112 KiB, queue items only", append, house.sequencer)
    house.send(house.function("revertBatches"), house.sequencer)


def measure_prices(meter: GasMeter, expiry: int) -> None:
    """What oracles and whoever carries their prices send."""
    from eth_account import Account

    from tests.verifier_contracts.vault_bench import ORACLES

    house = meter.house
    house.wait_until(expiry)
    for place, oracle in enumerate(ORACLES):
        price = 5000 - place
        signed = Account.unsafe_sign_hash(house.call("priceDigest", 7, price), oracle.key)
        parts = (signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big"))
        post = house.function("postPrice", 7, price, *parts)
        if place == 1:
            meter.measure("postPrice", post, house.stranger)
        else:
            house.send(post, house.stranger)
    house.wait(house.call("collectionPeriod") + 1)
    meter.measure("fixPrice, of five", house.function("fixPrice", 7), house.stranger)
    house.wait(house.call("queueWindow") + 2)
    meter.measure("freeze", house.function("freeze"), house.stranger)


def measure() -> list[GasRow]:
    """Run every kind of transaction once."""
    from tests.verifier_contracts.vault_bench import House

    house = House(verifier="SilentVerifier")
    meter = GasMeter(house, [])
    expiry = house.now + EXPIRY_DAYS * 86_400
    measure_owners(meter)
    measure_governor(meter, expiry)
    measure_batches(meter)
    measure_largest_chunks(meter)
    measure_prices(meter, expiry)
    return meter.rows


def measure_trades(trades: int = TRADES) -> list[GasRow]:
    """What a batch of so many trades sends, with proofs of one batch and of four."""
    from tests.verifier_contracts.terminal_bench import SettledHouse, TerminalVector
    from tests.verifier_contracts.vault_bench import House

    house, noise = House(verifier="SilentVerifier"), random.Random(3)
    meter = GasMeter(house, [])
    batch = house.prepare(records=noise.randbytes(trades * TRADE_BYTES))
    meter.measure("begin", house.begin(batch), house.sequencer)
    meter.measure(f"append {trades:,} trades", house.function("append", batch.published), house.sequencer)
    meter.measure("seal", house.function("seal"), house.sequencer)
    vector = TerminalVector.read()
    proven = GasMeter(house, [])
    for count in (1, 4):
        first = house.call("provedBatch") + 1
        while house.call("sealedBatch") < first + count - 1:
            house.publish(house.prepare())
        proven.measure(f"prove, {count}", house.proving(first, b"", count), house.stranger)
    settled = SettledHouse()
    list(settled.publish())
    used, size = settled.prove(vector)
    # The contract's own part of proving so many batches, instead of that of the committed proof.
    own = {row.transaction: row for row in proven.rows}
    one, four = own["prove, 1"], own["prove, 4"]
    more = (four.gas - one.gas) // 3
    single = GasRow("prove this batch alone", used - (len(vector.keys) - 1) * more, size)
    together = GasRow("prove this batch and three more", used + (4 - len(vector.keys)) * more, size)
    return [*meter.rows, single, together]


def trades_table(rows: list[GasRow]) -> str:
    """Lay out what the batch costs, and a trade of it."""
    lines = ["| transaction | gas | by EIP-7976 | calldata bytes |", "|---|---:|---:|---:|"]
    lines += [
        f"| {row.transaction} | {row.gas:,} | {row.repriced:,} | {row.calldata_bytes:,} |" for row in rows
    ]
    *published, single, together = rows
    for name, proof, share in (
        ("a trade, proved alone", single, 1),
        ("a trade, four batches a proof", together, 4),
    ):
        gas = round((sum(row.gas for row in published) + proof.gas / share) / TRADES)
        repriced = round((sum(row.repriced for row in published) + proof.repriced / share) / TRADES)
        lines.append(f"| **{name}** | **{gas:,}** | **{repriced:,}** | |")
    return "\n".join(lines) + "\n"


def table(rows: list[GasRow]) -> str:
    """Lay the rows out as Markdown."""
    lines = ["| transaction | gas | calldata bytes |", "|---|---:|---:|"]
    lines += [f"| {row.transaction} | {row.gas:,} | {row.calldata_bytes:,} |" for row in rows]
    return "\n".join(lines) + "\n"


def rewritten(text: str, begin: str, end: str, content: str) -> str:
    """The text with something else between two marks."""
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{content}{end}{after}"


def main() -> int:
    """Measure and rewrite the tables."""
    rows = measure()
    text = rewritten(README.read_text(encoding="utf-8"), BEGIN, END, table(rows))
    text = rewritten(text, TRADES_BEGIN, TRADES_END, trades_table(measure_trades()))
    README.write_text(text, encoding="utf-8")
    dearest = max(rows, key=lambda row: row.gas)
    print(f"{len(rows)} transactions; the dearest is {dearest.transaction}: {dearest.gas:,} gas")
    return 0


if __name__ == "__main__":
    sys.exit(main())
