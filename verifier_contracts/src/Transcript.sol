// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Extension} from "./Extension.sol";

/// What a transcript is: a digest of all that went in, and how many blocks came out of it.
struct Transcript {
    bytes32 state;
    uint256 squeezed;
}

using TranscriptHashing for Transcript global;

/// The Keccak transcript of `prover/transcript.py`, byte for byte (`docs/hashing.md`).
library TranscriptHashing {
    uint256 internal constant STATEMENT = 2;
    uint256 internal constant MAIN = 5;
    uint256 internal constant CHALLENGE_ROUND = 6;
    uint256 internal constant BUS_SUMS = 7;
    uint256 internal constant CONSTRAINT = 8;
    uint256 internal constant QUOTIENT = 9;
    uint256 internal constant OUT_OF_DOMAIN = 10;
    uint256 internal constant OPENINGS = 11;
    uint256 internal constant BATCHING = 12;
    uint256 internal constant FOLD_ROOT = 13;
    uint256 internal constant FOLDING = 14;
    uint256 internal constant FINAL_POLYNOMIAL = 15;
    uint256 internal constant QUERY = 16;
    uint256 internal constant GRIND_CHALLENGE_ROUND = 32;
    uint256 internal constant GRIND_CONSTRAINT = 33;
    uint256 internal constant GRIND_OUT_OF_DOMAIN = 34;
    uint256 internal constant GRIND_BATCHING = 35;
    uint256 internal constant GRIND_FOLDING = 36;
    uint256 internal constant GRIND_QUERY = 37;

    /// Bytes of prefix and state in front of a message.
    uint256 internal constant FRONT_BYTES = 40;

    uint256 private constant KIND_ABSORB = 7;
    uint256 private constant KIND_SQUEEZE = 8;
    uint256 private constant SUITE = 3;

    /// Bind a message in the calldata.
    function absorb(Transcript memory self, uint256 label, uint256 cursor, uint256 length) internal pure {
        assembly ("memory-safe") {
            calldatacopy(add(mload(0x40), FRONT_BYTES), cursor, length)
        }
        absorbBuilt(self, label, length);
    }

    /// Bind a message that stands `FRONT_BYTES` behind the free memory pointer.
    function absorbBuilt(Transcript memory self, uint256 label, uint256 length) internal pure {
        uint256 prefix = front(KIND_ABSORB, label, length + 32);
        assembly ("memory-safe") {
            let front_ := mload(0x40)
            mstore(front_, prefix)
            mstore(add(front_, 8), mload(self))
            mstore(self, keccak256(front_, add(FRONT_BYTES, length)))
            mstore(add(self, 32), 0)
        }
    }

    /// Bind a nonce and say whether the work was done: the last bits of the state it leads to are zero.
    function absorbNonce(Transcript memory self, uint256 label, uint256 cursor, uint256 bits) internal pure returns (bool) {
        absorb(self, label, cursor, 8);
        unchecked {
            return uint256(self.state) & ((1 << bits) - 1) == 0;
        }
    }

    /// Draw an extension element: five fresh blocks, each modulo the prime, so the bias is below 2^-224.
    function drawExtension(Transcript memory self, uint256 label) internal pure returns (uint256 value) {
        unchecked {
            for (uint256 lane = 0; lane < 5; ++lane) {
                value = (value << 51) | (squeeze(self, label) % Extension.PRIME);
            }
        }
    }

    /// A fresh block.
    function squeeze(Transcript memory self, uint256 label) internal pure returns (uint256 digest) {
        uint256 prefix = front(KIND_SQUEEZE, label, FRONT_BYTES);
        assembly ("memory-safe") {
            let free := mload(0x40)
            let counter := mload(add(self, 32))
            mstore(free, prefix)
            mstore(add(free, 8), mload(self))
            mstore(add(free, 40), shl(192, counter))
            digest := keccak256(free, 48)
            mstore(add(self, 32), add(counter, 1))
        }
    }

    function front(uint256 kind, uint256 label, uint256 length) private pure returns (uint256) {
        return (kind << 248) | (label << 240) | (SUITE << 224) | (length << 192);
    }
}
