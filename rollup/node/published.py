"""Reading back what batches published on Ethereum: all that anyone needs to repeat every state."""

from __future__ import annotations

from typing import Any, Final

from rollup.node.ethereum import Ethereum, EthereumError

EVENTS: Final = ("BatchBegun", "ChunkAppended", "BatchSealed", "BatchesReverted", "Frozen")
"""What the contract says of its batches, in the order in which it can happen to one."""

BLOCKS_AT_ONCE: Final = 2000
"""Blocks one request for events spans; public nodes answer no more."""


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
    newest = ethereum.web3.eth.block_number
    found: list[Any] = []
    for start in range(from_block, newest + 1, BLOCKS_AT_ONCE):
        end = min(start + BLOCKS_AT_ONCE - 1, newest)
        wanted: Any = {
            "address": contract.address,
            "fromBlock": start,
            "toBlock": end,
            "topics": [list(readers)],
        }
        found += [
            readers["0x" + bytes(log["topics"][0]).hex()].process_log(log)
            for log in ethereum.web3.eth.get_logs(wanted)
        ]
    return sorted(found, key=lambda log: (log["blockNumber"], log["logIndex"]))


def _topic(contract: Any, name: str) -> str:
    """The first topic of an event, by which it is known."""
    return "0x" + str(contract.events[name]().topic).removeprefix("0x")


def _chunk(ethereum: Ethereum, contract: Any, log: Any) -> bytes:
    """The bytes that one `append` carried."""
    transaction = ethereum.web3.eth.get_transaction(log["transactionHash"])
    function, values = contract.decode_function_input(transaction["input"])
    chunk = bytes(values.get("chunk", b""))
    if function.fn_name != "append" or len(chunk) != log["args"]["length"]:
        raise EthereumError(f"the data of batch {log['args']['number']} is not in its transaction's calldata")
    return chunk
