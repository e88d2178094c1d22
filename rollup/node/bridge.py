"""The bridge: what the contract has queued comes in, closed batches and terminal proofs go out.

    QueueItemAdded ──► items, as deep in the chain as asked ──► the sequencer's next batch
    closed batch   ──► begin(R, h, length), append..., seal ──► published
    terminal proof ──► prove(first batch, keys, proof)      ──► proved

Every look asks the contract how far it is and does what is missing, so it does not matter when the node died or what a
re-organisation took back: a half-published batch is gone on with, or begun again, and a proof is sent again.
Nothing is paid for twice: what may still be mined is waited for, and a proof that the contract refuses is put aside.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_account.signers.local import LocalAccount
from requests.exceptions import RequestException
from web3.exceptions import Web3Exception

from prover.hash.poseidon import POSEIDON16_20
from rollup.binding import PIECE_BYTES, data_digest, data_hash, packed
from rollup.codec import DATA_VERSION, QueuedItem, decode_batch
from rollup.events import Claim
from rollup.fields import MalformedError, from_words, word_bytes
from rollup.node.block_spans import in_spans
from rollup.node.ethereum import Ethereum, EthereumError, RevertedError, UnminedError
from rollup.node.proofs import KeyIdentity, ProofShelf, TerminalReport
from rollup.node.sequencer import BYTES_PER_L1_TRANSACTION, Sequencer
from rollup.node.storage import Stage, StoredBatch
from rollup.outcome import QueueItem
from rollup.state_hash import KernelHasher
from rollup.transactions import TRANSACTIONS
from rollup.units import QueuePosition, Time
from verifier_contracts.artifact import load_artifact

logger = logging.getLogger("clearing.node")


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    """How patient the bridge is."""

    confirmations: int = 0
    """Blocks that must lie on top of an item before it is served; the embedded chain takes none back."""
    look_seconds: float = 0.5
    from_block: int = 0
    """The contract's first block."""


BEHIND_SECONDS: Final = 1800
"""Half of the time that a batch may be dated back when the contract seals it.

Whatever is acknowledged behind a batch that is too old to be sealed can never be proved."""


class TakenBackError(EthereumError):
    """Ethereum has taken back queue items that batches have served."""


class ForeignBatchesError(EthereumError):
    """The contract has sealed batches that this node did not make."""


def chunks_of(published: bytes, claims: int) -> Iterator[bytes]:
    """Cut data into chunks of whole pieces, of which the last holds every claim."""
    last = (len(published) - claims * word_bytes(Claim)) // PIECE_BYTES * PIECE_BYTES
    last = max(last, 0) if len(published) > BYTES_PER_L1_TRANSACTION else 0
    for start in range(0, last, BYTES_PER_L1_TRANSACTION):
        yield published[start : min(start + BYTES_PER_L1_TRANSACTION, last)]
    yield published[last:]


