"""Keys on the disk, encrypted: one folder an account, nothing in it that others may read.

    keys/NAME/wallet.json        the owner's Ethereum key, in the format that wallets share (keystore version 3)
    keys/NAME/0x....json         one clearing house, by its contract: the account's number, and the trading key,
                                 encrypted the same way

One password opens both. No key is ever printed, logged, or taken from a command line.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rollup.commands.terminal import BadInput

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from rollup.schnorr import SecretKey

SCRYPT_WORK: Final = 1 << 17
"""128 MiB and half a second for each guess at a password: what OWASP recommends for scrypt with r = 8, p = 1."""

FILE_VERSION: Final = 1
LARGEST_FILE: Final = 1 << 16
LARGEST_MEMORY: Final = 1 << 30
SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class EncryptedKey:
    """A trading key as it lies on the disk."""

    suite: int
    key: str
    """The public key, as the node spells it."""
    origin: str
    """How it came about: "wallet signature N" can be made again from the wallet, "random" cannot."""
    crypto: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Membership:
    """What an account knows of one clearing house."""

    chain: int
    contract: str
    account: int | None = None
    trading: EncryptedKey | None = None


class Keystore:
    """The `keys` folder of a data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "keys"

    def names(self) -> list[str]:
        """Every account with a wallet."""
        if not self.folder.is_dir():
            return []
        return sorted(path.parent.name for path in self.folder.glob("*/wallet.json"))

    def chosen(self, name: str | None) -> str:
        """The account that is meant: the one that is named, or the only one."""
        names = self.names()
        if name is not None:
            if name not in names:
                known = ", ".join(names) or "none yet"
                raise BadInput(f"there is no account {name!r} in {self.folder} (known: {known})")
            return name
        if len(names) == 1:
            return names[0]
        if names:
            raise BadInput(f"which account? --account NAME, one of {', '.join(names)}")
        raise BadInput(f"there is no account in {self.folder} yet; `clearing account new NAME` makes one")

    # -------------------------------------------------------------------------------------------- wallets

    def wallet_path(self, name: str) -> Path:
        """Where a wallet's file is."""
        return self.folder / name / "wallet.json"

    def address(self, name: str) -> str:
        """An account's address, which needs no password."""
        from eth_utils.address import is_address, to_checksum_address

        path = self.wallet_path(name)
        address = str(read_json(path).get("address", ""))
        if not is_address(address):
            raise BadInput(f"{str(path)!r} is not a keystore file: it names no address")
        return str(to_checksum_address(address))

    def add_wallet(self, name: str, key: bytes, password: str) -> str:
        """Encrypt and write a new wallet; an account that exists is never overwritten."""
        from eth_account import Account

        if self.wallet_path(name).exists():
            raise BadInput(f"there is an account {name!r} already: {str(self.wallet_path(name))!r}")
        encrypted: Any = Account.encrypt(key, password, kdf="scrypt", iterations=SCRYPT_WORK)
        write_secret(self.wallet_path(name), encrypted)
        return self.address(name)

    def wallet(self, name: str, password: str) -> LocalAccount:
        """Decrypt a wallet."""
        from eth_account import Account

        path = self.wallet_path(name)
        wallet: LocalAccount = Account.from_key(decrypted(read_json(path), password, path))
        if wallet.address != self.address(name):
            raise BadInput(f"{str(path)!r} holds the key of {wallet.address}, not of the address it names")
        return wallet

    # ---------------------------------------------------------------------------------------- memberships

    def membership_path(self, name: str, contract: str) -> Path:
        """Where the file of one clearing house is."""
        return self.folder / name / f"{contract.lower()}.json"

    def membership(self, name: str, chain: int, contract: str) -> Membership:
        """What is known of an account at a clearing house; nothing, if it was never there."""
        path = self.membership_path(name, contract)
        if not path.exists():
            return Membership(chain, contract.lower())
        try:
            spelled = read_json(path)
            if spelled.pop("version") != FILE_VERSION:
                raise BadInput(f"{str(path)!r} is of another version than {FILE_VERSION}")
            trading = spelled.pop("trading")
            found = Membership(**spelled, trading=None if trading is None else EncryptedKey(**trading))
        except (TypeError, KeyError) as error:
            raise BadInput(f"{str(path)!r} is not a file of this program") from error
        # A practice chain of another directory may have put another clearing house at the same address.
        return found if found.chain == chain else Membership(chain, contract.lower())

    def remember(self, name: str, membership: Membership) -> None:
        """Write down what is known."""
        path = self.membership_path(name, membership.contract)
        write_secret(path, {"version": FILE_VERSION} | asdict(membership))

    def trading_key(self, name: str, membership: Membership, password: str) -> SecretKey:
        """Decrypt a trading key, and insist that it is the one the file names."""
        from rollup.node.answers import key_text
        from rollup.schnorr import SecretKey, SignatureSuite

        path, trading = self.membership_path(name, membership.contract), membership.trading
        if trading is None:
            raise BadInput(
                f"account {name!r} has no trading key for this clearing house; `clearing key` makes one"
            )
        scalar = int.from_bytes(decrypted({"version": 3, "crypto": trading.crypto}, password, path))
        try:
            secret = SecretKey(SignatureSuite(trading.suite), scalar)
        except ValueError as error:
            raise BadInput(f"{str(path)!r} does not hold a trading key") from error
        if key_text(secret.trading_key) != trading.key:
            raise BadInput(f"{str(path)!r} holds another trading key than it names")
        return secret


