"""The clearing house on Ethereum, as commands use it: it is asked before anything is sent, so a refusal has a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rollup.commands.reach import Reach
from rollup.commands.terminal import BadInput
from rollup.node.chain_rpc import GIVE_ETHER
from rollup.node.deployment import contract_at
from rollup.node.ethereum import Ethereum, url_without_secrets
from verifier_contracts.artifact import load_artifact

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from web3.types import TxReceipt

ENOUGH_WEI: Final = 10**17
"""Below this a practice wallet is topped up: a tenth of an ether pays for ten deposits."""


@dataclass(frozen=True, slots=True)
class Vault:
    """The contract behind a node, its token, and the chain that both are on."""

    ethereum: Ethereum
    contract: Any
    token: Any

    def send(self, signer: LocalAccount, function: Any, value: int = 0) -> TxReceipt:
        """Send a call that would succeed."""
        self.ethereum.refuse_failure(signer.address, function, value)
        return self.ethereum.send(signer, function, value, gas=self._gas(signer.address, function, value))

    def _gas(self, signer: str, function: Any, value: int) -> int:
        """What to offer: the estimate and half of it more, because a neighbour in the block may cost a little."""
        return int(function.estimate_gas({"from": signer, "value": value})) * 3 // 2

    @property
    def has_practice_token(self) -> bool:
        """Say whether the collateral is this project's worthless token: only its exact code counts."""
        code = bytes(self.ethereum.web3.eth.get_code(self.token.address)).hex()
        return code == load_artifact("PracticeToken").runtime_bytecode.removeprefix("0x")

    def balance(self, holder: str) -> int:
        """Micro-dollars of the collateral token."""
        return int(self.token.functions.balanceOf(holder).call())

    def account_of(self, owner: str) -> int | None:
        """The account that an owner has."""
        return int(self.contract.functions.accountOf(owner).call()) or None

    def fund_with_practice_ether(self, wallet: str) -> bool:
        """Ask an embedded chain for ether where the wallet has too little to pay for gas; any other chain says no."""
        if self.ethereum.web3.eth.get_balance(self.ethereum.web3.to_checksum_address(wallet)) >= ENOUGH_WEI:
            return False
        provider: Any = self.ethereum.web3.provider
        return "error" not in provider.make_request(GIVE_ETHER, [wallet])

    def insist_on_ether(self, wallet: str) -> None:
        """A wallet without ether can send nothing."""
        if self.ethereum.web3.eth.get_balance(self.ethereum.web3.to_checksum_address(wallet)) == 0:
            chain = self.ethereum.web3.eth.chain_id
            raise BadInput(f"the wallet {wallet} has no ether on chain {chain} to pay for gas")


def vault_behind(reach: Reach, parameters: dict[str, Any]) -> Vault:
    """Connect to the chain and the contract that the node names; another chain is refused."""
    ethereum = Ethereum.at(reach.chain_url)
    chain = ethereum.web3.eth.chain_id
    if chain != parameters["chain"]:
        raise BadInput(
            f"{url_without_secrets(reach.chain_url)} is chain {chain}, but the clearing house is on chain"
            f" {parameters['chain']}; --l1-rpc names the right one"
        )
    contract = contract_at(ethereum, "ClearingHouse", parameters["contract"])
    if not ethereum.web3.eth.get_code(contract.address):
        raise BadInput(f"there is no contract at {contract.address} on chain {chain}")
    token = contract_at(ethereum, "PracticeToken", contract.functions.token().call())
    return Vault(ethereum, contract, token)
