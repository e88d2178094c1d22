"""The client, awaiting and waiting, against a node that really listens."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from rollup.client import AsyncClient, Client, NodeRefusalError, NodeUnreachableError
from rollup.node.refusals import Refusal
from rollup.rejections import Rejection
from rollup.units import OrderKind, Side
from tests.rollup.node.desk import ALICE, BOB, DOLLAR, small_market
from tests.rollup.node.server_desk import served
from tests.rollup.node.test_sequencer import until

MARKET = small_market()
CALL = MARKET.series[0]


def test_two_clients_trade_transfer_cancel_and_listen(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            served(tmp_path, batch_transactions=3) as node,
            AsyncClient(node.url, ALICE, MARKET.secrets[ALICE]) as alice,
            AsyncClient(node.url, BOB, MARKET.secrets[BOB]) as bob,
        ):
            heard = []

            async def listen() -> None:
                async for news in bob.listen("trades", "batches"):
                    if news.get("stage") == "open":
                        continue
                    heard.append(news["channel"])
                    if news["channel"] == "batches":
                        return

            listening = asyncio.create_task(listen())
            await until(lambda: len(node.sequencer.feed) == 1)
            offered = await alice.place(Side.SELL, CALL, 5 * DOLLAR, 3)
            assert offered["status"] == "resting"
            taken = await bob.place(Side.BUY, CALL, 6 * DOLLAR, 2, kind=OrderKind.IMMEDIATE)
            assert (taken["status"], taken["filled"], taken["fills"][0]["price"]) == ("filled", 2, 5 * DOLLAR)
            assert taken["fills"][0]["fee"] == 10 * DOLLAR * 300 // 1_000_000
            assert [(level["price"], level["lots"]) for level in (await bob.book(CALL))["asks"]] == [
                (5 * DOLLAR, 1)
            ]
            (left,) = await alice.open_orders()
            assert left["remaining"] == 1
            assert (await alice.cancel_all())[0]["status"] == "done"
            assert await alice.open_orders() == []
            await alice.transfer(BOB, DOLLAR)
            await alice.withdraw(5 * DOLLAR)
            await asyncio.wait_for(listening, 10)
            assert heard == ["trades", "batches"]
            state = await bob.account_state()
            assert state["positions"] == [{"group": 1, "strike": 80, "option": "call", "lots": 2}]
            assert (await alice.batch(1))["claims"] == [
                {"owner": f"0x{MARKET.owner(ALICE):040x}", "amount": 5 * DOLLAR}
            ]
            assert len(await alice.batch_data(1)) == (await alice.batches())[0]["bytes"]

    asyncio.run(play())


def test_a_client_that_starts_again_goes_on_numbering(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path) as node:
            for expected in (1, 2):
                async with AsyncClient(node.url, ALICE, MARKET.secrets[ALICE]) as alice:
                    await alice.place(Side.BUY, CALL, DOLLAR, 1)
                    assert [order["number"] for order in await alice.open_orders()] == [expected]
            async with (
                AsyncClient(node.url, ALICE, MARKET.secrets[ALICE]) as one,
                AsyncClient(node.url, ALICE, MARKET.secrets[ALICE]) as other,
            ):
                for client in (one, other, one, other):
                    await client.place(Side.BUY, CALL, DOLLAR, 1)
            await one_floor(node.url)

    async def one_floor(url: str) -> None:
        async with AsyncClient(url, ALICE, MARKET.secrets[ALICE]) as alice:
            await alice.raise_floor(100)
        async with AsyncClient(url, ALICE, MARKET.secrets[ALICE]) as alice:
            await alice.place(Side.BUY, CALL, DOLLAR, 1)
            assert [order["number"] for order in await alice.open_orders()] == [100]

    asyncio.run(play())


def test_refusals_are_raised_by_name_and_silence_by_address(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path) as node, AsyncClient(node.url, ALICE, MARKET.secrets[ALICE]) as alice:
            with pytest.raises(NodeRefusalError) as raised:
                await alice.place(Side.BUY, CALL, 1_000 * DOLLAR, 1_000_000)
            assert raised.value.reason is Rejection.CASH_INSUFFICIENT
            with pytest.raises(NodeRefusalError) as raised:
                await alice.cancel(0, 77)
            assert raised.value.reason is Refusal.ORDER_NOT_IN_BOOK
            with pytest.raises(NodeRefusalError, match="group_not_fixed"):
                await alice.settle(ALICE, 1)
            with pytest.raises(NodeRefusalError, match="not_found"):
                await alice.batch_data(9)
            anyone = AsyncClient(node.url)
            async with anyone:
                assert len(await anyone.groups()) == 4
                with pytest.raises(ValueError, match="without an account"):
                    await anyone.place(Side.BUY, CALL, DOLLAR, 1)
        async with AsyncClient(node.url) as late:
            with pytest.raises(NodeUnreachableError, match=node.url):
                await late.health()

    asyncio.run(play())


def test_the_waiting_client_does_the_same(tmp_path: Path) -> None:
    urls: list[str] = []
    is_ready, is_over = Event(), Event()

    async def serve_until_over() -> None:
        async with served(tmp_path) as node:
            urls.append(node.url)
            is_ready.set()
            await asyncio.to_thread(is_over.wait)

    node = Thread(target=lambda: asyncio.run(serve_until_over()))
    node.start()
    try:
        assert is_ready.wait(30)
        with (
            Client(urls[0], ALICE, MARKET.secrets[ALICE]) as alice,
            Client(urls[0], BOB, MARKET.secrets[BOB]) as bob,
        ):
            alice.place(Side.SELL, CALL, 5 * DOLLAR, 3)
            receipt = bob.place(Side.BUY, CALL, 5 * DOLLAR, 1)
            assert receipt["filled"] == 1
            assert bob.input(receipt["sequence"])["kind"] == "order"
            assert bob.trades()[0]["seller"] == ALICE
            assert bob.book(CALL)["asks"][0]["lots"] == 2
            assert bob.transfer(ALICE, 1)["status"] == "done"
            assert bob.withdraw(1)["status"] == "done"
            assert [one["status"] for one in alice.cancel_all()] == ["done"]
            assert alice.open_orders() == alice.batches() == []
            assert alice.raise_floor(10)["status"] == "done"
            assert alice.account_state()["nonce"] == 1
            assert alice.health()["status"] == "ok"
            assert alice.parameters()["taker_fee_rate"] == 300
            assert len(alice.groups()[0]["series"]) == 8
            for call in (lambda: alice.batch(9), lambda: alice.batch_data(9), lambda: alice.settle(ALICE, 1)):
                with pytest.raises(NodeRefusalError):
                    call()
    finally:
        is_over.set()
        node.join()


def test_the_market_maker_of_the_documentation_quotes_both_sides_of_every_series(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    program = text.split("```python\n")[1].split("```")[0]
    assert len(program.splitlines()) <= 60
    names: dict[str, Any] = {}
    exec(compile(program, "docs/api.md", "exec"), names)  # noqa: S102 - the documentation's own program

    async def play() -> None:
        async with served(tmp_path) as node:
            await names["main"](node.url, ALICE, MARKET.secrets[ALICE], 100, 1)
            assert node.sequencer.engine.book.count == 2 * len(MARKET.series)

    asyncio.run(play())
    assert capsys.readouterr() == ("64 quotes stand\n", "")
