"""Signatures of submissions that no front has verified, or that one has verified under another key: many at once."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Final

from rollup.node.engine import Engine
from rollup.node.gathered import Waiting
from rollup.node.inputs import input_of
from rollup.node.metrics import Metrics
from rollup.node.verified import VerifiedSignatures, load_kernels, verified_together

SIGNATURES_TOGETHER: Final = 16
"""So many are verified on the spot, in less than a millisecond: handing them to a thread and back takes longer.

Verifying one takes as long as verifying all of them, so while the disk keeps everybody waiting they gather.
"""


class GroupVerifier:
    """Notes which submissions of a group are refuted, and remembers the signatures of the others."""

    def __init__(self, check: VerifiedSignatures, metrics: Metrics) -> None:
        self._check = check
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(1, "verify")

    async def load(self) -> None:
        """Load the kernels, so that nobody's order waits for them."""
        await asyncio.get_running_loop().run_in_executor(self._thread, load_kernels)

    async def verify(self, group: list[Waiting], engine: Engine) -> None:
        """Verify what has to be verified.

        Soundness: a front's word counts only for the key that the account has now, and for the message that is spelled
        here of the submission that is applied here.
        """
        signed = []
        for waiting in group:
            message = engine.signed_message(input_of(waiting.submission, engine.time))
            if message is None:
                continue
            if waiting.known is None or waiting.known.key != message.key:
                signed.append((waiting, message))
            elif waiting.known.is_valid:
                self._check.remember(*message)
            else:
                waiting.is_refuted = True
        if not signed:
            return
        messages = [message for _, message in signed]
        began = perf_counter()
        if len(messages) <= SIGNATURES_TOGETHER:
            answers = verified_together(messages)
        else:
            loop = asyncio.get_running_loop()
            answers = await loop.run_in_executor(self._thread, verified_together, messages)
        self._metrics.timing("verification", perf_counter() - began)
        self._metrics.count("signatures_verified", by=len(messages))
        for (waiting, message), is_valid in zip(signed, answers, strict=True):
            if is_valid:
                self._check.remember(*message)
            else:
                waiting.is_refuted = True

    def shutdown(self) -> None:
        """Wait for the thread to end."""
        self._thread.shutdown()
