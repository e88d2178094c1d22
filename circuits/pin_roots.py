"""Write `pinned_roots.json`: the root over the columns that keys fix, for every preset under which batches are proved.

python -m circuits.pin_roots
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from circuits.range_check import LOG_HEIGHT, NAME, preprocessed
from circuits.shapes import LEAST_LOG_BLOWUP, TABLES, batch_circuit
from circuits.verifying import PINNED_FILE
from prover.field.threads import default_threads
from prover.memory import keep_freed_memory
from prover.parameters import PRESETS, StarkParameters
from prover.stark.key import Digest
from prover.stark.proving_key import commit
from prover.stark.shape import MatrixShape, Phase
from prover.stark.trees import suite_of


def proving_presets() -> dict[str, StarkParameters]:
    """The presets whose rate leaves room for the circuit's quotients."""
    return {name: found for name, found in PRESETS.items() if found.log_blowup >= LEAST_LOG_BLOWUP}


def root_under(parameters: StarkParameters) -> Digest:
    """Commit to the range check's columns as every proving key does."""
    columns = preprocessed()
    position = [name for name, _ in TABLES].index(NAME)
    phase = Phase("preprocessed", (MatrixShape(position, columns.shape[0], LOG_HEIGHT, ()),))
    tree = commit(suite_of(parameters), phase, [columns], parameters.log_blowup, default_threads()).tree
    return tree.root


def spelled(roots: dict[str, Digest]) -> str:
    """The file's content, a preset a line."""
    lines = [
        f"  {json.dumps(name)}: {json.dumps(root.hex() if isinstance(root, bytes) else list(root))}"
        for name, root in roots.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> None:
    """Write the file."""
    keep_freed_memory()
    fixed = [table.name for table in batch_circuit().tables if table.preprocessed_names]
    if fixed != [NAME]:
        raise SystemExit(f"the tables {fixed} have columns that keys fix; this file knows one of {NAME} only")
    roots = {name: root_under(parameters) for name, parameters in proving_presets().items()}
    path = Path(__file__).with_name(PINNED_FILE)
    path.write_text(spelled(roots), encoding="ascii")
    sys.stdout.write(f"wrote the roots of {len(roots)} presets to {path.name}\n")


if __name__ == "__main__":
    main()
