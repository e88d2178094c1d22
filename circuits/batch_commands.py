"""`prove`, `verify` and `inspect`: batches of a node's data directory, and proof files."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any, Final

import click

from circuits.proof_file import read_proof
from rollup.commands.quantities import moment
from rollup.commands.reach import Reach, reaching
from rollup.commands.terminal import (
    BadInput,
    ClearingCommand,
    Refused,
    insist_on_folder,
    json_option,
    print_json,
    print_table,
    progress_on_stderr,
    read_limited,
    write_result,
)

LARGEST_NUMBER: Final = (1 << 32) - 1

LARGEST_BATCH: Final = 1 << 26
"""Bytes of one file of batch data: far above what any batch holds."""

batch_argument = click.argument("number", metavar="BATCH", type=click.IntRange(1, LARGEST_NUMBER))
threads_option = click.option(
    "--threads", default=None, type=click.IntRange(1, 256), help="Default: as many as there are cores."
)


def preset_named(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Refuse a preset under which no batch is proved."""
    del context, parameter
    from circuits.verifying import pinned_roots

    if value not in pinned_roots():
        raise click.BadParameter(
            f"there is no preset {value!r} for batches, only {', '.join(pinned_roots())}"
        )
    return value


preset_option = click.option(
    "--preset",
    default="keccak-100-rate-4",
    show_default=True,
    callback=preset_named,
    help="Trees, rate and queries; `clearing soundness` lists them.",
)


@click.command(cls=ClearingCommand)
@batch_argument
@reaching(node=False)
@preset_option
@threads_option
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the proof to this file.  [default: node/proofs/BATCH.proof in the data directory]",
)
@json_option
def prove(
    reach: Reach, number: int, preset: str, threads: int | None, out: Path | None, as_json: bool
) -> None:
    """Prove a batch that a node of this data directory has closed.

    The node may run meanwhile, or not; its files are only read.
    The state before the batch is put together from the checkpoint, the signed orders come from the journal.
    Who verifies the proof needs nothing of either: it carries its statement.

    \b
    Examples:
      clearing prove 12
      clearing prove 12 --out 12.proof --preset poseidon-100-rate-4
      clearing prove 12 --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from circuits.archived import prove_archived
    from circuits.shapes import BatchTooLargeError
    from prover.memory import keep_freed_memory
    from prover.parameters import PRESETS
    from rollup.node.proofs import ProofShelf

    is_insecure = PRESETS[preset].is_insecure
    if out is None and is_insecure:
        raise BadInput(
            f"{preset} is for tests only: with --out FILE its proof does not replace the node's own"
        )
    if out is not None:
        insist_on_folder(out)
    keep_freed_memory()
    try:
        with progress_on_stderr() as show:
            made = prove_archived(node_folder(reach), number, preset=preset, threads=threads, progress=show)
    except BatchTooLargeError as error:
        raise Refused(f"batch {number} is not proved: {error}") from error
    path = out
    if path is None:
        path = ProofShelf(node_folder(reach)).keep(made.proved.content, made.report)
    else:
        write_result(path, made.proved.content)
    report = made.report
    document = {
        "batch": number,
        "file": str(path),
        "seconds": report.seconds,
        "proof_bytes": report.proof_bytes,
        "provable_bits": report.provable_bits,
        "shape": report.shape,
        "parameters": report.parameters,
        "is_insecure": is_insecure,
        "seconds_by_stage": made.seconds_by_stage,
        "statement": spoken(made.proved.statement.elements),
    }
    if as_json:
        print_json(document)
        return
    click.echo(
        f"batch {number} is proved in {report.seconds:.2f} s: {report.proof_bytes / 1024:,.0f} KiB,"
        f" {report.provable_bits:.1f} provable bits, shape {report.shape}"
        + (" (INSECURE, for tests only)" if is_insecure else "")
    )
    click.echo(f"wrote {path}")


@click.command(cls=ClearingCommand)
@click.argument("proof", type=click.Path(path_type=Path))
@reaching(node=False)
@click.option(
    "--bits", default=100, show_default=True, type=click.IntRange(1, 128), help="Refuse fewer provable bits."
)
@click.option(
    "--batch-data",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Insist on these published bytes (`clearing batch show N --data FILE`).",
)
@click.option("--old-root", help="Insist on this root before the batch.")
@click.option("--new-root", help="Insist on this root after it.")
@json_option
def verify(
    reach: Reach,
    proof: Path,
    bits: int,
    batch_data: Path | None,
    old_root: str | None,
    new_root: str | None,
    as_json: bool,
) -> None:
    """Verify a batch's proof, and say what it says; the exit code is 1 when it is refused.

    PROOF is a file, or a batch's number: then the node's own proof in the data directory, compared with the data and
    the roots that the node has for that batch.
    A file alone proves what its statement says and no more: compare the roots and the data with those on Ethereum,
    or let --old-root, --new-root and --batch-data do it.
    Terminal proofs are for the contract: `clearing l1 status` says which it has accepted.

    \b
    Examples:
      clearing verify 12.proof
      clearing verify 12
      clearing verify 12.proof --batch-data 12.batch --new-root 0x5c1f...
      clearing verify 12.proof --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from prover.errors import ProofRefused

    expected: dict[str, Any] = {}
    number = _batch_number(proof)
    if number is not None and not proof.exists():
        path, expected = _kept(node_folder(reach), number)
    else:
        path = proof
    if batch_data is not None:
        expected["data"] = read_limited(batch_data, LARGEST_BATCH)
    expected |= {
        name: value.lower() for name, value in (("old_root", old_root), ("new_root", new_root)) if value
    }
    start = perf_counter()
    try:
        statement, provable = _verified(path, bits)
        _compare(statement, expected)
    except ProofRefused as refusal:
        if as_json:
            print_json({"accepted": False, "reason": refusal.reason.value, "detail": refusal.detail})
        raise Refused(str(refusal)) from refusal
    said = spoken(statement)
    seconds = perf_counter() - start
    if as_json:
        print_json({"accepted": True, "seconds": seconds, "provable_bits": provable, "statement": said})
        return
    compared = ", ".join(name.replace("_", " ") for name in expected) or "nothing"
    click.echo(
        f"accepted in {seconds:.2f} s with {provable:.1f} provable bits; compared beside it: {compared}"
    )
    rows = [
        (name.replace("_", " "), moment(value) if name == "time" else str(value))
        for name, value in said.items()
    ]
    print_table(f"what is proved of batch {said['batch']}", ("", ""), rows)


