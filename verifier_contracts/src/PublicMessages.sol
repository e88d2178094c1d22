// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Extension} from "./Extension.sol";
import {Memory} from "./Memory.sol";

/// The fractions of the messages that hold the statement (`prover/export/messages.py`), five values in a message.
///
/// With D_m = chi - (tag + m tau + tau^2 v_1 + .. + tau^6 v_5), the fingerprint of message m:
/// the product of all D_m, and the sum over m of the product of all others. Both take a product a message.
library PublicMessages {
    uint256 internal constant MESSAGE_VALUES = 5;

    /// Sum and product for so many messages; `values` are registers, whose constant coordinate is the value.
    function fractions(uint256 values, uint256 count, uint256 tag, uint256 chi, uint256 tau)
        internal
        pure
        returns (uint256 sum, uint256 product)
    {
        unchecked {
            // Wide: chi - tag, then -tau, then -tau^2 to -tau^6; behind them the rows of a fingerprint.
            uint256 weights = Memory.allocate(2 * (2 + MESSAGE_VALUES));
            Extension.widen(weights, Extension.lessBase(chi, tag));
            uint256 power = Extension.difference(0, tau);
            for (uint256 place = 1; place < 2 + MESSAGE_VALUES; ++place) {
                Extension.widen(weights + 64 * place, power);
                power = Extension.product(power, tau);
            }
            uint256 rows = Memory.allocate(Extension.MAP_BYTES / 32);
            // Called from two places, the loop's body stays a function with a stack of its own.
            // As a part of its caller it would find the stack full, and the compiler would compute its values anew for
            // every use.
            uint256 end = values + 32 * MESSAGE_VALUES * count;
            writeFingerprint(values, weights, rows);
            (sum, product) = taken(0, Extension.ONE, rows);
            for (values += 32 * MESSAGE_VALUES; values < end; values += 32 * MESSAGE_VALUES) {
                writeFingerprint(values, weights, rows);
                (sum, product) = taken(sum, product, rows);
            }
            sum = Extension.reduced(sum);
        }
    }

    /// Write the fingerprint of the next message as a map, and move what the next one begins with on by -tau.
    function writeFingerprint(uint256 values, uint256 weights, uint256 rows) private pure {
        assembly ("memory-safe") {
            let low := mload(weights)
            let high := mload(add(weights, 32))
            // Each lane grows by less than p a message: there is room for 2^50 of them.
            mstore(weights, add(low, mload(add(weights, 64))))
            mstore(add(weights, 32), add(high, mload(add(weights, 96))))
            let v := shr(204, mload(values))
            low := add(low, mul(v, mload(add(weights, 128))))
            high := add(high, mul(v, mload(add(weights, 160))))
            v := shr(204, mload(add(values, 32)))
            low := add(low, mul(v, mload(add(weights, 192))))
            high := add(high, mul(v, mload(add(weights, 224))))
            v := shr(204, mload(add(values, 64)))
            low := add(low, mul(v, mload(add(weights, 256))))
            high := add(high, mul(v, mload(add(weights, 288))))
            v := shr(204, mload(add(values, 96)))
            low := add(low, mul(v, mload(add(weights, 320))))
            high := add(high, mul(v, mload(add(weights, 352))))
            v := shr(204, mload(add(values, 128)))
            low := add(low, mul(v, mload(add(weights, 384))))
            high := add(high, mul(v, mload(add(weights, 416))))
            let lane := 0x1fffffffffffffffffffff
            // The coordinates, and then the rows e, eX, .., eX^4: each coordinate enters at the bottom in its turn.
            let c4 := mod(and(low, lane), 0x7f000001)
            let c3 := mod(and(shr(85, low), lane), 0x7f000001)
            let c2 := mod(shr(170, low), 0x7f000001)
            let c1 := mod(and(high, lane), 0x7f000001)
            let c0 := mod(shr(85, high), 0x7f000001)
            mstore(rows, or(c4, or(shl(85, c3), shl(170, c2))))
            mstore(add(rows, 32), or(c1, shl(85, c0)))
            // X (c0, .., c4) = (c4, c0, c1 - c4, c2, c3).
            c1 := sub(add(c1, 0x7f000001), c4)
            mstore(add(rows, 64), or(c3, or(shl(85, c2), shl(170, c1))))
            mstore(add(rows, 96), or(c0, shl(85, c4)))
            c0 := sub(add(c0, 0x7f000001), c3)
            mstore(add(rows, 128), or(c2, or(shl(85, c1), shl(170, c0))))
            mstore(add(rows, 160), or(c4, shl(85, c3)))
            // What is taken off may itself be a difference, below 2p.
            c4 := sub(add(c4, 0xfe000002), c2)
            mstore(add(rows, 192), or(c1, or(shl(85, c0), shl(170, c4))))
            mstore(add(rows, 224), or(c3, shl(85, c2)))
            c3 := sub(add(c3, 0xfe000002), c1)
            mstore(add(rows, 256), or(c0, or(shl(85, c4), shl(170, c3))))
            mstore(add(rows, 288), or(c2, shl(85, c1)))
        }
    }

    /// Take one more fraction in: (S, P) becomes (S D + P, P D). The lanes of the sum stay below 2p.
    function taken(uint256 sum, uint256 product, uint256 rows) private pure returns (uint256, uint256) {
        uint256 low;
        uint256 high;
        assembly ("memory-safe") {
            let r := mload(rows)
            let f := shr(204, sum)
            let g := shr(204, product)
            let low2 := mul(g, r)
            low := mul(f, r)
            r := mload(add(rows, 32))
            high := mul(f, r)
            let high2 := mul(g, r)
            f := and(shr(153, sum), 0x7ffffffffffff)
            g := and(shr(153, product), 0x7ffffffffffff)
            r := mload(add(rows, 64))
            low := add(low, mul(f, r))
            low2 := add(low2, mul(g, r))
            r := mload(add(rows, 96))
            high := add(high, mul(f, r))
            high2 := add(high2, mul(g, r))
            f := and(shr(102, sum), 0x7ffffffffffff)
            g := and(shr(102, product), 0x7ffffffffffff)
            r := mload(add(rows, 128))
            low := add(low, mul(f, r))
            low2 := add(low2, mul(g, r))
            r := mload(add(rows, 160))
            high := add(high, mul(f, r))
            high2 := add(high2, mul(g, r))
            f := and(shr(51, sum), 0x7ffffffffffff)
            g := and(shr(51, product), 0x7ffffffffffff)
            r := mload(add(rows, 192))
            low := add(low, mul(f, r))
            low2 := add(low2, mul(g, r))
            r := mload(add(rows, 224))
            high := add(high, mul(f, r))
            high2 := add(high2, mul(g, r))
            f := and(sum, 0x7ffffffffffff)
            g := and(product, 0x7ffffffffffff)
            r := mload(add(rows, 256))
            low := add(low, mul(f, r))
            low2 := add(low2, mul(g, r))
            r := mload(add(rows, 288))
            high := add(high, mul(f, r))
            high2 := add(high2, mul(g, r))
            sum := product
            product := high2
            mstore(0, low2)
        }
        unchecked {
            sum += Extension.narrow(low, high);
            assembly ("memory-safe") {
                low := mload(0)
            }
            return (sum, Extension.narrow(low, product));
        }
    }
}
