"""Reading back what batches published on Ethereum: all that anyone needs to repeat every state."""

from __future__ import annotations

from typing import Any, Final

from prover.hash.keccak import keccak256
from rollup.node.block_spans import in_spans
from rollup.node.ethereum import Ethereum, EthereumError

EVENTS: Final = ("BatchBegun", "ChunkAppended", "BatchSealed", "BatchesReverted", "Frozen")
"""What the contract says of its batches, in the order in which it can happen to one."""

APPEND: Final = keccak256(b"append(bytes)")[:4]
"""What a call of `append` begins with."""

WORD: Final = 32


def published_batches(ethereum: Ethereum, contract: Any, from_block: int = 0) -> list[bytes]:
    """The data of every sealed batch, in order, out of the transactions that carried it.

    Only calls of the contract itself are read: what another contract passed on stands in no calldata of its own.
    """
    sealed: list[bytes] = []
    gathered = b""
    for log in _logs(ethereum, contract, from_block):
        name, values = log["event"], log["args"]
        if name == "BatchBegun":
            gathered = b""
        elif name == "ChunkAppended":
            gathered += _chunk(ethereum, contract, log)
        elif name == "BatchSealed":
            sealed.append(gathered)
        elif name == "BatchesReverted":
            del sealed[values["firstReverted"] - 1 :]
        else:
            # A freeze voids whatever is not proved.
            del sealed[values["provedBatch"] :]
    return sealed


def _logs(ethereum: Ethereum, contract: Any, from_block: int) -> list[Any]:
    """Everything the contract said of batches, oldest first; asked for at once, because each request is a search."""
    readers = {_topic(contract, name): contract.events[name]() for name in EVENTS}

    def ask(start: int, end: int) -> list[Any]:
        wanted: Any = {
            "address": contract.address,
            "fromBlock": start,
            "toBlock": end,
            "topics": [list(readers)],
        }
        return list(ethereum.web3.eth.get_logs(wanted))

    found = [
        readers["0x" + bytes(log["topics"][0]).hex()].process_log(log)
        for log in in_spans(from_block, ethereum.web3.eth.block_number, ask)
    ]
    return sorted(found, key=lambda log: (log["blockNumber"], log["logIndex"]))


def _topic(contract: Any, name: str) -> str:
    """The first topic of an event, by which it is known."""
    return "0x" + str(contract.events[name]().topic).removeprefix("0x")


def _chunk(ethereum: Ethereum, contract: Any, log: Any) -> bytes:
    """The bytes that one `append` carried."""
    transaction = ethereum.web3.eth.get_transaction(log["transactionHash"])
    chunk = chunk_of_call(bytes(transaction["input"])) if transaction.get("to") == contract.address else None
    if chunk is None or len(chunk) != log["args"]["length"]:
        raise EthereumError(f"the data of batch {log['args']['number']} is not in its transaction's calldata")
    return chunk


def chunk_of_call(message: bytes) -> bytes | None:
    """Read the chunk out of a call of `append` as the contract does, or say that there is none.

    Soundness: a strict decoder also asks what stands behind the chunk and in front of it. The contract does not, so a
    sequencer could spell a batch that is proved and that nobody with such a decoder reads, and nobody could leave.
    """
    if message[: len(APPEND)] != APPEND:
        return None
    arguments = message[len(APPEND) :]
    start = int.from_bytes(arguments[:WORD]) + WORD
    length = int.from_bytes(arguments[start - WORD : start])
    chunk = arguments[start : start + length]
    return chunk if chunk and len(chunk) == length else None