@click.command(cls=ClearingCommand)
@batch_argument
@reaching(node=False)
@json_option
def inspect(reach: Reach, number: int, as_json: bool) -> None:
    """Show what a batch costs to prove: rows and cells by table, and by type of transaction.

    \b
    Examples:
      clearing inspect 12
      clearing inspect 12 --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from circuits.archived import follow_archived
    from circuits.batch_costs import costs_of
    from circuits.shapes import BatchTooLargeError

    followed = follow_archived(node_folder(reach), number)
    try:
        costs = costs_of(followed)
    except BatchTooLargeError as error:
        raise Refused(f"batch {number}: {error}") from error
    if as_json:
        print_json({"batch": number, **costs.to_json()})
        return
    rows = [
        (
            one.name,
            f"{one.live:,}",
            f"2^{one.log_height}",
            f"{one.columns}",
            f"{one.cells:,}",
            f"{one.share:.1%}",
        )
        for one in costs.tables
    ]
    title = f"batch {number}, shape {costs.shape}: {costs.cells:,} cells"
    print_table(title, ("table", "rows used", "height", "columns", "cells", "share"), rows)
    print_table(
        "by type of transaction: cells of the rows that its steps use; leaves, tree and padding are everybody's",
        ("type", "count", "cells", "cells each"),
        [
            (
                one.name,
                f"{one.count:,}",
                f"{one.cells:,}",
                f"{one.cells / one.count:,.0f}" if one.count else "",
            )
            for one in costs.types
        ],
    )


# ---------------------------------------------------------------------------------------------------- what they share


def node_folder(reach: Reach) -> Path:
    """Where the node of a data directory keeps its files."""
    return reach.data_dir / "node"


def _batch_number(proof: Path) -> int | None:
    """The batch that is meant where a number stands in a file's place; None for any other path."""
    text = str(proof)
    # `isdecimal` alone takes the digits of every script, and no number that long is a batch's.
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(LARGEST_NUMBER))
    return int(text) if is_number else None


