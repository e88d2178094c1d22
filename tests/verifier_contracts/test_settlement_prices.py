"""Settlement prices: oracles sign, anyone carries, the median of all that was posted enters the queue."""

from __future__ import annotations

import statistics
from typing import Any

import pytest
from eth_account import Account as Signer

from rollup.transactions import SettlementPrice
from tests.rollup.workbench import make
from tests.verifier_contracts.vault_bench import DAY, DOLLAR, ORACLES, SETTINGS, START, House

EXPIRY = START + 30 * DAY
COLLECTION = SETTINGS["collectionPeriod"]
LIST_GROUP, SET_ORACLES = 0, 3
GROUP_TYPES = ["uint16", "uint16", "uint48", "uint32", "uint32", "uint32"]
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.fixture(scope="module")
def deployed_house() -> House:
    """Group 7 is listed and has not expired."""
    house = House()
    house.govern(LIST_GROUP, GROUP_TYPES, 7, 1, EXPIRY, 10_000, DOLLAR, 10_000)
    return house


@pytest.fixture
def expired(house: House) -> House:
    house.wait_until(EXPIRY)
    return house


def signed(house: House, oracle: Any, price: int, **changed: Any) -> tuple[int, bytes, bytes]:
    """Sign a price as a wallet would, from the typed data and not from the contract's digest."""
    message = Signer.sign_typed_data(
        oracle.key,
        {
            "name": "Options Clearing House",
            "version": "1",
            "chainId": changed.get("chain", house.w3.eth.chain_id),
            "verifyingContract": changed.get("contract", house.address),
        },
        {
            "SettlementPrice": [
                {"name": "group", "type": "uint16"},
                {"name": "expiry", "type": "uint48"},
                {"name": "price", "type": "uint64"},
            ]
        },
        {"group": changed.get("group", 7), "expiry": changed.get("expiry", EXPIRY), "price": price},
    )
    return message.v, message.r.to_bytes(32, "big"), message.s.to_bytes(32, "big")


def posting(house: House, oracle: Any, price: int, **changed: Any) -> Any:
    return house.function("postPrice", 7, price, *signed(house, oracle, price, **changed))


def post(house: House, *prices: int) -> None:
    for oracle, price in zip(ORACLES, prices, strict=False):
        house.send(posting(house, oracle, price), house.stranger)


@pytest.mark.parametrize(
    ("prices", "median"),
    [
        ([5, 3, 4], 4),
        ([3, 4, 5], 4),
        ([5, 4, 3], 4),
        ([4, 4, 9], 4),
        ([0, 0, 1 << 63], 0),
        ([9, 1, 5, 3], 3),
        ([1, 2, 2, 9], 2),
        ([50, 10, 40, 20, 30], 30),
        ([(1 << 64) - 1, 10, 0, 11, (1 << 64) - 1], 11),
    ],
)
def test_the_median_of_all_that_was_posted_enters_the_queue(
    expired: House, prices: list[int], median: int
) -> None:
    post(expired, *prices)
    assert expired.call("prices", 7) == prices
    expired.wait_until(EXPIRY + COLLECTION + 1)
    done = expired.send(expired.function("fixPrice", 7), expired.stranger)
    assert median == statistics.median_low(prices)
    assert expired.events(done, "PriceFixed") == [{"group": 7, "price": median, "posted": len(prices)}]
    assert expired.queue()[-1].item == make(SettlementPrice, 7, median)
    fixed_at = EXPIRY + COLLECTION + 1
    assert expired.call("group", 7) == [EXPIRY, 10_000, True, median, fixed_at]


@pytest.mark.parametrize("lie", [0, 101, (1 << 64) - 1])
def test_one_liar_among_three_does_not_move_the_price_out_of_the_honest_ones(
    expired: House, lie: int
) -> None:
    post(expired, 100, 102, lie)
    expired.wait_until(EXPIRY + COLLECTION + 1)
    expired.send(expired.function("fixPrice", 7), expired.stranger)
    assert 100 <= expired.call("group", 7)[3] <= 102


def test_the_contract_and_a_wallet_agree_on_what_is_signed(expired: House) -> None:
    digest = expired.call("priceDigest", 7, 42)
    v, r, s = signed(expired, ORACLES[0], 42)
    recovered = Signer._recover_hash(digest, vrs=(v, int.from_bytes(r, "big"), int.from_bytes(s, "big")))
    assert recovered == ORACLES[0].address


def test_a_posted_price_is_announced_and_remembered(expired: House) -> None:
    done = expired.send(posting(expired, ORACLES[1], 42), expired.stranger)
    assert expired.events(done, "PricePosted") == [{"group": 7, "oracle": ORACLES[1].address, "price": 42}]
    assert [expired.call("hasPosted", 7, oracle.address) for oracle in ORACLES[:3]] == [False, True, False]
    assert expired.call("isOracle", ORACLES[1].address)
    assert not expired.call("isOracle", expired.stranger)


