"""The embedded chain's JSON-RPC on loopback: for the other commands, and for wallets.

Only signed transactions are taken, so whatever is mined was written down and survives a kill.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from web3.types import RPCEndpoint

from rollup.node.ethereum import EmbeddedChain, revert_output
from rollup.node.server import listen

METHODS: Final = frozenset(
    {
        "eth_blockNumber",
        "eth_call",
        "eth_chainId",
        "eth_estimateGas",
        "eth_feeHistory",
        "eth_gasPrice",
        "eth_getBalance",
        "eth_getBlockByHash",
        "eth_getBlockByNumber",
        "eth_getCode",
        "eth_getLogs",
        "eth_getStorageAt",
        "eth_getTransactionByHash",
        "eth_getTransactionCount",
        "eth_getTransactionReceipt",
        "eth_maxPriorityFeePerGas",
        "net_version",
        "web3_clientVersion",
    }
)
"""What is passed on as it is; sending, and travelling in time, go their own way."""

GIVE_ETHER: Final = "practice_giveEther"
"""Pays worthless ether to an address; no other chain has such a method, so asking cannot cost anyone anything."""

METHOD_UNKNOWN: Final = -32601
REQUEST_FAILED: Final = -32000
CALL_REVERTED: Final = 3
"""What other nodes answer, with the contract's own words in `data`, so that wallets can name the error."""
BODY_BYTES: Final = 512 * 1024
"""A chunk of batch data is 112 KiB, twice that in hex."""

BLOOM_HEX_DIGITS: Final = 512


def spelled(value: Any, name: str = "") -> Any:
    """Spell an answer as JSON-RPC has it: quantities and bytes in hex."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return f"0x{value:0{BLOOM_HEX_DIGITS}x}" if name == "logsBloom" else hex(value)
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, Mapping):
        return {key: spelled(one, key) for key, one in value.items()}
    return [spelled(one) for one in value]


def answer(chain: EmbeddedChain, request: Any) -> dict[str, Any]:
    """Answer one request."""
    if not isinstance(request, dict):
        return {"jsonrpc": "2.0", "id": None, "error": {"code": REQUEST_FAILED, "message": "not a request"}}
    name, params = request.get("method"), request.get("params", [])
    head = {"jsonrpc": "2.0", "id": request.get("id")}
    try:
        if name == "eth_sendRawTransaction":
            return head | {
                "result": spelled(bytes(chain.send_raw(bytes.fromhex(params[0].removeprefix("0x")))))
            }
        if name == "evm_travel":
            chain.travel(int(params[0]))
            return head | {"result": True}
        if name == GIVE_ETHER:
            return head | {"result": spelled(chain.give_ether(str(params[0]))["transactionHash"])}
        if name not in METHODS:
            message = f"{name} is not answered here; transactions are signed by whoever sends them"
            return head | {"error": {"code": METHOD_UNKNOWN, "message": message}}
        return head | {"result": spelled(chain.web3.manager.request_blocking(RPCEndpoint(name), params))}
    except Exception as error:  # noqa: BLE001 - py-evm and its decoders raise what they like at a stranger's bytes
        text = str(error) or type(error).__name__
        output = revert_output(text)
        if output is not None:
            data = {"code": CALL_REVERTED, "message": "execution reverted", "data": spelled(output)}
            return head | {"error": data}
        return head | {"error": {"code": REQUEST_FAILED, "message": text.splitlines()[0]}}


def application(chain: EmbeddedChain) -> web.Application:
    """One route."""

    async def handle(request: web.Request) -> web.Response:
        # A page in somebody's browser may send text to any port, but JSON only where it is invited.
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType
        try:
            body = json.loads(await request.read())
        except ValueError:
            body = None
        if isinstance(body, list):
            answers: Any = [await asyncio.to_thread(answer, chain, one) for one in body]
        else:
            answers = await asyncio.to_thread(answer, chain, body)
        return web.json_response(answers)

    app = web.Application(client_max_size=BODY_BYTES)
    app.router.add_post("/", handle)
    return app


async def serve_chain(chain: EmbeddedChain, host: str, port: int) -> web.AppRunner:
    """Listen."""
    runner = web.AppRunner(application(chain), access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    await listen(runner, host, port)
    return runner