def spoken(elements: tuple[int, ...]) -> dict[str, Any]:
    """A statement as people read it: by name, numbers joined, roots as everywhere else."""
    from circuits.statement import (
        CHAIN,
        CONTRACT,
        DATA_DIGEST,
        NEW_ROOT,
        NUMBER,
        OLD_ROOT,
        PARAMETERS_VERSION,
        PUBLIC_NAMES,
        QUEUE_END,
        QUEUE_START,
        TIME,
    )
    from rollup.node.news import root_text
    from rollup.units import number_of

    values = dict(zip(PUBLIC_NAMES, elements, strict=True))

    def number(names: tuple[str, ...]) -> int:
        return number_of([values[name] for name in names])

    def word(names: tuple[str, ...]) -> str | None:
        return root_text(tuple(values[name] for name in names))

    return {
        "batch": number(NUMBER),
        "chain": number(CHAIN),
        "contract": f"0x{number(CONTRACT):040x}",
        "old_root": word(OLD_ROOT),
        "new_root": word(NEW_ROOT),
        "data_bytes": values["data length"],
        "data_digest": word(DATA_DIGEST),
        "queue_start": number(QUEUE_START),
        "queue_end": number(QUEUE_END),
        "time": number(TIME),
        "parameters_version": number(PARAMETERS_VERSION),
    }


def _verified(path: Path, bits: int) -> tuple[tuple[int, ...], float]:
    """The statement of a proof that holds, and its provable bits."""
    from circuits.verifying import verification_key
    from prover.stark.verify import verify as verify_bytes

    content, heading = read_proof(path)
    accepted = verify_bytes(verification_key(content), heading.statement, content, required_bits=bits)
    return accepted.statement, accepted.security.minimum


def _compare(statement: tuple[int, ...], expected: dict[str, Any]) -> None:
    """Refuse a proof that is about another batch than the one that is meant."""
    from circuits.statement import DATA_DIGEST, POINT, PUBLIC_NAMES, VALUE
    from prover.errors import ProofRefused, Reason
    from prover.hash.poseidon import POSEIDON16_20
    from rollup.binding import bind
    from rollup.state import Deployment
    from rollup.state_hash import KernelHasher
    from rollup.units import Address, BatchNumber, ChainId

    said = spoken(statement)
    for name in ("batch", "old_root", "new_root"):
        if name in expected and said[name] != expected[name]:
            raise ProofRefused(
                Reason.WRONG_STATEMENT,
                f"the proof's {name.replace('_', ' ')} is {said[name]}, not {expected[name]}",
            )
    if "data" in expected:
        published: bytes = expected["data"]
        deployment = Deployment(ChainId(said["chain"]), Address(int(said["contract"], 16)))
        binding = bind(published, deployment, BatchNumber(said["batch"]), KernelHasher(POSEIDON16_20))
        values = dict(zip(PUBLIC_NAMES, statement, strict=True))
        stated = [values[name] for name in (*DATA_DIGEST, *POINT, *VALUE)]
        # Soundness: digest, point and value together are what binds a proof to the bytes on Ethereum.
        if stated != [*binding.digest, *binding.point, *binding.value] or said["data_bytes"] != len(
            published
        ):
            raise ProofRefused(Reason.WRONG_STATEMENT, "the proof is about other data than these bytes")


def _kept(folder: Path, number: int) -> tuple[Path, dict[str, Any]]:
    """The node's proof of a batch, and what the node says of that batch."""
    from rollup.node.archive import Archive
    from rollup.node.news import root_text
    from rollup.node.proofs import ProofShelf

    path = ProofShelf(folder).path(number)
    if not path.exists():
        raise BadInput(
            f"there is no file {str(number)!r}, and no proof of batch {number} in {folder}"
            " (proofs of batches accepted long ago are thrown away; `clearing prove` makes one again)"
        )
    with Archive(folder) as archive:
        stored = archive.checkpoints.batch(number)
        earlier = archive.checkpoints.batch(number - 1)
    if stored is None:
        raise BadInput(f"there is no batch {number} in {folder}")
    expected: dict[str, Any] = {
        "batch": number,
        "new_root": root_text(stored.root),
        "data": stored.published,
    }
    return path, expected | ({"old_root": root_text(earlier.root)} if earlier is not None else {})
