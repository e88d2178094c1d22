"""Fronts: people notice nothing of them, whatever happens to one, and no order is believed on an old key."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from benchmarks.clearing_workload import plain
from rollup.node.front_link import FrameKind, Link, Verdict, frame, spell_keys, spelled_keys
from rollup.node.fronts import FrontError, KeyList, ListenError
from rollup.node.gathered import Known, Receipt
from rollup.node.inputs import CancelRequest, Submission
from rollup.node.refusals import Refusal
from rollup.node.server import ServerSettings, port_of, serve
from rollup.node.submissions import spell_submission, spelled_submission
from rollup.node.wire import flat_to_json, order_to_json, transaction_to_json
from rollup.orders import SignedOrder
from rollup.rejections import Rejection
from rollup.transactions import CancelOrders, RegisterKey, Transfer
from rollup.units import AccountId
from tests.rollup.node.desk import ALICE, BOB, CAROL, DOLLAR, Desk
from tests.rollup.node.front_desk import (
    answer,
    ask,
    fronted,
    order_request,
    request,
    run,
    verified_by_node,
)
from tests.rollup.node.server_desk import Served, served
from tests.rollup.node.test_sequencer import until

# ------------------------------------------------------------------------------------------- as without a front


def test_a_front_answers_as_the_node_does(tmp_path: Path) -> None:
    """Everything that may be asked is asked of a front and of the node's own server: same status, same body."""
    desk = Desk()
    order = desk.buy(ALICE, 5, 1)
    forged = SignedOrder(order.order, desk.buy(BOB, 5, 1).signature)
    poor = desk.transaction(Transfer, ALICE, ALICE, BOB, 99_000_000 * DOLLAR, 0)
    stranger = plain(CancelRequest, 99, 0, 1, order.signature)
    spelled = json.dumps(order_to_json(order)).encode()
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(spelled), spelled)
    asked = [
        order_request(order),
        order_request(order),
        order_request(forged),
        order_request(order, "Connection: close"),
        request("POST", "/v1/orders?x=1", spelled),
        request("POST", "/v1/orders", b"{"),
        request("POST", "/v1/orders", b"[1]"),
        request("POST", "/v1/orders", b"[" * 9000),
        request("POST", "/v1/orders", b"\xff"),
        request("POST", "/v1/orders", json.dumps(order_to_json(order) | {"lots": -1}).encode()),
        request("POST", "/v1/orders"),
        request("POST", "/v1/orders", b" " * 20_000),
        request("POST", "/v1/cancels", json.dumps(flat_to_json(desk.cancel(ALICE, 3, 1))).encode()),
        request("POST", "/v1/cancels", json.dumps(flat_to_json(stranger)).encode()),
        request("POST", "/v1/transactions", json.dumps(transaction_to_json(poor)).encode()),
        request("POST", "/v1/transactions", b'{"type": "Trade"}'),
        request("POST", "/v1/nowhere", b"{}"),
        request("DELETE", "/v1/orders"),
        request("GET", "/v1/orders"),
        request("GET", "/v1/accounts/99"),
        request("GET", f"/v1/accounts/{ALICE}"),
        request("GET", "/v1/trades?count=1001"),
        request("GET", "/v1/feed?channels=all"),
        request("GET", "/v1/feed"),
        request("GET", "/"),
        request("HEAD", "/v1/groups"),
        request("GET", "/v1/openapi.json"),
        request("POST", "/v1/orders", b"", "Transfer-Encoding: chunked") + chunked,
        request("POST", "/v1/orders", b"", "Transfer-Encoding: chunked", "Connection: keep-alive") + chunked,
        request("GET", "/v1/groups").replace(b"HTTP/1.1", b"HTTP/1.0"),
        request("GET", "/v1/groups", b"", "Connection: keep-alive, Upgrade"),
    ]

    async def scene(node: Served) -> None:
        direct = await serve(node.sequencer, ServerSettings(port=0))
        url = f"http://127.0.0.1:{port_of(direct)}"
        try:
            # The first order is taken once; asked of whom it may.
            assert (await ask(node.url, asked[0]))[0] == 200
            for one in asked[1:]:
                through, straight = await ask(node.url, one), await ask(url, one)
                assert through == straight, one[:200]
        finally:
            await direct.cleanup()

    run(tmp_path, scene)