class Bridge:
    """The sequencer's `QueueSource`; `run` looks again and again until it is cancelled."""

    def __init__(
        self,
        ethereum: Ethereum,
        contract: Any,
        signer: LocalAccount,
        settings: BridgeSettings | None = None,
        shelf: ProofShelf | None = None,
    ) -> None:
        """Without a shelf no proof is sent."""
        self.ethereum = ethereum
        self.contract = contract
        self.settings = settings or BridgeSettings()
        self.proved = 0
        self.published = 0
        self.trouble: str | None = None
        """Why the last look came to nothing."""
        self.unsealed_since: int | None = None
        """Time of the oldest closed batch that the contract has not sealed, as the last look found it."""
        self.refused: dict[tuple[int, int], str] = {}
        """Terminal proofs that the contract does not take, by their first and last batch, and why."""
        self._shelf = shelf
        self._has_looked = False
        self._unmined: bytes | None = None
        self._signer = signer
        self._items: list[QueuedItem] = []
        self._next_block = self.settings.from_block
        self._last_hash: bytes | None = None
        self._own = 0
        self._hasher = KernelHasher(POSEIDON16_20)
        # Two looks at once would publish one batch twice.
        self._looking = asyncio.Lock()

    # --------------------------------------------------------------------------------------------- the queue

    def items_from(self, position: QueuePosition, count: int) -> Sequence[QueuedItem]:
        """Items in order; the list is replaced or extended in one step, so any thread may read it."""
        return self._items[position : position + count]

    def read_queue(self, served: int) -> None:
        """Read what has been queued since the last look, or everything where the chain has changed below it."""
        self.ethereum.look_at_clock()
        newest = self.ethereum.web3.eth.block_number - self.settings.confirmations
        if self._last_hash is not None and self._has_changed(newest):
            logger.warning("Ethereum was re-organised; the queue is read again")
            again = list(self._read(self.settings.from_block, newest, 0))
            if again[:served] != self._items[:served]:
                raise TakenBackError(
                    f"Ethereum has taken back queue items below {served}, which batches have served;"
                    f" {self.settings.confirmations} confirmations were too few"
                )
            self._items = again
        elif newest >= self._next_block:
            self._items += list(self._read(self._next_block, newest, len(self._items)))
        if newest >= self.settings.from_block:
            self._next_block = newest + 1
            self._last_hash = bytes(self.ethereum.web3.eth.get_block(newest)["hash"])

    def _has_changed(self, newest: int) -> bool:
        """Say whether the last block that was read is another one now, or gone."""
        last = self._next_block - 1
        return newest < last or bytes(self.ethereum.web3.eth.get_block(last)["hash"]) != self._last_hash

    def _read(self, first: int, last: int, position: int) -> Iterator[QueuedItem]:
        event = self.contract.events.QueueItemAdded()
        for log in in_spans(first, last, lambda start, end: event.get_logs(from_block=start, to_block=end)):
            added = log["args"]
            if added["position"] != position:
                raise EthereumError(f"the queue's item {position} is missing from Ethereum's answer")
            yield _queued(added["tag"], added["time"], bytes(added["body"]))
            position += 1

    # ------------------------------------------------------------------------------------------- the batches

    def look_at_batches(self) -> None:
        """Ask the contract how far it is."""
        self.published = self.contract.functions.sealedBatch().call()
        self.proved = self.contract.functions.provedBatch().call()
        self._has_looked = True

    def accepted(self) -> int | None:
        """The last batch of which the contract has accepted a proof; None before it was asked."""
        return self.proved if self._has_looked else None

    def note_unsealed(self, sequencer: Sequencer) -> None:
        """Note how long the oldest closed batch has waited for Ethereum; Ethereum need not answer."""
        waiting = sequencer.directory.checkpoints.batch(self.published + 1) if self._has_looked else None
        self.unsealed_since = None if waiting is None else waiting.time

    def is_behind(self) -> bool:
        """Say whether a closed batch has waited so long that the contract may soon not seal it any more."""
        since = self.unsealed_since
        return since is not None and self.ethereum.now() - since > BEHIND_SECONDS

    def describe(self) -> dict[str, Any]:
        """What the contract has, for people and programs."""
        refused = next(iter(self.refused.items()), None)
        return {
            "sealed": self.published if self._has_looked else None,
            "proved": self.proved if self._has_looked else None,
            "trouble": self.trouble,
            "unsealed_since": self.unsealed_since,
            "refused": None if refused is None else "batches {} to {}: {}".format(*refused[0], refused[1]),
        }

    def refuse_foreign_batches(self, sequencer: Sequencer) -> None:
        """Insist that the last batch on Ethereum is this node's own; asked once for each.

        Soundness: a node that has lost its files would begin again at batch 1, take what others see as sealed for its
        own, and answer people from a state that nobody can prove.
        """
        if self.published and self.published != self._own:
            stored = sequencer.directory.checkpoints.batch(self.published)
            root = int(self.contract.functions.batch(self.published).call()[0])
            if stored is None or packed(stored.root) != root:
                raise ForeignBatchesError(
                    f"Ethereum holds batch {self.published}, which {sequencer.directory.path} did not make:"
                    " its files are lost or older, or another node publishes to this contract"
                )
        self._own = self.published

    def publish(self, stored: StoredBatch) -> None:
        """Publish the next batch: begin, append what is missing, seal."""
        published, new_root = stored.published, packed(stored.root)
        hash_ = data_hash(published)
        functions = self.contract.functions
        open_batch, unfinished = functions.progress().call()
        is_begun, received = open_batch[4], open_batch[3]
        chunks = list(chunks_of(published, len(decode_batch(published).claims)))
        ends = [sum(map(len, chunks[: count + 1])) for count in range(len(chunks))]
        is_ours = is_begun and bytes(open_batch[0]) == hash_ and unfinished[0] == new_root
        if not is_ours or received not in {0, *ends}:
            digest = packed(data_digest(published, self._hasher))
            begin = functions.begin(DATA_VERSION, digest, hash_, len(published), new_root)
            self._send(begin)
            received = 0
        for chunk, end in zip(chunks, ends, strict=True):
            if end > received:
                self.ethereum.send(self._signer, functions.append(chunk))
        self._send(functions.seal())

    # -------------------------------------------------------------------------------------------- the proofs

    def next_proof(self) -> TerminalReport | None:
        """The terminal proof that the contract can take next, if there is one on the shelf."""
        report = None if self._shelf is None else self._shelf.terminal_after(self.proved)
        if report is None or report.last > self.published or (report.first, report.last) in self.refused:
            return None
        return report

    def prove(self, report: TerminalReport) -> None:
        """Hand a terminal proof to the contract."""
        assert self._shelf is not None
        proof = self._shelf.terminal_path(report.first, report.last).read_bytes()
        keys = [_words(key) for key in report.keys]
        call = self.contract.functions.prove(report.first, keys, _words(report.last_key), proof)
        try:
            self._send_proof(call)
        except RevertedError as error:
            # It would be refused at every look.
            self.refused[report.first, report.last] = str(error)
            logger.error("batches %d to %d are not proved: %s", report.first, report.last, error)

    def _send_proof(self, call: Any) -> None:
        """Ask first where gas has a price; where it has none, asking would only take as long again."""
        errors = load_artifact("StarkVerifier").abi
        if not self.ethereum.is_gas_free:
            self.ethereum.refuse_failure(self._signer.address, call, errors=errors)
        try:
            self.ethereum.send(self._signer, call)
        except UnminedError:
            raise
        except EthereumError:
            self.ethereum.refuse_failure(self._signer.address, call, errors=errors)
            raise

    def _send(self, function: Any) -> None:
        """Send what would succeed: a refusal is met again at every look, and each one sent would cost its gas."""
        self.ethereum.refuse_failure(self._signer.address, function)
        self.ethereum.send(self._signer, function)

    # ------------------------------------------------------------------------------------------------ the run

    async def run(self, sequencer: Sequencer) -> None:
        """Look, serve, publish, until cancelled; a node that does not answer is asked again."""
        while True:
            try:
                await self.look(sequencer)
                self.trouble = None
            except (TakenBackError, ForeignBatchesError):
                raise
            except (EthereumError, Web3Exception, RequestException, ConnectionError, TimeoutError) as error:
                self.trouble = " ".join(str(error).split())
                logger.warning("Ethereum: %s", self.trouble)
            await asyncio.sleep(self.settings.look_seconds)

    async def look(self, sequencer: Sequencer) -> None:
        """One look: read the queue, then send every closed batch and every proof that the contract does not have."""
        async with self._looking:
            await asyncio.to_thread(self.note_unsealed, sequencer)
            await asyncio.to_thread(self.read_queue, sequencer.engine.state.system.queue_position)
            await asyncio.to_thread(self.look_at_batches)
            await asyncio.to_thread(self.refuse_foreign_batches, sequencer)
            if self._unmined is not None:
                # Soundness of the purse: what is sent again while it waits would be paid for twice.
                if await asyncio.to_thread(self.ethereum.is_waiting, self._unmined):
                    return
                self._unmined = None
            try:
                await self._send_what_is_missing(sequencer)
            except UnminedError as error:
                self._unmined = error.sent
                raise
            finally:
                await asyncio.to_thread(self.note_unsealed, sequencer)
                for stored in await asyncio.to_thread(self._misplaced, sequencer):
                    await sequencer.note_stage(stored.number, self._stage_of(stored.number))

    async def _send_what_is_missing(self, sequencer: Sequencer) -> None:
        checkpoints = sequencer.directory.checkpoints
        while True:
            stored = await asyncio.to_thread(checkpoints.batch, self.published + 1)
            if stored is None:
                break
            await asyncio.to_thread(self.publish, stored)
            await asyncio.to_thread(self.look_at_batches)
        while (report := await asyncio.to_thread(self.next_proof)) is not None:
            await asyncio.to_thread(self.prove, report)
            await asyncio.to_thread(self.look_at_batches)
            if self.proved < report.first and (report.first, report.last) not in self.refused:
                raise EthereumError(f"a proof of batch {report.first} was mined, and the contract has none")

    def _stage_of(self, number: int) -> Stage:
        if number <= self.proved:
            return Stage.PROVED
        return Stage.PUBLISHED if number <= self.published else Stage.SEALED

    def _misplaced(self, sequencer: Sequencer) -> list[StoredBatch]:
        """Batches whose noted stage is not the contract's: newly published or proved, or taken back."""
        checkpoints = sequencer.directory.checkpoints
        found = [
            stored for stage in (Stage.SEALED, Stage.PUBLISHED) for stored in checkpoints.batches_at(stage)
        ]
        number = self.proved + 1
        while (stored := checkpoints.batch(number)) is not None and stored.stage is Stage.PROVED:
            found.append(stored)
            number += 1
        return [stored for stored in found if stored.stage is not self._stage_of(stored.number)]


def _words(key: KeyIdentity) -> tuple[int, int]:
    """A key as the contract's struct has it."""
    return key.digest, key.root


def _queued(tag: int, time: int, body: bytes) -> QueuedItem:
    """Read an item as the contract queued it."""
    entry = TRANSACTIONS[tag] if tag < len(TRANSACTIONS) else None
    item = from_words(entry.published, body) if entry is not None else None
    if not isinstance(item, QueueItem):
        raise MalformedError(f"the queue holds an item of tag {tag}, which no rule knows")
    return QueuedItem(Time(time), item)
