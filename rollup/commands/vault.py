"""The clearing house on Ethereum, as commands use it: it is asked before anything is sent, so a refusal has a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from requests.exceptions import RequestException
from web3.types import Wei

from rollup.commands.reach import Reach
from rollup.commands.terminal import BadInput
from rollup.node.chain_rpc import GIVE_ETHER
from rollup.node.deployment import contract_at
from rollup.node.ethereum import Ethereum, url_without_secrets
from verifier_contracts.artifact import load_artifact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eth_account.signers.local import LocalAccount
    from eth_typing import ChecksumAddress
    from web3.contract import Contract
    from web3.contract.contract import ContractFunction
    from web3.types import TxReceipt

ENOUGH_WEI: Final = 10**17
"""Below this a practice wallet is topped up: a tenth of an ether pays for ten deposits."""

CHARGES_OFFERED: Final = 8
"""Base charges that go with a forced item: enough behind fifteen others of its block, for which somebody pays 60."""


@dataclass(frozen=True, slots=True)
class Vault:
    """The contract behind a node, its token, and the chain that both are on."""

    ethereum: Ethereum
    contract: Contract
    token: Contract

    def send(
        self, signer: LocalAccount, function: ContractFunction, value: int = 0, errors: Sequence[Any] = ()
    ) -> TxReceipt:
        """Send a call that would succeed; `errors` are those of contracts that the called one calls."""
        self.ethereum.refuse_failure(signer.address, function, value, errors)
        return self.ethereum.send(signer, function, value, gas=self._gas(signer.address, function, value))

    def _gas(self, signer: str, function: ContractFunction, value: int) -> int:
        """What to offer: the estimate and half of it more, because a neighbour in the block may cost a little."""
        sender = cast("ChecksumAddress", signer)
        return int(function.estimate_gas({"from": sender, "value": Wei(value)})) * 3 // 2

    @property
    def has_practice_token(self) -> bool:
        """Say whether the collateral is this project's worthless token: only its exact code counts."""
        code = bytes(self.ethereum.web3.eth.get_code(self.token.address)).hex()
        return code == load_artifact("PracticeToken").runtime_bytecode.removeprefix("0x")

    def balance(self, holder: str) -> int:
        """Micro-dollars of the collateral token."""
        return int(self.token.functions.balanceOf(holder).call())

    def charge_offered(self, wallet: str) -> int:
        """Wei to send with a forced item; what is not due comes back.

        With the charge of this moment alone, four items put in front of it in its block would turn it away.
        """
        functions = self.contract.functions
        due = int(functions.charge().call())
        roomy = max(due, CHARGES_OFFERED * int(functions.forcedItemCharge().call()))
        balance = self.ethereum.web3.eth.get_balance(self.ethereum.web3.to_checksum_address(wallet))
        return roomy if balance >= 2 * roomy else due

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
    return vault_at(ethereum, parameters["contract"])


def vault_at(ethereum: Ethereum, address: str) -> Vault:
    """The clearing house at an address, with its token; anything else that stands there is refused."""
    contract = contract_at(ethereum, "ClearingHouse", address)
    chain = ethereum.web3.eth.chain_id
    if not ethereum.web3.eth.get_code(contract.address):
        raise BadInput(f"there is no contract at {contract.address} on chain {chain}")
    try:
        token = contract.functions.token().call()
    except (RequestException, ConnectionError):
        raise
    except Exception as error:
        # The embedded chain's backend raises classes of its own.
        raise BadInput(f"the contract at {contract.address} on chain {chain} is no clearing house") from error
    return Vault(ethereum, contract, contract_at(ethereum, "PracticeToken", token))
