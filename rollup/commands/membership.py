"""An account at the clearing house that a node serves: its number, its trading key, and a client that signs for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rollup.commands.keystore import EncryptedKey, Membership
from rollup.commands.reach import Reach
from rollup.commands.terminal import BadInput
from rollup.commands.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eth_account.signers.local import LocalAccount

    from rollup.client import Client
    from rollup.commands.vault import Vault
    from rollup.schnorr import SecretKey

FEW_ATTEMPTS = 2
"""A wallet's signature that derives a key is made so often and compared."""


def account_number(
    reach: Reach, client: Client, parameters: Mapping[str, Any], *, vault: Vault | None = None
) -> int | None:
    """The number of the account at this clearing house; None before its first deposit.

    What was written down is believed only if the node says that the account has this owner.
    """
    from rollup.client import NodeRefusalError
    from rollup.commands.vault import vault_behind

    name, known = reach.name(), reach.membership(dict(parameters))
    owner = reach.keystore.address(name)
    if known.account is not None:
        try:
            if int(client.account_state(known.account)["owner"], 16) == int(owner, 16):
                return known.account
        except NodeRefusalError:
            pass
    found = (vault or vault_behind(reach, dict(parameters))).account_of(owner)
    if found is not None and found != known.account:
        reach.keystore.remember(name, replace(known, account=found))
    return found


def own_account(reach: Reach, client: Client, parameters: Mapping[str, Any]) -> int:
    """The number of the account, which must have one."""
    number = account_number(reach, client, parameters)
    if number is None:
        raise BadInput(
            f"account {reach.name()!r} was never opened at this clearing house; `clearing deposit` opens it"
        )
    return number


@contextmanager
def signing_client(reach: Reach) -> Iterator[Client]:
    """A client that signs with the account's trading key."""
    name = reach.name()
    with reach.client() as client:
        parameters = reach.parameters(client)
        number = own_account(reach, client, parameters)
        known = reach.membership(parameters)
        if known.trading is None:
            raise BadInput(f"account {name!r} has no trading key here; `clearing key` makes one")
        secret = reach.keystore.trading_key(name, known, reach.password(f"of account {name!r}"))
    with reach.client(number, secret) as client:
        yield client


def derived_key(wallet: LocalAccount, parameters: Mapping[str, Any], key_number: int) -> SecretKey:
    """Let the wallet sign what a trading key is derived from, twice, and insist that it signs the same."""
    from rollup.schnorr import SignatureSuite, key_typed_data, secret_key_from_wallet_signature
    from rollup.units import Address, ChainId

    suite = SignatureSuite.SEPTIC_POSEIDON16_20
    message: Any = key_typed_data(
        suite,
        ChainId(parameters["chain"]),
        Address(int(parameters["contract"], 16)),
        Address(int(wallet.address, 16)),
        key_number,
    )
    signatures = {bytes(wallet.sign_typed_data(full_message=message).signature) for _ in range(FEW_ATTEMPTS)}
    if len(signatures) != 1:
        raise BadInput(
            "this wallet signs the same message differently each time; use `clearing key --random`"
        )
    return secret_key_from_wallet_signature(suite, signatures.pop())


def is_registered(client: Client, number: int, trading: EncryptedKey) -> bool:
    """Say whether the node knows the account under this key."""
    from rollup.client import NodeRefusalError
    from rollup.rejections import Rejection

    try:
        return bool(client.account_state(number)["key"] == trading.key)
    except NodeRefusalError as refused:
        if refused.reason in {Rejection.ACCOUNT_UNKNOWN, "not_found"}:
            return False
        raise


def register(
    client: Client, vault: Vault, wallet: LocalAccount, membership: Membership, number: int, timeout: int
) -> None:
    """Put the trading key into the queue on Ethereum and wait until the node has served it."""
    trading = membership.trading
    if trading is None:
        raise TypeError("there is a key to register")
    elements = bytes.fromhex(trading.key.removeprefix("0x"))
    numbers = [int.from_bytes(elements[start : start + 4]) for start in range(0, len(elements), 4)]
    half = len(numbers) // 2
    functions = vault.contract.functions
    call = functions.registerKey(0, trading.suite, numbers[:half], numbers[half:])
    vault.send(wallet, call, value=vault.charge_offered(wallet.address))
    wait_for("the node to serve the new key", lambda: is_registered(client, number, trading) or None, timeout)
