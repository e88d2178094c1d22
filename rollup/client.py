"""The Python client of a node: places, cancels, transfers, reads, listens; `Client` waits, `AsyncClient` awaits.

    with Client("http://127.0.0.1:8645", account, secret) as client:
        receipt = client.place(Side.BUY, series, price=5_000_000, lots=2)

The client signs and numbers: before a slot's first order it asks the node for the largest number the slot has seen.
A secret never leaves the process: what is sent is what it signed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from threading import Thread
from time import time
from typing import Any, Final, Self, TypeVar

import aiohttp

from rollup.admission import message_of
from rollup.authority import Signature, TradingKey
from rollup.fields import to_words
from rollup.instruments import SeriesId, group_of, kind_of, strike_of
from rollup.node.engine import ORDER_TAG
from rollup.node.inputs import CANCEL_REQUEST_TAG, CancelRequest
from rollup.node.refusals import Refusal
from rollup.node.wire import Json, flat_to_json, order_to_json, transaction_to_json
from rollup.orders import Order, SignedOrder
from rollup.outcome import Transaction
from rollup.rejections import Rejection
from rollup.schnorr import SecretKey, sign
from rollup.state import Deployment
from rollup.transactions import TAGS, CancelOrders, SettleGroup, Transfer, Withdrawal
from rollup.units import (
    AccountId,
    Address,
    Amount,
    ChainId,
    FieldElement,
    GroupId,
    Lots,
    Nonce,
    OrderKind,
    OrderNumber,
    Price,
    RatePerMillion,
    Scalar,
    Side,
    SlotIndex,
    Time,
)

T = TypeVar("T")

DEFAULT_URL: Final = "http://127.0.0.1:8645"

ORDER_LIFETIME_SECONDS: Final = 3600
"""How long an order lives if nobody says: a forgotten program's quotes are gone within the hour."""

REQUEST_SECONDS: Final = 30.0

REASONS: Final[Mapping[str, Rejection | Refusal]] = {
    reason.value: reason for reason in (*Rejection, *Refusal)
}
"""Every name that a refusal can carry."""


