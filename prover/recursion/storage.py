"""Keys of the recursion on the disk: a second process reads in a second what took the first one fifteen.

    FOLDER/join-2-5f0c...81.keys

    SHA-256 of all that follows, hexadecimal                         a line
    {"keys": [{"form": "wide", ...}, ...], "arrays": [...]}          a line
    the arrays, one after the other

A file holds the keys of one piece of a chain: the first verifies proofs under given keys, each other one those under
the key before it. What follows from a circuit's definition (constraints, tapes) is not kept but made anew.
The name has a digest of everything that makes the arrays, so another version finds no file of this one.

Nobody's soundness hangs on a file: a wrong key gives proofs that no verifier accepts. Still each is compared with its
checksum, and with the digest that it should have where its reader knows it; what does not fit is made anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from prover.air.tape import Tape
from prover.errors import ProofRefused, Reason
from prover.field.koalabear import Montgomery
from prover.field.threads import default_threads
from prover.merkle import Layer, TreeShape
from prover.ntt import aligned_empty
from prover.parameters import StarkParameters
from prover.recursion.blocks import HashSources
from prover.recursion.chain import Chain, Join, make_first, make_join, make_terminal
from prover.recursion.execution import CompiledProgram
from prover.recursion.layout import Layout
from prover.recursion.prove import Form, RecursionKey, public_names
from prover.recursion.tables import recursion_circuit
from prover.recursion.terminal import terminal_circuit
from prover.recursion.terminal_layout import TerminalLayout
from prover.stark.key import VerificationKey, make_verification_key
from prover.stark.proving_key import AnyCommitment, ProvingKey, StreamedCommitment, commit
from prover.stark.trees import suite_of
from prover.streamed_tree import StreamedTree

MOST_BYTES: Final = 1 << 30
"""Of all files together: the keys of two versions. What was not used for longest goes first."""

ENDING: Final = ".keys"

CHECKSUM_CHARACTERS: Final = 64

Array = NDArray[Any]


class DamagedKeyError(Exception):
    """A file that does not hold what it should."""


def cache_folder() -> Path:
    """Where keys are kept unless somebody says otherwise: the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "options-clearing-rollup" / "recursion"


@cache
def source_digest() -> bytes:
    """Name the state of everything but the inner keys that a key is made from."""
    digest = hashlib.sha256(f"{platform.python_version()} {np.__version__}\n".encode())
    package = Path(__file__).parent.parent
    for path in sorted(package.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(package)} {len(content)}\n".encode() + content)
    return digest.digest()


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


class KeyFolder:
    """A folder of keys, each made once for all processes."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        say: Callable[[str], None] = _say,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.folder = folder or cache_folder()
        self._say = say
        self._most_bytes = most_bytes

    def path(self, name: str, inner: Sequence[VerificationKey]) -> Path:
        """Where the keys of that name over these inner keys are, or will be."""
        digest = hashlib.sha256(source_digest())
        for key in inner:
            digest.update(key.digest)
        return self.folder / f"{name}-{digest.hexdigest()[:32]}{ENDING}"

    def get(
        self,
        name: str,
        inner: Sequence[VerificationKey],
        make: Callable[[], Sequence[RecursionKey]],
        expected: Callable[[VerificationKey], bool] = lambda _: True,
    ) -> tuple[RecursionKey, ...]:
        """Read keys, or make and keep them; `expected` judges the last one's identity, and refuses the proof."""
        path = self.path(name, inner)
        try:
            found = read_keys(path, inner)
            if not expected(found[-1].verification):
                raise DamagedKeyError("it is not the key that is pinned")
        except FileNotFoundError:
            pass
        except (DamagedKeyError, OSError) as error:
            self._say(f"{path} is not used: {error}; the key is made anew")
        else:
            with suppress(OSError):
                os.utime(path)
            return found
        made = tuple(make())
        if not expected(made[-1].verification):
            raise ProofRefused(Reason.WRONG_KEY, f"the pinned identity of {name} is of other circuits")
        try:
            write_keys(path, made)
            self._forget_old_files(path)
        except OSError as error:
            self._say(f"the key is not kept: {error}")
        return made

    def _forget_old_files(self, newest: Path) -> None:
        found = []
        for path in self.folder.glob(f"*{ENDING}"):
            # Another process may be deleting the same files.
            with suppress(OSError):
                status = path.stat()
                found.append((path != newest, -status.st_mtime, status.st_size, path))
        total = 0
        for _, _, size, path in sorted(found):
            total += size
            if total > self._most_bytes and path != newest:
                path.unlink(missing_ok=True)


