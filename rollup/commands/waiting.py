"""Asking again until something has happened, or until nobody wants to wait any longer."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep
from typing import Final, TypeVar

import click

from rollup.commands.quantities import Span
from rollup.commands.terminal import Refused

T = TypeVar("T")

LOOK_SECONDS: Final = 0.2

timeout_option = click.option(
    "--timeout", type=Span(), default="2m", show_default=True, help="How long to wait for the node."
)


def wait_for(what: str, look: Callable[[], T | None], timeout: int) -> T:
    """Look again and again; give what was found."""
    end = monotonic() + timeout
    while (found := look()) is None:
        if monotonic() > end:
            raise Refused(f"waited {timeout} s for {what}; it may still happen, `clearing status` shows it")
        sleep(LOOK_SECONDS)
    return found