def test_requests_on_one_connection_are_answered_in_their_order(tmp_path: Path) -> None:
    desk = Desk()
    orders = [desk.buy(ALICE, 5, 1, slot=slot) for slot in range(20)]

    async def scene(node: Served) -> None:
        before = verified_by_node(node.sequencer)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(node.url.rsplit(":", 1)[1]))
        sent = [order_request(one) for one in orders]
        sent.insert(10, request("GET", "/v1/groups"))
        sent.insert(5, request("POST", "/v1/orders", b"{"))
        writer.write(b"".join(sent))
        answers = [await answer(reader) for _ in sent]
        assert [status for status, _ in answers] == [400 if place == 5 else 200 for place in range(22)]
        sequences = [
            json.loads(body).get("sequence")
            for place, (_, body) in enumerate(answers)
            if place not in {5, 11}
        ]
        assert sequences == list(range(sequences[0], sequences[0] + 20))
        # In pieces of any size, and the last with the connection's end.
        last = order_request(desk.buy(BOB, 5, 1), "Connection: close")
        for start in range(0, len(last), 100):
            writer.write(last[start : start + 100])
            await writer.drain()
            await asyncio.sleep(0)
        assert (await answer(reader))[0] == 200
        assert await reader.read() == b""
        writer.close()
        assert verified_by_node(node.sequencer) == before

    run(tmp_path, scene)


def test_what_an_address_may_ask_is_counted_once(tmp_path: Path) -> None:
    async def scene(node: Served) -> None:
        statuses = [(await ask(node.url, request("GET", "/health")))[0] for _ in range(3)]
        statuses += [(await ask(node.url, request("POST", "/v1/orders", b"{")))[0] for _ in range(3)]
        assert statuses == [200, 200, 200, 400, 400, 429]
        unplain = request("GET", "/health", b"", "Expect: nothing")
        status, body = await ask(node.url, unplain)
        assert (status, json.loads(body)["error"]) == (429, Refusal.RATE_EXCEEDED)

    run(tmp_path, scene, fronted(requests_per_second=0.001, request_burst=5))


def test_the_feed_goes_through_a_front(tmp_path: Path) -> None:
    desk = Desk()

    async def scene(node: Served) -> None:
        async with aiohttp.ClientSession(node.url) as session:
            async with session.ws_connect("/v1/feed?channels=trades") as heard:
                for order in (desk.sell(ALICE, 5, 3), desk.buy(BOB, 6, 2)):
                    async with session.post("/v1/orders", json=order_to_json(order)) as response:
                        assert response.status == 200
                trade = await asyncio.wait_for(heard.receive_json(), 10)
            assert trade["lots"] == 2
            await until(lambda: len(node.sequencer.feed) == 0)
            # A listener does not keep the node from stopping, and is told goodbye.
            await session.ws_connect("/v1/feed")
            await until(lambda: len(node.sequencer.feed) == 1)

    run(tmp_path, scene)


# --------------------------------------------------------------------------------------------- when one dies


def test_a_front_that_dies_is_started_again_and_takes_nothing_with_it(tmp_path: Path) -> None:
    desk = Desk()

    async def scene(node: Served) -> None:
        fronts = node.fronts
        assert fronts is not None
        first = [await ask(node.url, order_request(desk.buy(ALICE, 5, 1, slot=slot))) for slot in range(3)]
        assert [status for status, _ in first] == [200] * 3
        (old,) = fronts.processes
        os.kill(old, signal.SIGKILL)
        # Connections that come meanwhile wait in the listening socket, which is the node's.
        status, body = await ask(node.url, order_request(desk.buy(BOB, 5, 1)))
        assert status == 200
        assert json.loads(body)["sequence"] == json.loads(first[-1][1])["sequence"] + 1
        (new,) = fronts.processes
        assert new != old
        assert fronts.restarts == 1
        for _, kept in first:
            row = node.sequencer.directory.journal.rows([json.loads(kept)["sequence"]])
            assert len(row) == 1
        assert node.sequencer.engine.book.count == 4

    run(tmp_path, scene, has_process=True)