def stored_chain(folder: KeyFolder, base: VerificationKey, *, threads: int | None = None) -> Chain:
    """All steps for one base proof at a time, out of a folder or into it."""
    (first,) = folder.get("first", [base], lambda: [make_first(base, threads=threads)])
    under = [first.verification]
    steps = folder.get("join-1", under, lambda: make_join(first.verification, 1, threads=threads).steps)
    last = steps[-1].verification
    (end,) = folder.get("terminal", [last], lambda: [make_terminal(last, threads=threads)])
    return Chain(first, Join(1, steps), end)


# ------------------------------------------------------------------------------------------------------ files


def write_keys(path: Path, keys: Sequence[RecursionKey]) -> None:
    """Put a file in its place when all of it is written."""
    arrays: list[Array] = []
    described = [_describe(key, arrays) for key in keys]
    shapes = [[array.dtype.str, list(array.shape)] for array in arrays]
    header = json.dumps({"keys": described, "arrays": shapes}).encode("ascii") + b"\n"
    digest = hashlib.sha256(header)
    for array in arrays:
        digest.update(array.data)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            file.write(digest.hexdigest().encode("ascii") + b"\n" + header)
            for array in arrays:
                file.write(array.data)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def read_keys(path: Path, inner: Sequence[VerificationKey]) -> tuple[RecursionKey, ...]:
    """Read what `write_keys` wrote, or raise DamagedKeyError."""
    content = path.read_bytes()
    body = memoryview(content)[CHECKSUM_CHARACTERS + 1 :]
    if hashlib.sha256(body).hexdigest().encode("ascii") != content[:CHECKSUM_CHARACTERS]:
        raise DamagedKeyError("its checksum is wrong")
    try:
        length = content.index(b"\n", CHECKSUM_CHARACTERS + 1) - CHECKSUM_CHARACTERS
        header = json.loads(bytes(body[: length - 1]))
        arrays = _arrays(body[length:], header["arrays"])
        keys: list[RecursionKey] = []
        for fields in header["keys"]:
            keys.append(_rebuilt(fields, arrays, (keys[-1].verification,) if keys else tuple(inner)))
    except (ValueError, KeyError, TypeError, IndexError, StopIteration) as error:
        raise DamagedKeyError(f"it cannot be read ({error})") from error
    if not keys:
        raise DamagedKeyError("it holds no key")
    return tuple(keys)


def _arrays(content: memoryview, shapes: Sequence[tuple[str, Sequence[int]]]) -> Iterator[Array]:
    at = 0
    for spelled, shape in shapes:
        kind = np.dtype(spelled)
        count = int(np.prod(shape, dtype=np.int64))
        yield np.frombuffer(content, kind, count, at).reshape(shape)
        at += count * kind.itemsize


# ------------------------------------------------------------------------------------------------- one key


