"""`proof`: make, show and check proofs of the example circuits, as files."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks import demo
from circuits.proof_file import read_proof
from rollup.commands.terminal import (
    BadInput,
    Refused,
    insist_on_folder,
    json_option,
    print_json,
    progress_on_stderr,
    write_result,
)

if TYPE_CHECKING:
    # Only for annotations: importing them would make `proof --help` wait for numpy.
    from prover.stark.encoding import Heading
    from prover.stark.key import VerificationKey

LARGEST_LOG_SIZE = 20


@click.group()
def group() -> None:
    """Make, show and check proofs of the example circuits.

    \b
    Examples:
      clearing proof demo
      clearing proof make poseidon-batch --log-size 10 --out hashes.proof
      clearing proof show hashes.proof
      clearing proof verify hashes.proof
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped


group.add_command(demo.command, "demo")


@group.command()
@click.argument("example")
@click.option(
    "--log-size",
    default=10,
    show_default=True,
    type=click.IntRange(0, LARGEST_LOG_SIZE),
    help="log2 of the example's rows.",
)
@click.option("--preset", default="keccak-100-rate-4", show_default=True, help="See `clearing soundness`.")
@click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(0, 1 << 20), help="Of the example's witness."
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Where the proof goes."
)
@json_option
def make(example: str, log_size: int, preset: str, seed: int, out: Path, as_json: bool) -> None:
    """Fill an example circuit with a random witness and prove it.

    EXAMPLE is poseidon-batch, poseidon-chain, range-check, memory, two-heights or shuffle: benchmarks/examples.

    \b
    Examples:
      clearing proof make memory --log-size 12 --out memory.proof
      clearing proof make shuffle --preset poseidon-100-rate-4 --out shuffle.proof --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from benchmarks.examples.catalogue import EXAMPLES
    from prover.field.threads import default_threads
    from prover.parameters import PRESETS
    from prover.progress import Stages
    from prover.stark.circuit import CircuitError
    from prover.stark.encoding import encode_proof
    from prover.stark.prover import prove
    from prover.stark.proving_key import make_proving_key

    if example not in EXAMPLES:
        raise click.UsageError(f"there is no example {example!r}, only {', '.join(EXAMPLES)}")
    if preset not in PRESETS:
        raise click.UsageError(f"there is no preset {preset!r}, only {', '.join(PRESETS)}")
    chosen, threads = EXAMPLES[example], default_threads()
    if log_size < chosen.smallest:
        raise click.UsageError(f"the example {example} starts at --log-size {chosen.smallest}")
    insist_on_folder(out)
    start = time.perf_counter()
    with progress_on_stderr() as show_progress:
        filled = chosen.fill(log_size, seed, threads)
        try:
            key = make_proving_key(
                chosen.circuit(),
                chosen.log_heights(log_size),
                PRESETS[preset],
                chosen.preprocessed(),
                threads=threads,
            )
        except CircuitError as error:
            raise BadInput(str(error)) from error
        proved = prove(key, filled.traces, filled.statement, threads=threads, stages=Stages(show_progress))
    content = encode_proof(key.verification, filled.statement, proved.messages, proved.positions)
    write_result(out, content)
    seconds = time.perf_counter() - start
    if as_json:
        print_json(
            {"file": str(out), "bytes": len(content), "seconds": seconds, "statement": filled.statement}
        )
    else:
        click.echo(
            f"proved {example} with 2^{log_size} rows in {seconds:.2f} s: {out}, {len(content):,} bytes"
        )


@group.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def show(file: Path, as_json: bool) -> None:
    """Say what a proof file is about: statement, parameters, provable bits and the size of each part.

    Showing is not verifying: it reads the file strictly but checks nothing that the proof claims.

    \b
    Examples:
      clearing proof show hashes.proof
      clearing proof show hashes.proof --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from prover.errors import ProofRefused
    from prover.soundness.reference import rounded_down
    from prover.stark.encoding import decode_proof
    from prover.stark.security import report_of

    content, heading, key = _open(file)
    try:
        decoded = decode_proof(key, content)
    except ProofRefused as refusal:
        raise BadInput(f"{str(file)!r}: {refusal}") from refusal
    security = report_of(key)
    parameters = heading.parameters
    if as_json:
        document: dict[str, Any] = {
            "circuit": heading.circuit_name,
            "key_digest": heading.key_digest.hex(),
            "statement": list(heading.statement),
            "log_heights": list(heading.log_heights),
            "parameters": asdict(parameters),
            "soundness_bits": security.to_json(),
            "bytes": len(content),
            "bytes_by_part": decoded.sizes,
        }
        print_json(document)
        return
    marked = " (INSECURE, for tests only)" if parameters.is_insecure else ""
    click.echo(f"circuit     {heading.circuit_name}, key {heading.key_digest.hex()[:16]}..")
    click.echo(f"heights     {', '.join(f'2^{h}' for h in heading.log_heights)}")
    click.echo(f"statement   {', '.join(map(str, heading.statement)) or 'no public values'}")
    click.echo(f"parameters  {parameters.name}{marked}: {parameters.queries} queries, {parameters.suite}")
    click.echo(
        f"bits        {rounded_down(security.minimum)} provable ({security.weakest_round} is the weakest round), "
        f"{rounded_down(security.minimum_without_grinding)} without grinding"
    )
    click.echo(f"size        {len(content):,} bytes")
    for part, size in decoded.sizes.items():
        click.echo(f"  {size:9,}  {part}")