def test_a_front_ends_with_its_node(tmp_path: Path) -> None:
    """A node that is killed closes its end of the link, and says nothing."""

    async def scene(node: Served) -> None:
        fronts = node.fronts
        assert fronts is not None
        (running,) = fronts._running
        assert running.link is not None
        running.link.close()
        assert await asyncio.wait_for(running.process.wait(), 10) == 0
        await until(lambda: bool(fronts.processes) and fronts.processes != [running.process.pid])

    run(tmp_path, scene, has_process=True)


def test_nothing_is_left_of_a_node_that_stops_while_people_ask(tmp_path: Path) -> None:
    desk = Desk()
    orders = [desk.buy(ALICE, 5, 1, slot=slot) for slot in range(40)]
    answered: list[tuple[int, bytes]] = []

    async def play() -> None:
        async with served(tmp_path, fronted()) as node:
            assert node.fronts is not None
            pids = node.fronts.processes
            reader, writer = await asyncio.open_connection("127.0.0.1", int(node.url.rsplit(":", 1)[1]))
            asking = [asyncio.create_task(ask(node.url, order_request(one))) for one in orders]
            await asking[0]
        ended = await asyncio.gather(*asking, return_exceptions=True)
        answered.extend(one for one in ended if isinstance(one, tuple))
        assert await reader.read() == b""
        writer.close()
        for pid in pids:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
        taken = {json.loads(body)["sequence"] for status, body in answered if status == 200}
        assert {status for status, _ in answered} <= {200, 503}

        async with served(tmp_path) as again:
            rows = again.sequencer.directory.journal.rows(sorted(taken))
            assert len(rows) == len(taken) >= 1

    asyncio.run(play())


def test_a_taken_port_is_said_before_anything_is_started(tmp_path: Path) -> None:
    async def scene(node: Served) -> None:
        port = int(node.url.rsplit(":", 1)[1])
        with pytest.raises(ListenError, match=f"^cannot listen on 127.0.0.1:{port}: [^\n]*$"):
            await serve(node.sequencer, fronted(port=port))

    run(tmp_path, scene, ServerSettings(port=0))


def test_fronts_that_do_not_start_are_no_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(node: Served) -> None:
        monkeypatch.setattr("rollup.node.fronts.sys.executable", "/bin/false")
        with pytest.raises(FrontError, match=r"^3 processes [^\n]*status 1[^\n]*--fronts 0"):
            await serve(node.sequencer, fronted())

    run(tmp_path, scene, ServerSettings(port=0), has_process=True)


# ------------------------------------------------------------------------------------------------ whose word


def test_keys_that_are_registered_later_are_told(tmp_path: Path) -> None:
    desk = Desk()
    spare = desk.market.secrets[CAROL].trading_key

    async def scene(node: Served) -> None:
        owner = desk.market.owner(ALICE)
        node.queue.add(node.clock.time, plain(RegisterKey, ALICE, owner, 0, spare.suite, spare.x, spare.y))
        node.sequencer.close_batch()

        def has_the_spare() -> bool:
            account = node.sequencer.engine.state.account(AccountId(ALICE))
            return account is not None and account.key == spare

        await until(has_the_spare)
        status, body = await ask(node.url, order_request(desk.buy(ALICE, 5, 1)))
        assert (status, json.loads(body)["error"]) == (422, Rejection.SIGNATURE_INVALID)
        before = verified_by_node(node.sequencer)
        # Alice's account, signed with what is now her key.
        secrets = desk.market.secrets | {ALICE: desk.market.secrets[CAROL]}
        renewed = Desk(type(desk.market)(accounts=6))
        renewed.market.__dict__["secrets"] = secrets
        status, _ = await ask(node.url, order_request(renewed.buy(ALICE, 5, 1, number=7)))
        assert status == 200
        assert verified_by_node(node.sequencer) == before

    run(tmp_path, scene)


