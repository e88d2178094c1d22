"""`demo`: the clearing house from its deployment to its first withdrawals, told and proved in under two minutes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from cli import Refused, json_option, print_json, progress_on_stderr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollup.batch import Batch
    from rollup.node.demo_report import DemoReport, Owner
    from rollup.node.ports import Attested
    from rollup.state import State

NOT_PROVED = (
    "The contract has accepted NO PROOF of these batches: their data and roots are on it, and until it accepts proofs"
    " the vault pays no claim."
)


@click.command()
@click.option(
    "--seed", default=7, show_default=True, type=click.IntRange(0), help="Makes the story repeatable."
)
@click.option(
    "--prove/--no-prove", "has_proofs", default=True, show_default=True, help="Prove and verify every batch."
)
@json_option
def command(seed: int, has_proofs: bool, as_json: bool) -> None:
    """Trade options on a clearing house of its own, from deployment to withdrawal, and balance its books.

    An embedded Ethereum chain, the real contracts, the real node over HTTP, signed orders.
    At the end every batch is proved and its proof verified.
    The same seed gives the same trades, the same balances and the same state root.

    \b
    Examples:
      clearing demo
      clearing demo --seed 11
      clearing demo --no-prove
      clearing demo --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.node.demo import StoryError, run_demo

    try:
        with progress_on_stderr() as show:
            report = run_demo(seed, show, attester=attest if has_proofs else None)
    except StoryError as error:
        raise Refused(str(error)) from error
    if as_json:
        print_json(to_json(report))
    else:
        show_report(report)
    if not report.balances:
        raise Refused("the books do not balance")


def attest(before: State, batch: Batch, words: Sequence[int]) -> Attested:
    """Prove a batch, verify the proof against the contract's statement of it, and say what it took."""
    from time import perf_counter

    from circuits.machine import prove_batch
    from circuits.statement import BatchStatement
    from circuits.verifying import verify_batch
    from prover.hash.poseidon import POSEIDON16_20
    from rollup.batch import RejectedBatch, apply_batch
    from rollup.node.ports import Attested
    from rollup.schnorr import SepticSchnorr
    from rollup.state_hash import KernelHasher
    from rollup.state_tree import StateTree

    outcome = apply_batch(before, batch, SepticSchnorr())
    if isinstance(outcome, RejectedBatch):
        raise Refused(f"batch {batch.number} breaks a rule: {outcome.rejection}")
    tree = StateTree.of_state(before, KernelHasher(POSEIDON16_20))
    began = perf_counter()
    proved = prove_batch(before, batch, tree, outcome)
    made = perf_counter()
    bits = verify_batch(BatchStatement.from_words(words), proved.content).minimum
    return Attested(batch.number, made - began, perf_counter() - made, len(proved.content), bits)


def to_json(report: DemoReport) -> dict[str, Any]:
    """The report for programs."""
    return asdict(report) | {
        "checks": [asdict(check) | {"holds": check.holds} for check in report.checks],
        "proved": report.proved,
        "balances": report.balances,
    }


def show_report(report: DemoReport) -> None:
    """The closing tables."""
    import sys

    from rich.console import Console

    console = Console() if sys.stdout.isatty() else Console(width=120)
    _what_happened(report, console)
    _who_owns_what(report, console)
    _refusals(report, console)
    _books(report, console)
    if report.proved < len(report.batches):
        console.print(
            f"\n[bold yellow]{NOT_PROVED}[/]" if report.proved == 0 else "\nSome batches are not proved."
        )
    console.print(f"\nseed {report.seed}, {report.seconds:.1f} s; the same seed gives the same root.")


def _what_happened(report: DemoReport, console: Any) -> None:
    table = _table("what happened", ("", "<"), ("", "<"))
    sealed = f"{len(report.batches)} batches sealed on the contract, {report.proved} proved"
    content = sum(batch.bytes for batch in report.batches)
    table.add_row("Ethereum", f"{report.blocks} blocks; {sealed}; {content:,} bytes of data")
    table.add_row(
        "market",
        f"{report.orders:,} signed orders, {report.trades:,} trades in {report.series} series:"
        f" {report.lots:,} lots for {_dollars(report.premium)}",
    )
    for settled in report.settlements:
        posted = ", ".join(f"{price:,}" for price in settled.posted)
        table.add_row(
            "expiry",
            f"{settled.name}: oracles said {posted}; median {settled.price:,}; {settled.accounts} accounts settled",
        )
    claims = sum(batch.claims for batch in report.batches)
    claimed = sum(owner.claimed for owner in report.owners)
    table.add_row("withdrawals", f"{claims} claims on the vault, {_dollars(claimed)} together")
    if report.attested:
        seconds = sorted(one.seconds for one in report.attested)
        table.add_row(
            "proofs",
            f"{len(report.attested)} batches proved, each proof verified: {seconds[len(seconds) // 2]:.1f} s to prove"
            f" (longest {seconds[-1]:.1f}), {max(one.verify_seconds for one in report.attested):.1f} s to verify,"
            f" {report.attested[0].proof_bytes / 1024:,.0f} KiB,"
            f" {min(one.provable_bits for one in report.attested):.1f} provable bits",
        )
    console.print(table)


def _who_owns_what(report: DemoReport, console: Any) -> None:
    table = _table(
        "who owns what, in dollars",
        ("who", "<"),
        ("does", "<"),
        ("deposited", ">"),
        ("cash", ">"),
        ("of it margin", ">"),
        ("claims", ">"),
        ("still open: lots, call or put, strike", "<"),
    )
    for owner in report.owners:
        table.add_row(
            owner.name,
            owner.role,
            _dollars(owner.deposited),
            _dollars(owner.cash),
            _dollars(owner.requirement),
            _dollars(owner.claimed),
            _positions(owner),
        )
    table.add_section()
    totals = [
        sum(getattr(owner, name) for owner in report.owners)
        for name in ("deposited", "cash", "requirement", "claimed")
    ]
    table.add_row("together", "", *(_dollars(total) for total in totals), "")
    console.print(table)


def _positions(owner: Owner) -> str:
    # No line breaks between lots and option.
    return "  ".join(
        f"{held.lots:+}\N{NO-BREAK SPACE}{held.option[0].upper()}{held.strike}" for held in owner.holdings
    )


def _refusals(report: DemoReport, console: Any) -> None:
    table = _table("what was refused", ("attempt", "<"), ("reason", "<"))
    for refused in report.refusals:
        table.add_row(refused.attempt, refused.reason)
    console.print(table)


def _books(report: DemoReport, console: Any) -> None:
    table = _table("do the books balance", ("", "<"), ("must be", ">"), ("is", ">"), ("", "<"))
    for check in report.checks:
        verdict = "[green]yes[/]" if check.holds else "[bold red]NO[/]"
        table.add_row(check.sentence, _short(check.expected), _short(check.found), verdict)
    console.print(table)


def _short(text: str) -> str:
    """A root is told by its first digits."""
    return f"{text[:14]}…" if text.startswith("0x") else text


def _table(title: str, *columns: tuple[str, str]) -> Any:
    from rich import box
    from rich.table import Table

    has_headings = any(name for name, _ in columns)
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_header=has_headings
    )
    for name, side in columns:
        table.add_column(name, justify="right" if side == ">" else "left")
    return table


def _dollars(micro: int) -> str:
    sign, cents = ("-" if micro < 0 else ""), abs(micro) // 10_000
    return f"{sign}{cents // 100:,}.{cents % 100:02}"