@group.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--bits", default=100, show_default=True, type=click.IntRange(1, 128), help="Refuse fewer provable bits."
)
@click.option("--accept-insecure", is_flag=True, help="Accept parameters that are meant for tests only.")
@json_option
def verify(file: Path, bits: int, accept_insecure: bool, as_json: bool) -> None:
    """Verify a proof file of an example circuit; the exit code is 1 when it is refused.

    \b
    Examples:
      clearing proof verify hashes.proof
      clearing proof verify hashes.proof --bits 128
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from prover.errors import ProofRefused
    from prover.soundness.reference import rounded_down
    from prover.stark.verify import verify as verify_bytes

    content, heading, key = _open(file)
    start = time.perf_counter()
    try:
        accepted = verify_bytes(
            key, heading.statement, content, required_bits=bits, accept_insecure=accept_insecure
        )
    except ProofRefused as refusal:
        if as_json:
            print_json({"accepted": False, "reason": refusal.reason.value, "detail": refusal.detail})
        raise Refused(str(refusal)) from refusal
    seconds = time.perf_counter() - start
    if as_json:
        print_json(
            {
                "accepted": True,
                "statement": list(accepted.statement),
                "seconds": seconds,
                "soundness_bits": accepted.security.to_json(),
            }
        )
        return
    click.echo(
        f"accepted in {seconds:.2f} s: {heading.circuit_name}, {rounded_down(accepted.security.minimum)} provable bits"
    )


def _open(file: Path) -> tuple[bytes, Heading, VerificationKey]:
    """Read a proof file and build the key that it names; the sizes are checked before anything is allocated."""
    from benchmarks.examples.catalogue import EXAMPLES
    from prover.stark.circuit import CircuitError
    from prover.stark.key import make_verification_key

    content, heading = read_proof(file)
    example = EXAMPLES.get(heading.circuit_name)
    if example is None:
        raise BadInput(
            f"{str(file)!r} is about the circuit {heading.circuit_name!r}, which is not an example"
        )
    try:
        if not example.preprocessed():
            return (
                content,
                heading,
                make_verification_key(example.circuit(), heading.log_heights, heading.parameters),
            )
        from prover.stark.proving_key import make_proving_key

        key = make_proving_key(
            example.circuit(), heading.log_heights, heading.parameters, example.preprocessed()
        ).verification
    except (CircuitError, ValueError) as error:
        raise BadInput(f"{str(file)!r}: {error}") from error
    return content, heading, key
