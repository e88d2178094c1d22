"""The clearing house on Ethereum, reached without its node: what is done against an operator must not need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rollup.commands.reach import Reach
from rollup.commands.terminal import say
from rollup.commands.vault import Vault, vault_at, vault_behind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eth_account.signers.local import LocalAccount
    from web3.contract.contract import ContractFunction
    from web3.types import TxReceipt


@dataclass(frozen=True, slots=True)
class FoundHouse:
    """A clearing house and where its logs begin."""

    vault: Vault
    from_block: int

    @property
    def functions(self) -> Any:
        """The contract's functions."""
        return self.vault.contract.functions

    @property
    def now(self) -> int:
        """The newest block's time: what the contract compares with."""
        return int(self.vault.ethereum.web3.eth.get_block("latest")["timestamp"])

    def send(
        self, wallet: LocalAccount, call: ContractFunction, value: int = 0, errors: Sequence[Any] = ()
    ) -> TxReceipt:
        """Send a call that would succeed, with gas from a practice chain where the wallet has none."""
        if self.vault.fund_with_practice_ether(wallet.address):
            say("this is a practice chain: it gave the wallet some worthless ether for gas")
        self.vault.insist_on_ether(wallet.address)
        return self.vault.send(wallet, call, value, errors)


def found_house(reach: Reach) -> FoundHouse:
    """The contract of --contract, of the node's files in the data directory, or the one that the node serves."""
    from rollup.node.deployment import House
    from rollup.node.ethereum import Ethereum

    house = House.read(reach.data_dir / "venue.json")
    if house is not None and (reach.contract is None or int(reach.contract, 16) == int(house.contract, 16)):
        address, first_block = house.contract, house.from_block
    elif reach.contract is not None:
        address, first_block = reach.contract, 0
    else:
        with reach.client() as client:
            return FoundHouse(vault_behind(reach, reach.parameters(client)), 0)
    return FoundHouse(vault_at(Ethereum.at(reach.chain_url), address), first_block)