def test_each_oracle_has_one_price_a_group(expired: House) -> None:
    post(expired, 42)
    for price in (42, 43):
        refusal = expired.refusal(posting(expired, ORACLES[0], price), expired.stranger)
        assert refusal == f"OracleAlreadyPosted({ORACLES[0].address.lower()})"


def test_strangers_sign_in_vain(expired: House) -> None:
    stranger = Signer.from_key(bytes([7] * 32))
    refusal = expired.refusal(posting(expired, stranger, 42), expired.stranger)
    assert refusal == f"NotOracle({stranger.address.lower()})"


@pytest.mark.parametrize(
    "changed",
    [{"chain": 1}, {"contract": "0x" + "11" * 20}, {"group": 8}, {"expiry": EXPIRY + 1}],
)
def test_a_signature_for_another_place_or_group_is_somebody_elses(
    expired: House, changed: dict[str, Any]
) -> None:
    refusal = expired.refusal(posting(expired, ORACLES[0], 42, **changed), expired.stranger)
    assert refusal.startswith("NotOracle(")
    assert ORACLES[0].address.lower() not in refusal


def test_mirrored_and_meaningless_signatures_are_refused(expired: House) -> None:
    v, r, s = signed(expired, ORACLES[0], 42)
    mirrored = (ORDER - int.from_bytes(s, "big")).to_bytes(32, "big")
    for parts in ((55 - v, r, mirrored), (29, r, s), (v, bytes(32), s), (v, r, bytes(32))):
        refusal = expired.refusal(expired.function("postPrice", 7, 42, *parts), expired.stranger)
        assert refusal == "SignatureInvalid()"


def test_nothing_is_posted_for_a_group_that_is_unknown_or_alive(house: House) -> None:
    parts = (27, bytes(32), bytes(32))
    for entry, arguments in (("postPrice", (1, *parts)), ("fixPrice", ())):
        assert house.refusal(house.function(entry, 8, *arguments), house.stranger) == "GroupUnknown(8)"
        refusal = house.refusal(house.function(entry, 7, *arguments), house.stranger)
        assert refusal == f"GroupNotExpired({EXPIRY})"


def test_the_price_is_not_fixed_while_oracles_may_still_post(expired: House) -> None:
    post(expired, 1, 2, 3)
    expired.wait_until(EXPIRY + COLLECTION)
    refusal = expired.refusal(expired.function("fixPrice", 7), expired.stranger)
    assert refusal == f"CollectionOpen({EXPIRY + COLLECTION})"


def test_after_the_window_nothing_is_added_to_enough_prices(expired: House) -> None:
    post(expired, 1, 2, 3)
    expired.wait_until(EXPIRY + COLLECTION + 1)
    refusal = expired.refusal(posting(expired, ORACLES[3], 4), expired.stranger)
    assert refusal == f"CollectionClosed({EXPIRY + COLLECTION})"


def test_too_few_prices_wait_for_more_even_after_the_window(expired: House) -> None:
    post(expired, 1, 2)
    expired.wait_until(EXPIRY + COLLECTION + 1)
    fix = expired.function("fixPrice", 7)
    assert expired.refusal(fix, expired.stranger) == "TooFewPrices(2, 3)"
    expired.send(posting(expired, ORACLES[4], 9), expired.stranger)
    expired.send(fix, expired.stranger)
    assert expired.call("group", 7)[3] == 2


def test_a_fixed_price_stays(expired: House) -> None:
    post(expired, 1, 2, 3)
    expired.wait_until(EXPIRY + COLLECTION + 1)
    expired.send(expired.function("fixPrice", 7), expired.stranger)
    for function in (expired.function("fixPrice", 7), posting(expired, ORACLES[3], 4)):
        assert expired.refusal(function, expired.stranger) == "PriceAlreadyFixed(7)"


def test_new_oracles_collect_anew(expired: House) -> None:
    post(expired, 1, 2, 3)
    addresses = [oracle.address for oracle in ORACLES[1:]]
    expired.govern(SET_ORACLES, ["address[]", "uint8", "uint8"], addresses, 3, 1)
    assert expired.call("prices", 7) == []
    assert expired.refusal(expired.function("fixPrice", 7), expired.stranger) == "TooFewPrices(0, 3)"
    assert expired.refusal(posting(expired, ORACLES[0], 1), expired.stranger).startswith("NotOracle(")
    for oracle, price in zip(ORACLES[1:4], (7, 8, 9), strict=True):
        expired.send(posting(expired, oracle, price), expired.stranger)
    expired.send(expired.function("fixPrice", 7), expired.stranger)
    assert expired.call("group", 7)[3] == 8


def test_prices_are_still_fixed_after_a_freeze_but_not_queued(house: House) -> None:
    """Leaving after a freeze is paid by the settlement price."""
    house.deposit(house.alice)
    house.wait_until(EXPIRY)
    house.send(house.function("freeze"), house.stranger)
    length = house.call("queueLength")
    post(house, 1, 2, 3)
    house.wait_until(EXPIRY + COLLECTION + 1)
    house.send(house.function("fixPrice", 7), house.stranger)
    assert (house.call("group", 7)[3], house.call("queueLength")) == (2, length)
