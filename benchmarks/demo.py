"""`proof demo`: prove and verify a table of Poseidon hashes, and show what was done."""

from __future__ import annotations

import time

import click

from rollup.commands.terminal import Refused, json_option, print_json, progress_on_stderr

LOG_SIZE = 15
"""32,768 permutations: a second or two of work once the kernels are compiled."""

PRESET = "keccak-100-rate-2"


@click.command()
@click.option(
    "--log-size", default=LOG_SIZE, show_default=True, type=click.IntRange(0, 20), help="log2 of the hashes."
)
@json_option
def command(log_size: int, as_json: bool) -> None:
    """Prove a table of Poseidon hashes, verify the proof, and see a forged one refused.

    \b
    Examples:
      clearing proof demo
      clearing proof demo --log-size 17 --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    from benchmarks.examples.catalogue import EXAMPLES
    from prover.errors import ProofRefused
    from prover.field.threads import default_threads
    from prover.parameters import PRESETS
    from prover.progress import Stages
    from prover.stark.encoding import encode_proof
    from prover.stark.prover import prove
    from prover.stark.proving_key import make_proving_key
    from prover.stark.verify import verify

    example, threads = EXAMPLES["poseidon-batch"], default_threads()
    key = make_proving_key(example.circuit(), example.log_heights(log_size), PRESETS[PRESET], threads=threads)
    start = time.perf_counter()
    with progress_on_stderr() as show:
        stages = Stages(show)
        with stages.stage("fill the trace"):
            filled = example.fill(log_size, 1, threads)
        proved = prove(key, filled.traces, filled.statement, threads=threads, stages=stages)
    prove_seconds = time.perf_counter() - start
    content = encode_proof(key.verification, filled.statement, proved.messages, proved.positions)
    start = time.perf_counter()
    accepted = verify(key.verification, filled.statement, content)
    verify_seconds = time.perf_counter() - start
    # One wrong cell in the trace: the same prover makes a proof that must not convince anyone.
    filled.traces[0][20, 0] ^= 1
    forged = prove(key, filled.traces, filled.statement, threads=threads)
    forged_bytes = encode_proof(key.verification, filled.statement, forged.messages, forged.positions)
    try:
        verify(key.verification, filled.statement, forged_bytes)
    except ProofRefused as refusal:
        reason = str(refusal)
    else:
        raise Refused("the proof of a wrong trace was accepted")
    if as_json:
        print_json(
            {
                "hashes": 1 << log_size,
                "prove_seconds": prove_seconds,
                "verify_seconds": verify_seconds,
                "proof_bytes": len(content),
                "soundness_bits": accepted.security.to_json(),
                "seconds": stages.seconds,
                "forged": reason,
            }
        )
        return
    for name, seconds in stages.seconds.items():
        click.echo(f"  {seconds:7.3f} s  {name}")
    click.echo(
        f"proved   {1 << log_size:,} Poseidon permutations in {prove_seconds:.2f} s, kernels loaded on the way"
    )
    click.echo(f"verified a proof of {len(content) / 1024:.0f} KiB in {verify_seconds:.2f} s")
    click.echo(
        f"         {accepted.security.minimum:.1f} provable bits, "
        f"{accepted.security.minimum_without_grinding:.1f} without grinding"
    )
    click.echo(f"refused  the same with one wrong cell: {reason}")