def test_a_verdict_on_another_key_is_not_believed(tmp_path: Path) -> None:
    """Nor does a front that refutes under an old key harm anybody."""
    desk = Desk()
    keys = {account: secret.trading_key for account, secret in desk.market.secrets.items()}
    good, other = desk.buy(ALICE, 5, 1), desk.buy(BOB, 5, 1)
    forged = SignedOrder(desk.buy(ALICE, 5, 1).order, other.signature)

    async def play() -> None:
        sequencer, _, _ = desk.sequencer(tmp_path)
        await sequencer.start()
        await until(lambda: sequencer.engine.state.account(AccountId(ALICE)) is not None)

        async def offer(submission: Submission, known: Known | None) -> Any:
            given: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            sequencer.offer(submission, given.set_result, known)
            return await given

        try:
            assert await offer(forged, Known(keys[BOB], is_valid=True)) is Rejection.SIGNATURE_INVALID
            assert isinstance(await offer(good, Known(keys[BOB], is_valid=False)), Receipt)
            assert verified_by_node(sequencer) == 2
            assert await offer(other, Known(keys[BOB], is_valid=False)) is Rejection.SIGNATURE_INVALID
            assert verified_by_node(sequencer) == 2
        finally:
            await sequencer.stop()

    asyncio.run(play())


# ------------------------------------------------------------------------------------------------ the link


def test_keys_and_submissions_survive_their_spelling() -> None:
    desk = Desk()
    key = desk.market.secrets[ALICE].trading_key
    told = [(3, AccountId(ALICE), key), (4, AccountId(BOB), key)]
    assert list(spelled_keys(spell_keys(told))) == told
    for submission in (
        desk.buy(ALICE, 5, 2),
        desk.cancel(ALICE, 0, 1),
        desk.transaction(CancelOrders, ALICE, ALICE, 5, 0),
    ):
        assert spelled_submission(*spell_submission(submission)) == submission


def test_a_key_has_a_serial_of_its_own_each_time_it_is_told() -> None:
    desk, keys = Desk(), KeyList()
    one, other = (desk.market.secrets[account].trading_key for account in (ALICE, BOB))
    assert keys.add(AccountId(ALICE), one)[0] == 0
    assert keys.add(AccountId(ALICE), other)[0] == 1
    assert list(keys.newest()) == [[(1, AccountId(ALICE), other)]]
    assert keys.known(0, Verdict.VALID) == Known(one, is_valid=True)
    assert keys.known(1, Verdict.REFUTED) == Known(other, is_valid=False)
    assert keys.known(1, Verdict.UNKNOWN) is None
    assert keys.known(2, Verdict.VALID) is None


def test_frames_are_whole_however_they_arrive() -> None:
    heard: list[tuple[FrameKind, bytes]] = []
    link = Link(lambda kind, body: heard.append((kind, body)), lambda: None)
    sent = frame(FrameKind.READY) + frame(FrameKind.ANSWER, b"abc") + frame(FrameKind.STOP, b"d" * 70_000)
    for start in range(0, len(sent), 7):
        link.data_received(sent[start : start + 7])
    assert heard == [(FrameKind.READY, b""), (FrameKind.ANSWER, b"abc"), (FrameKind.STOP, b"d" * 70_000)]


def test_sockets_are_not_inherited_by_chance() -> None:
    """What a front inherits is named; a prover or a shell that the node starts holds no port."""
    with socket.socket() as one:
        assert not one.get_inheritable()