def encrypted_trading_key(secret: SecretKey, origin: str, password: str) -> EncryptedKey:
    """Encrypt a trading key, with the same cipher and work as a wallet."""
    from eth_account import Account

    from rollup.node.answers import key_text

    content = secret.scalar.to_bytes(SECRET_BYTES)
    made: Any = Account.encrypt(content, password, kdf="scrypt", iterations=SCRYPT_WORK)
    public = key_text(secret.trading_key)
    if public is None:
        raise TypeError("a secret key has a public one")
    return EncryptedKey(int(secret.suite), public, origin, made["crypto"])


def _refuse_hungry(keystore: dict[str, Any], path: Path) -> None:
    """A file from elsewhere names how much memory its password costs; more than any wallet asks for is refused."""
    crypto = keystore.get("crypto", keystore.get("Crypto"))
    work = crypto.get("kdfparams") if isinstance(crypto, dict) else None
    if not isinstance(work, dict):
        raise BadInput(f"{str(path)!r} is not a keystore file of version 3")
    sizes = [work.get(name, 1) for name in ("n", "r", "p", "c")]
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        raise BadInput(f"{str(path)!r} is not a keystore file of version 3")
    n, r, p, rounds = sizes
    if 128 * n * r > LARGEST_MEMORY or p > 64 or rounds > 100_000_000:
        raise BadInput(f"{str(path)!r} asks for more memory or time to open than any wallet's file")


def decrypted(keystore: dict[str, Any], password: str, path: Path) -> bytes:
    """Open a version 3 keystore."""
    from eth_account import Account

    _refuse_hungry(keystore, path)
    try:
        return bytes(Account.decrypt(keystore, password))
    except ValueError as error:
        if "MAC" in str(error):
            raise BadInput(f"wrong password for {str(path)!r}") from error
        raise BadInput(f"{str(path)!r} is not a keystore file of version 3: {error}") from error
    except (KeyError, TypeError, NotImplementedError, AttributeError) as error:
        raise BadInput(f"{str(path)!r} is not a keystore file of version 3") from error


def read_json(path: Path) -> dict[str, Any]:
    """Read a small file that holds one JSON object."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
        spelled = json.loads(content) if len(content) <= LARGEST_FILE else None
    except OSError as error:
        raise BadInput(f"cannot read {str(path)!r}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{str(path)!r} is not a JSON file") from error
    if not isinstance(spelled, dict):
        raise BadInput(f"{str(path)!r} is not a file of this program")
    return spelled


def write_secret(path: Path, document: dict[str, Any]) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(document, indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
