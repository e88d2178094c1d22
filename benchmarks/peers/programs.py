"""What circom compiles and what node runs: circuits of many equal parts, and a loop that proves one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class PeerProgram:
    """A circuit of so many equal parts, and what is put into it."""

    name: str
    unit: str
    """One part, for people."""
    units: str
    circuit: str
    """LENGTH is replaced by a number."""
    inputs: str
    """A module that node loads: the number of parts, then the round, to the circuit's inputs."""
    has_public_units: bool
    """Whether every part has a public value; otherwise there is one in all."""

    def publics(self, count: int) -> int:
        """How many public values so many parts have."""
        return count if self.has_public_units else 1


HASHES: Final = PeerProgram(
    name="chain",
    unit="hash",
    units="hashes",
    circuit="""pragma circom 2.1.0;
include "circomlib/circuits/poseidon.circom";

template Chain(length) {
    signal input start[2];
    signal output last;
    component hash[length];
    for (var i = 0; i < length; i++) {
        hash[i] = Poseidon(2);
        hash[i].inputs[0] <== i == 0 ? start[0] : hash[i - 1].out;
        hash[i].inputs[1] <== start[1];
    }
    last <== hash[length - 1].out;
}

component main = Chain(LENGTH);
""",
    inputs="""module.exports = async () => (round) => ({ start: [round + 1, 2] });
""",
    has_public_units=False,
)
"""A chain of two-to-one hashes."""

SIGNATURES: Final = PeerProgram(
    name="checks",
    unit="signature",
    units="signatures",
    circuit="""pragma circom 2.1.0;
include "circomlib/circuits/eddsaposeidon.circom";

template Checks(length) {
    signal input keys[length][2];
    signal input commitments[length][2];
    signal input responses[length];
    signal input messages[length];
    component check[length];
    for (var i = 0; i < length; i++) {
        check[i] = EdDSAPoseidonVerifier();
        check[i].enabled <== 1;
        check[i].Ax <== keys[i][0];
        check[i].Ay <== keys[i][1];
        check[i].R8x <== commitments[i][0];
        check[i].R8y <== commitments[i][1];
        check[i].S <== responses[i];
        check[i].M <== messages[i];
    }
}

component main { public [messages] } = Checks(LENGTH);
""",
    inputs="""const { buildEddsa } = require("circomlibjs");

module.exports = async (length) => {
    const eddsa = await buildEddsa();
    const field = eddsa.babyJub.F;
    const told = (point) => point.map((coordinate) => field.toObject(coordinate).toString());
    return (round) => {
        const inputs = { keys: [], commitments: [], responses: [], messages: [] };
        for (let i = 0; i < length; i++) {
            const secret = Buffer.alloc(32, 1 + i);
            const message = BigInt(1 + round * length + i);
            const signature = eddsa.signPoseidon(secret, field.e(message));
            inputs.keys.push(told(eddsa.prv2pub(secret)));
            inputs.commitments.push(told(signature.R8));
            inputs.responses.push(signature.S.toString());
            inputs.messages.push(message.toString());
        }
        return inputs;
    };
};
""",
    has_public_units=True,
)
"""EdDSA over Baby Jubjub with Poseidon, each message under a key of its own."""

DRIVER: Final = """const fs = require("fs");
const snarkjs = require("snarkjs");

async function main() {
    const [name, length, budget] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
    const key = JSON.parse(fs.readFileSync("verification_key.json"));
    const inputs = await require("./inputs.cjs")(length);
    const runs = [];
    let spent = 0;
    let proof, publicSignals;
    // The first round warms up: it is kept, and left out of the budget.
    for (let i = 0; i < 2 || spent < budget; i++) {
        const witness = { type: "mem" };
        const asked = inputs(i);
        const started = performance.now();
        await snarkjs.wtns.calculate(asked, `${name}_js/${name}.wasm`, witness);
        const filled = performance.now();
        ({ proof, publicSignals } = await snarkjs.groth16.prove("final.zkey", witness));
        const proved = performance.now();
        const accepted = await snarkjs.groth16.verify(key, publicSignals, proof);
        const verified = performance.now();
        if (!accepted) throw new Error("a proof was refused");
        const marks = [started, filled, proved, verified];
        const [witnessed, proving, verifying] = [0, 1, 2].map((k) => (marks[k + 1] - marks[k]) / 1000);
        runs.push({ witness: witnessed, prove: proving, verify: verifying });
        if (i > 0) spent += witnessed + proving;
    }
    const changed = [(BigInt(publicSignals[0]) + 1n).toString(), ...publicSignals.slice(1)];
    if (await snarkjs.groth16.verify(key, changed, proof)) throw new Error("a changed result was accepted");
    fs.writeFileSync("result.json", JSON.stringify({
        runs,
        proof,
        threads: globalThis.curve_bn128.tm.concurrency,
        peak_rss_bytes: process.resourceUsage().maxRSS * 1024,
        node: process.version,
    }));
}

// snarkjs keeps its worker threads waiting for more work: only leaving the process ends them.
main().then(() => process.exit(0), (error) => { console.error(error.message); process.exit(1); });
"""
"""Proves until the time is used up, in one warm process; every proof is verified, outside of the budget."""
