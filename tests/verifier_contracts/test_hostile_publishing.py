"""A sequencer that publishes so that nobody can read it: what the contract takes, everybody can repeat."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from eth_utils.address import to_canonical_address

from rollup.node.ethereum import Ethereum, EthereumError
from rollup.node.published import chunk_of_call, published_batches
from tests.verifier_contracts.vault_bench import House, Prepared

SET_SEQUENCER = 4
DELEGATION = bytes.fromhex("ef0100")
"""What the code of an address begins with that borrows another's (EIP-7702)."""

Spelling = Callable[[bytes, bytes], bytes]
"""Makes another call out of the usual one and its chunk."""

SPELLINGS: dict[str, Spelling] = {
    "the end is missing": lambda call, chunk: call[: 4 + 64 + len(chunk)],
    "the end is no zeros": lambda call, _: call[:-1] + b"\x01",
    "the chunk stands further behind": lambda call, _: (
        call[:4] + (64).to_bytes(32) + b"\x07" * 32 + call[36:]
    ),
    "something follows": lambda call, _: call + b"and more",
}


def call_of_append(house: House, chunk: bytes) -> bytes:
    return bytes.fromhex(house.function("append", chunk)._encode_transaction_data().removeprefix("0x"))


def begun(house: House) -> Prepared:
    """A batch whose data are no whole words, so that something stands behind them in a call."""
    house.deposit(house.alice)
    batch = house.prepare()
    assert len(batch.published) % 32
    house.send(house.begin(batch), house.sequencer)
    return batch


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_whatever_the_contract_takes_as_a_chunk_is_read_back(house: House, spelling: str) -> None:
    batch = begun(house)
    call = SPELLINGS[spelling](call_of_append(house, batch.published), batch.published)
    sent = house.w3.eth.send_transaction(
        {"from": house.sequencer, "to": house.address, "data": call, "gas": 1_000_000}
    )
    assert house.w3.eth.get_transaction_receipt(sent)["status"] == 1
    house.send(house.function("seal"), house.sequencer)
    assert published_batches(Ethereum(house.w3), house.contract) == [batch.published]


def test_a_call_without_a_whole_chunk_has_none(house: House) -> None:
    call = call_of_append(house, b"whole")
    assert chunk_of_call(call) == b"whole"
    broken = [b"", call[:3], call[:4], call[:36], call[:-28], bytes(4) + call[4:], call[:4] + b"\xff" * 64]
    assert [chunk_of_call(each) for each in broken] == [None] * len(broken)


def test_a_contract_cannot_be_the_one_that_publishes(house: House) -> None:
    batch = begun(house)
    flooder = house.deploy("Flooder")
    house.govern(SET_SEQUENCER, ["address"], flooder.address)
    hand_on = [
        flooder.functions.flood(house.address, call._encode_transaction_data(), 1, 0)
        for call in (house.begin(batch), house.function("append", batch.published))
    ]
    house.send(hand_on[0], house.stranger)
    assert house.refusal(hand_on[1], house.stranger) == "DataNotInCalldata()"


def test_code_of_the_sequencers_own_address_cannot_publish(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = begun(house)
    flooder = house.deploy("Flooder")
    machine = house.tester.backend.chain.get_vm()
    code = DELEGATION + to_canonical_address(flooder.address)
    machine.state.set_code(to_canonical_address(house.sequencer), code)
    monkeypatch.setattr(house.tester.backend.chain, "get_vm", lambda *_, **__: machine)
    append = house.function("append", batch.published)
    own = house.w3.eth.contract(address=house.sequencer, abi=flooder.abi)
    to_itself = own.functions.flood(house.address, append._encode_transaction_data(), 1, 0)
    assert house.refusal(to_itself, house.sequencer) == "DataNotInCalldata()"


def test_data_in_another_contracts_calldata_is_told_in_one_line(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = begun(house)
    house.send(house.function("append", batch.published), house.sequencer)
    house.send(house.function("seal"), house.sequencer)
    ethereum = Ethereum(house.w3)
    fetch = house.w3.eth.get_transaction

    def elsewhere(sent: bytes) -> dict[str, object]:
        return dict(fetch(sent)) | {"to": house.token.address}

    monkeypatch.setattr(house.w3.eth, "get_transaction", elsewhere)
    with pytest.raises(EthereumError, match=r"the data of batch 1 is not in its transaction's calldata"):
        published_batches(ethereum, house.contract)