class NodeRefusalError(Exception):
    """The node said no; `reason` is its name, from the rules or from the node."""

    def __init__(self, reason: Rejection | Refusal | str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason


class NodeUnreachableError(Exception):
    """No answer came; whether the node took what was sent is unknown until it is asked."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url}: {reason}")
        self.url = url


class NotANodeError(NodeUnreachableError):
    """Something answers there, but not as a node does."""


@dataclass(frozen=True, slots=True)
class OrderWish:
    """An order before it is numbered and signed."""

    side: Side
    series: SeriesId
    price: int
    lots: int
    slot: int = 0
    kind: OrderKind = OrderKind.LIMIT
    lifetime: int = ORDER_LIFETIME_SECONDS
    max_fee_rate: int | None = None


def unsigned() -> Signature:
    """What stands in a signature's place while its message is spelled; no message contains it."""
    zero = FieldElement(0)
    coordinate = (zero, zero, zero, zero, zero, zero, zero)
    return Signature(coordinate, coordinate, Scalar(0))


def _reason(name: str) -> Rejection | Refusal | str:
    return REASONS.get(name, name)


class AsyncClient:
    """Speaks to one node for at most one account; use it in `async with`."""

    def __init__(
        self, url: str = DEFAULT_URL, account: int | None = None, secret: SecretKey | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self.account = None if account is None else AccountId(account)
        self._secret = secret
        self._key: TradingKey | None = None if secret is None else secret.trading_key
        self._session: aiohttp.ClientSession | None = None
        self._deployment: Deployment | None = None
        self._fee_rate = 0
        self._seconds_ahead = 0.0
        self._numbers: dict[int, int] = {}

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        self._session = aiohttp.ClientSession(timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    # ----------------------------------------------------------------------------------------- requests

    def _connections(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("a client is used in `async with`")
        return self._session

    async def get(self, path: str, **query: int) -> Json:
        """Read something."""
        return await self._request("GET", path, params={name: str(value) for name, value in query.items()})

    async def post(self, path: str, body: Mapping[str, Any]) -> Json:
        """Send something."""
        return await self._request(
            "POST", path, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
        )

    async def _request(self, method: str, path: str, **arguments: Any) -> Json:
        try:
            async with self._connections().request(method, self.url + path, **arguments) as response:
                answer: Json = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NodeUnreachableError(self.url, str(error) or type(error).__name__) from error
        except ValueError as error:
            raise NotANodeError(self.url, f"the answer to {path} is not JSON") from error
        if not isinstance(answer, dict):
            raise NotANodeError(self.url, f"the answer to {path} is not an object")
        if response.status >= 400 and isinstance(answer.get("error"), str):
            raise NodeRefusalError(_reason(answer["error"]), str(answer.get("detail", "")))
        return answer

    async def _rows(self, path: str, name: str, **query: int) -> list[Json]:
        """Read a list of objects, which a node's answer holds under a name."""
        rows = (await self.get(path, **query)).get(name)
        if not isinstance(rows, list):
            raise NotANodeError(self.url, f"the answer to {path} holds no {name}")
        return rows

    # ------------------------------------------------------------------------------------------ readings

    async def health(self) -> Json:
        """Whether the node works; a failed one answers too."""
        return await self.get("/health")

    async def parameters(self) -> Json:
        """Deployment, fees, time."""
        return await self.get("/v1/parameters")

    async def groups(self) -> list[Json]:
        """Every group with its series."""
        return await self._rows("/v1/groups", "groups")

    async def book(self, series: SeriesId, depth: int = 20) -> Json:
        """The best prices of one series."""
        option = kind_of(series).name.lower()
        return await self.get(f"/v1/book/{group_of(series)}/{strike_of(series)}/{option}", depth=depth)

    async def trades(self, count: int = 50) -> list[Json]:
        """The newest trades, newest first."""
        return await self._rows("/v1/trades", "trades", count=count)

    async def batches(self, count: int = 50) -> list[Json]:
        """The newest batches, newest first."""
        return await self._rows("/v1/batches", "batches", count=count)

    async def batch(self, number: int) -> Json:
        """One batch."""
        return await self.get(f"/v1/batches/{number}")

    async def batch_data(self, number: int) -> bytes:
        """The bytes that a batch publishes."""
        try:
            async with self._connections().get(f"{self.url}/v1/batches/{number}/data") as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NodeUnreachableError(self.url, str(error) or type(error).__name__) from error
        if response.status >= 400:
            raise self._refusal(number, body)
        return body

    def _refusal(self, number: int, body: bytes) -> Exception:
        """What a node, or something else that answers there, says instead of a batch's bytes."""
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if isinstance(answer, dict) and isinstance(answer.get("error"), str):
            return NodeRefusalError(_reason(answer["error"]))
        return NotANodeError(self.url, f"it has no data of batch {number} and names no reason")

    async def account_state(self, account: int | None = None) -> Json:
        """An account with its margin; the client's own if none is named."""
        return await self.get(f"/v1/accounts/{self._own() if account is None else account}")

    async def open_orders(self, account: int | None = None) -> list[Json]:
        """An account's orders in the book."""
        name = self._own() if account is None else account
        return await self._rows(f"/v1/accounts/{name}/orders", "orders")

    async def input(self, sequence: int) -> Json:
        """One acknowledged input."""
        return await self.get(f"/v1/inputs/{sequence}")

    async def listen(self, *channels: str) -> AsyncIterator[Json]:
        """Hear book, trades and batches until the node or the caller stops."""
        query = f"?channels={','.join(channels)}" if channels else ""
        async with self._connections().ws_connect(f"{self.url}/v1/feed{query}", heartbeat=30) as socket:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    yield json.loads(message.data)

    # --------------------------------------------------------------------------------------- submissions

    async def place(self, side: Side, series: SeriesId, price: int, lots: int, **terms: Any) -> Json:
        """Sign and place an order; `terms` are the other fields of an `OrderWish`.

        The answer is the receipt, with the slot and the number that a later cancel has to name.
        """
        wish = OrderWish(side, series, price, lots, **terms)
        signed = await self.signed_order(wish)
        try:
            receipt = await self.send_order(signed)
        except NodeRefusalError as refused:
            if refused.reason is not Refusal.ORDER_NUMBER_USED:
                raise
            # Another program has used the slot: ask again.
            self._numbers.pop(signed.order.slot, None)
            signed = await self.signed_order(wish)
            receipt = await self.send_order(signed)
        return receipt | {"slot": int(signed.order.slot), "number": int(signed.order.number)}

    async def send_order(self, signed: SignedOrder) -> Json:
        """Send an order that is signed already."""
        return await self.post("/v1/orders", order_to_json(signed))

    async def signed_order(self, wish: OrderWish) -> SignedOrder:
        """Number and sign an order without sending it."""
        await self._learn()
        order = Order(
            self._own(),
            SlotIndex(wish.slot),
            await self._next_number(wish.slot),
            wish.side,
            wish.kind,
            group_of(wish.series),
            strike_of(wish.series),
            kind_of(wish.series),
            Price(wish.price),
            Lots(wish.lots),
            RatePerMillion(self._fee_rate if wish.max_fee_rate is None else wish.max_fee_rate),
            Time(self._now() + wish.lifetime),
        )
        return SignedOrder(order, await self._signature(ORDER_TAG, order))

    async def cancel(self, slot: int, number: int) -> Json:
        """Take one order out of the book."""
        await self._learn()
        request = CancelRequest(self._own(), SlotIndex(slot), OrderNumber(number), unsigned())
        signed = replace(request, signature=await self._signature(CANCEL_REQUEST_TAG, request))
        return await self.post("/v1/cancels", flat_to_json(signed))

    async def cancel_all(self) -> list[Json]:
        """Take every order of the account out of the book."""
        return [await self.cancel(order["slot"], order["number"]) for order in await self.open_orders()]

    async def raise_floor(self, floor: int) -> Json:
        """Kill every order below a number, for Ethereum to see."""
        return await self._own_transaction(
            lambda nonce: CancelOrders(self._own(), OrderNumber(floor), nonce, unsigned())
        )

    async def transfer(self, receiver: int, amount: int) -> Json:
        """Send cash to another account."""
        return await self._own_transaction(
            lambda nonce: Transfer(self._own(), AccountId(receiver), Amount(amount), nonce, unsigned())
        )

    async def withdraw(self, amount: int) -> Json:
        """Ask for cash: it becomes a claim of the account's owner."""
        return await self._own_transaction(
            lambda nonce: Withdrawal(self._own(), Amount(amount), nonce, unsigned())
        )

    async def settle(self, account: int, group: int) -> Json:
        """Settle one account in one fixed group; anyone may."""
        return await self.post(
            "/v1/transactions", transaction_to_json(SettleGroup(AccountId(account), GroupId(group)))
        )

    # ------------------------------------------------------------------------------------------- signing

    def _own(self) -> AccountId:
        if self.account is None:
            raise ValueError("this client was made without an account")
        return self.account

    async def _own_transaction(self, make: Callable[[Nonce], Transaction]) -> Json:
        await self._learn()
        transaction = make(Nonce((await self.account_state())["nonce"]))
        signature = await self._signature(TAGS[type(transaction)], transaction)
        spelled = transaction_to_json(transaction) | {"signature": "0x" + to_words(signature).hex()}
        return await self.post("/v1/transactions", spelled)

    async def _signature(self, tag: int, signed: object) -> Signature:
        if self._secret is None or self._key is None or self._deployment is None:
            raise ValueError("this client was made without a secret key")
        message = message_of(self._deployment, self._key.suite, self._own(), tag, signed)
        return await asyncio.to_thread(sign, self._secret, message)

    async def _learn(self) -> None:
        """Ask once for what signing needs."""
        if self._deployment is not None:
            return
        known = await self.parameters()
        self._deployment = Deployment(ChainId(known["chain"]), Address(int(known["contract"], 16)))
        self._fee_rate = max(known["maker_fee_rate"], known["taker_fee_rate"])
        self._seconds_ahead = known["time"] - _wall_clock()

    def _now(self) -> int:
        """The node's time, as far as it is known."""
        return int(_wall_clock() + self._seconds_ahead)

    async def _next_number(self, slot: int) -> OrderNumber:
        """The number after the largest that the slot has seen, and not below the account's floor."""
        if slot not in self._numbers:
            seen = (await self.get(f"/v1/accounts/{self._own()}/slots/{slot}"))["number"]
            floor = (await self.account_state())["order_floor"]
            # Another task may have asked at the same time.
            self._numbers[slot] = max(self._numbers.get(slot, 0), floor, 1, 0 if seen is None else seen + 1)
        number = self._numbers[slot]
        self._numbers[slot] = number + 1
        return OrderNumber(number)


class Client:
    """The same client for programs without an event loop: every call waits for its answer."""

    def __init__(
        self, url: str = DEFAULT_URL, account: int | None = None, secret: SecretKey | None = None
    ) -> None:
        self.asynchronous = AsyncClient(url, account, secret)
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="clearing client", daemon=True)
        self._is_closed = False

    def __enter__(self) -> Self:
        self._thread.start()
        self._wait(self.asynchronous.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections and the thread."""
        if self._is_closed:
            return
        self._is_closed = True
        self._wait(self.asynchronous.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def health(self) -> Json:
        """Whether the node works."""
        return self._wait(self.asynchronous.health())

    def parameters(self) -> Json:
        """Deployment, fees, time."""
        return self._wait(self.asynchronous.parameters())

    def groups(self) -> list[Json]:
        """Every group with its series."""
        return self._wait(self.asynchronous.groups())

    def book(self, series: SeriesId, depth: int = 20) -> Json:
        """The best prices of one series."""
        return self._wait(self.asynchronous.book(series, depth))

    def trades(self, count: int = 50) -> list[Json]:
        """The newest trades, newest first."""
        return self._wait(self.asynchronous.trades(count))

    def batches(self, count: int = 50) -> list[Json]:
        """The newest batches, newest first."""
        return self._wait(self.asynchronous.batches(count))

    def batch(self, number: int) -> Json:
        """One batch."""
        return self._wait(self.asynchronous.batch(number))

    def batch_data(self, number: int) -> bytes:
        """The bytes that a batch publishes."""
        return self._wait(self.asynchronous.batch_data(number))

    def account_state(self, account: int | None = None) -> Json:
        """An account with its margin."""
        return self._wait(self.asynchronous.account_state(account))

    def open_orders(self, account: int | None = None) -> list[Json]:
        """An account's orders in the book."""
        return self._wait(self.asynchronous.open_orders(account))

    def input(self, sequence: int) -> Json:
        """One acknowledged input."""
        return self._wait(self.asynchronous.input(sequence))

    def place(self, side: Side, series: SeriesId, price: int, lots: int, **terms: Any) -> Json:
        """Sign and place an order."""
        return self._wait(self.asynchronous.place(side, series, price, lots, **terms))

    def signed_order(self, wish: OrderWish) -> SignedOrder:
        """Number and sign an order without sending it."""
        return self._wait(self.asynchronous.signed_order(wish))

    def send_order(self, signed: SignedOrder) -> Json:
        """Send an order that is signed already."""
        return self._wait(self.asynchronous.send_order(signed))

    def cancel(self, slot: int, number: int) -> Json:
        """Take one order out of the book."""
        return self._wait(self.asynchronous.cancel(slot, number))

    def cancel_all(self) -> list[Json]:
        """Take every order of the account out of the book."""
        return self._wait(self.asynchronous.cancel_all())

    def raise_floor(self, floor: int) -> Json:
        """Kill every order below a number, for Ethereum to see."""
        return self._wait(self.asynchronous.raise_floor(floor))

    def transfer(self, receiver: int, amount: int) -> Json:
        """Send cash to another account."""
        return self._wait(self.asynchronous.transfer(receiver, amount))

    def withdraw(self, amount: int) -> Json:
        """Ask for cash."""
        return self._wait(self.asynchronous.withdraw(amount))

    def settle(self, account: int, group: int) -> Json:
        """Settle one account in one fixed group."""
        return self._wait(self.asynchronous.settle(account, group))


def _wall_clock() -> float:
    return time()
