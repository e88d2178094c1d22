"""The practice clearing house: the real contract with its real timelock, listed all the same, and found again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from time import time

import pytest

from rollup.node import practice_market
from rollup.node.deployment import House, contract_at, find_house, insist_on_house
from rollup.node.ethereum import EmbeddedChain, EthereumError
from rollup.node.practice_market import HEAD_START_SECONDS, TERMS, begin_practice, expiries, listings


def test_a_practice_chain_begins_in_the_past_and_is_listed_today(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(practice_market, "EXPIRY_DAYS", (7,))
    monkeypatch.setattr(practice_market, "STRIKES", (3000,))
    today = int(time())
    chain = EmbeddedChain(tmp_path / "chain.sqlite", start_time=today - HEAD_START_SECONDS)
    house = begin_practice(chain, today)
    contract = insist_on_house(chain, house)
    assert house.genesis_time < today - TERMS.timelock
    assert contract.functions.queueLength().call() == 3
    assert contract.functions.group(1).call()[0] == expiries(today)[0]
    # The listing is over before the clock of this machine, and blocks go on by it.
    assert chain.web3.eth.get_block("latest")["timestamp"] <= time()
    chain.give_ether("0x" + "12" * 20)
    assert abs(chain.web3.eth.get_block("latest")["timestamp"] - time()) < 30
    found = find_house(chain, house.contract, house.from_block, is_embedded=True)
    assert found == house
    house.write(tmp_path / "venue.json")
    assert House.read(tmp_path / "venue.json") == house
    with pytest.raises(EthereumError, match=r"this is chain \d+, but the clearing house is on chain 5"):
        insist_on_house(chain, House(5, house.contract, house.token, 0, 0, is_embedded=True))
    with pytest.raises(EthereumError, match="there is no contract at"):
        insist_on_house(chain, House(house.chain, "0x" + "11" * 20, house.token, 0, 0, is_embedded=True))
    blocks = chain.web3.eth.block_number
    chain.close()
    again = EmbeddedChain(tmp_path / "chain.sqlite")
    assert again.web3.eth.block_number == blocks
    assert contract_at(again, "ClearingHouse", house.contract).functions.queueLength().call() == 3
    again.close()


def test_groups_expire_in_the_morning_and_every_series_is_listed() -> None:
    today = 1_800_000_000
    dates = [datetime.fromtimestamp(expiry, UTC) for expiry in expiries(today)]
    assert [(date.hour, date.minute, date.second) for date in dates] == [(8, 0, 0)] * 3
    assert [(date - dates[0]).days for date in dates] == [0, 23, 83]
    assert len(list(listings(today))) == 3 * (1 + 2 * 5)
