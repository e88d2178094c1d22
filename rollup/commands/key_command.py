"""`key`: the trading key of an account, made, kept and registered."""

from __future__ import annotations

from dataclasses import replace

import click

from rollup.commands.reach import Reach, reaching
from rollup.commands.terminal import BadInput, ClearingCommand, json_option, print_json, say
from rollup.commands.waiting import timeout_option


@click.command(cls=ClearingCommand)
@reaching(chain=True, keys=True)
@click.option(
    "--random", "is_random", is_flag=True, help="Draw the key instead of deriving it from the wallet."
)
@click.option(
    "--number",
    "key_number",
    type=click.IntRange(0, (1 << 32) - 1),
    default=0,
    show_default=True,
    help="Which of the wallet's derived keys.",
)
@click.option("--replace", "is_replacing", is_flag=True, help="Replace the key that there is.")
@timeout_option
@json_option
def command(
    reach: Reach, is_random: bool, key_number: int, is_replacing: bool, timeout: int, as_json: bool
) -> None:
    """Make the account's trading key, keep it encrypted, and register it with the clearing house.

    Orders are signed with it, so that the wallet's key is not needed for trading.
    It is derived from the wallet's signature of a fixed text (EIP-712), so the wallet alone brings it back.
    Before the first deposit there is no account yet: then `clearing deposit` registers the key.
    Run again, it registers what is not registered and changes nothing else.

    \b
    Examples:
      clearing key
      clearing key --account alice --password-file alice.password
      clearing key --replace --number 1 --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.commands.keystore import encrypted_trading_key
    from rollup.commands.membership import account_number, derived_key, is_registered, register
    from rollup.commands.vault import vault_behind
    from rollup.schnorr import SignatureSuite, random_secret_key

    if is_random and key_number:
        raise click.UsageError("--number counts derived keys; a random one has none")
    name = reach.name()
    with reach.client() as client:
        parameters = reach.parameters(client)
        vault = vault_behind(reach, parameters)
        known = reach.membership(parameters)
        if known.trading is not None and not is_replacing and (is_random or key_number):
            raise BadInput(f"account {name!r} has a trading key here; --replace replaces it")
        password = reach.password(f"of account {name!r}")
        wallet = reach.keystore.wallet(name, password)
        is_new = known.trading is None or is_replacing
        if is_new:
            suite = SignatureSuite.SEPTIC_POSEIDON16_20
            secret = random_secret_key(suite) if is_random else derived_key(wallet, parameters, key_number)
            origin = "random" if is_random else f"wallet signature {key_number}"
            made = encrypted_trading_key(secret, origin, password)
            if known.trading is not None and made.key == known.trading.key:
                # Who replaces a key fears that others know it, and must not believe that it is gone.
                raise BadInput(
                    f"account {name!r} has just this key ({origin}); --number names another of the wallet's,"
                    " --random draws one"
                )
            known = replace(known, trading=made)
            # Written first: a key that is registered and then lost would lock its owner out until the next one.
            reach.keystore.remember(name, known)
        number = account_number(reach, client, parameters, vault=vault)
        trading = known.trading
        if trading is None:
            raise TypeError("the key was just made")
        was_registered = number is not None and is_registered(client, number, trading)
        if number is not None and not was_registered:
            if vault.fund_with_practice_ether(wallet.address):
                say("this is a practice chain: it gave the wallet some worthless ether for gas")
            vault.insist_on_ether(wallet.address)
            register(client, vault, wallet, replace(known, account=number), number, timeout)
    path = reach.keystore.membership_path(name, known.contract)
    if as_json:
        print_json(
            {
                "name": name,
                "account": number,
                "key": trading.key,
                "origin": trading.origin,
                "is_new": is_new,
                "is_registered": number is not None,
                "file": str(path),
            }
        )
        return
    click.echo(
        f"{'made' if is_new else 'kept'} {trading.key[:18]}.. from {trading.origin}, encrypted in {path}"
    )
    if number is None:
        click.echo("not registered yet: the first `clearing deposit` opens the account and registers the key")
    else:
        click.echo(f"{'was registered' if was_registered else 'registered'} for account {number}")
