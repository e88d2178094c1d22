"""`demo`: the clearing house from its deployment to the claims it pays, told and proved in under five minutes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from rollup.commands.terminal import Refused, json_option, print_json, progress_on_stderr

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

VERIFIED_BESIDE = (
    "Every batch was proved, and each proof verified against what the contract says of its batch; but --quick leaves"
    " out the terminal proof, without which the contract accepts none."
)


@click.command()
@click.option(
    "--seed", default=7, show_default=True, type=click.IntRange(0), help="Makes the story repeatable."
)
@click.option(
    "--quick",
    "is_quick",
    is_flag=True,
    help="Prove and verify every batch, but leave out the proof for the contract, which then pays no claim.",
)
@click.option(
    "--prove/--no-prove", "has_proofs", default=True, show_default=True, help="Prove the batches at all."
)
@json_option
def command(seed: int, is_quick: bool, has_proofs: bool, as_json: bool) -> None:
    """Trade options on a clearing house of its own, from deployment to paid claims, and balance its books.

    An embedded Ethereum chain, the real contracts, the real node over HTTP with its provers, signed orders.
    Every batch is proved, all proofs are joined into one, the contract verifies it and accepts the state root, and
    whoever has withdrawn is paid by the contract.
    The same seed gives the same trades, the same balances and the same state root.
    A first run also compiles the provers' kernels and makes their keys.

    \b
    Examples:
      clearing demo
      clearing demo --seed 11
      clearing demo --quick
      clearing demo --no-prove
      clearing demo --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from rollup.node.demo import run_demo
    from rollup.node.demo_proofs import StoryError

    if is_quick and not has_proofs:
        raise click.UsageError("--quick says how batches are proved, and --no-prove that they are not")
    choices = for_the_contract() if has_proofs and not is_quick else {}
    try:
        with progress_on_stderr() as show:
            report = run_demo(seed, show, attester=attest if has_proofs and is_quick else None, **choices)
    except StoryError as error:
        raise Refused(str(error)) from error
    if as_json:
        print_json(to_json(report))
    else:
        show_report(report)
    if not report.balances:
        raise Refused("the books do not balance")


def for_the_contract() -> dict[str, Any]:
    """The provers, and the contract that judges what they make."""
    from circuits.deployable import verifier
    from cli import HOME, PROVER_COMMAND
    from rollup.node.background import ProvingSettings

    return {"proving": ProvingSettings(PROVER_COMMAND, HOME), "verifier": verifier()}


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
        "root": report.root,
        "paid": sum(owner.collected for owner in report.owners),
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
    if report.pipeline:
        _pipeline(report, console)
    _ending(report, console)


def _ending(report: DemoReport, console: Any) -> None:
    """The contract's word: what it has accepted and paid, or that it has accepted nothing."""
    paid = [owner for owner in report.owners if owner.collected]
    if report.proved == len(report.batches):
        console.print(
            f"\n[bold green]The contract has accepted the proof of batches 1 to {report.proved}: state root"
            f" {report.root} is proved.[/]"
        )
        told = ", ".join(f"{owner.name} {_dollars(owner.collected)}" for owner in paid)
        console.print(f"It has paid {len(paid)} owners who had withdrawn: {told} dollars.")
    else:
        console.print(f"\n[bold yellow]{NOT_PROVED}[/]")
        if report.attested:
            console.print(VERIFIED_BESIDE)
    console.print(f"\nseed {report.seed}, {report.seconds:.1f} s; the same seed gives the same root.")


def _pipeline(report: DemoReport, console: Any) -> None:
    table = _table(
        "from batches to money",
        ("", "<"),
        ("", "<"),
        ("how many", ">"),
        ("seconds each", ">"),
        ("bytes each", ">"),
        ("gas each", ">"),
        ("provable bits", ">"),
    )
    for arrow in report.pipeline:
        table.add_row(
            arrow.source,
            f"\N{RIGHTWARDS ARROW} {arrow.target}",
            str(arrow.count),
            f"{arrow.seconds / arrow.count:.2f}",
            f"{arrow.bytes / arrow.count:,.0f}",
            "" if arrow.gas is None else f"{arrow.gas / arrow.count:,.0f}",
            "" if arrow.bits is None else f"{arrow.bits:.1f}",
        )
    console.print(table)
    console.print(f"All proofs behind the root together have {report.bits_together:.1f} provable bits.")


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
    paid = sum(owner.collected for owner in report.owners)
    table.add_row(
        "withdrawals",
        f"{claims} claims on the vault, {_dollars(claimed)} together; {_dollars(paid)} paid by the contract",
    )
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
        ("withdrawn", ">"),
        ("paid", ">"),
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
            _dollars(owner.collected),
            _positions(owner),
        )
    table.add_section()
    totals = [
        sum(getattr(owner, name) for owner in report.owners)
        for name in ("deposited", "cash", "requirement", "claimed", "collected")
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
