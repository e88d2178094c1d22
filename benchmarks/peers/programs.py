"""What circom compiles and what node runs: a chain of hashes, and a loop that proves it."""

CIRCUIT = """pragma circom 2.1.0;
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
"""
"""A chain of two-to-one hashes; LENGTH is replaced by a number."""

DRIVER = """const fs = require("fs");
const snarkjs = require("snarkjs");

async function main() {
    const budget = Number(process.argv[2]);
    const key = JSON.parse(fs.readFileSync("verification_key.json"));
    const runs = [];
    let spent = 0;
    let proof, publicSignals;
    // The first round warms up: it is kept, and left out of the budget.
    for (let i = 0; i < 2 || spent < budget; i++) {
        const witness = { type: "mem" };
        const started = performance.now();
        await snarkjs.wtns.calculate({ start: [i + 1, 2] }, "chain_js/chain.wasm", witness);
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
    const changed = [(BigInt(publicSignals[0]) + 1n).toString()];
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