def _describe(key: RecursionKey, arrays: list[Array]) -> dict[str, Any]:
    """What is not an array, and the arrays put behind the others, in the order in which `_rebuilt` takes them."""
    compiled, layout = key.compiled, key.layout
    plans = [layout.plan] if isinstance(layout, TerminalLayout) else [*layout.plans]
    hashes = layout.hashes
    numbers = [compiled.code, compiled.inputs, compiled.vector_inputs, compiled.publics]
    arrays += [_short(array) for array in (*numbers, hashes.first, hashes.permuted, *plans)]
    commitment = key.proving.preprocessed_commitment
    layers: list[tuple[int, int]] = []
    if isinstance(commitment, StreamedCommitment):
        tree = commitment.tree
        layers = [(layer.blowup, layer.height) for layer in tree.layers]
        arrays += [np.ascontiguousarray(tree.coefficients)]
        arrays += [np.ascontiguousarray(layer.planes) for layer in tree.layers]
    return {
        "form": (Form.TERMINAL if isinstance(layout, TerminalLayout) else Form.WIDE).value,
        "forwards_keys": key.forwards_keys,
        "log_height": layout.log_height,
        "lanes": 0 if isinstance(layout, TerminalLayout) else layout.lanes,
        "parameters": key.verification.parameters.to_bytes().hex(),
        "scalar_count": compiled.scalar_count,
        "vector_count": compiled.vector_count,
        "sibling_count": compiled.sibling_count,
        "public_zeros": compiled.public_zeros,
        "counts": dict(compiled.counts),
        "layers": layers,
    }


def _rebuilt(
    fields: dict[str, Any], arrays: Iterator[Array], inner: tuple[VerificationKey, ...]
) -> RecursionKey:
    def take() -> NDArray[np.int64]:
        return np.array(next(arrays), dtype=np.int64)

    code, inputs, vector_inputs, publics = (take() for _ in range(4))
    zeros = int(fields["public_zeros"])
    compiled = CompiledProgram(
        code,
        int(fields["scalar_count"]),
        int(fields["vector_count"]),
        int(fields["sibling_count"]),
        inputs,
        vector_inputs,
        publics,
        zeros,
        fields["counts"],
    )
    hashes = HashSources(take(), take().astype(np.intp))
    names = public_names(len(publics) + zeros)
    log_height = int(fields["log_height"])
    layout: Layout | TerminalLayout
    if Form(fields["form"]) is Form.TERMINAL:
        layout, circuit = TerminalLayout(log_height, take(), hashes), terminal_circuit(names)
    else:
        layout, circuit = (
            Layout(log_height, (take(), take()), hashes),
            recursion_circuit(names, fields["lanes"]),
        )
    parameters = StarkParameters.from_bytes(bytes.fromhex(fields["parameters"]))
    preprocessed = tuple(layout.preprocessed())
    draft = VerificationKey(circuit, layout.log_heights, parameters, None)
    commitment = _commitment(draft, preprocessed, fields["layers"], arrays)
    key = make_verification_key(circuit, layout.log_heights, parameters, commitment.tree.root)
    tapes = tuple(Tape.compile([table.combination]) for table in key.shape.tables)
    proving = ProvingKey(key, preprocessed, commitment, tapes)
    return RecursionKey(inner, bool(fields["forwards_keys"]), compiled, layout, proving)


def _commitment(
    draft: VerificationKey,
    preprocessed: Sequence[Montgomery],
    layers: Sequence[tuple[int, int]],
    arrays: Iterator[Array],
) -> AnyCommitment:
    """The tree as it was kept; a small one, which is held as a whole, is made anew."""
    phase = draft.shape.phase("preprocessed")
    assert phase is not None
    suite, log_blowup = suite_of(draft.parameters), draft.parameters.log_blowup
    if not layers:
        chosen = [preprocessed[matrix.table] for matrix in phase.matrices]
        return commit(suite, phase, chosen, log_blowup, default_threads())
    kept_coefficients = next(arrays)
    coefficients = aligned_empty(kept_coefficients.shape)
    coefficients[:] = kept_coefficients
    kept = [Layer(np.array(next(arrays)), blowup, height) for blowup, height in layers]
    shape = TreeShape(log_blowup, tuple((matrix.columns, matrix.log_height) for matrix in phase.matrices))
    return StreamedCommitment(phase, StreamedTree(suite, coefficients, kept, shape))


def _short(array: Array) -> Array:
    """Half the bytes where all numbers allow it: they are wires, counts and field elements."""
    limits = np.iinfo(np.int32)
    fits = not array.size or (limits.min <= array.min() and array.max() <= limits.max)
    return np.ascontiguousarray(array, dtype=np.int32 if fits else np.int64)
