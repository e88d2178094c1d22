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
            // Wide: chi - tag, then -tau, then -tau^2 to -tau^6.
            uint256 weights = Memory.allocate(2 * (2 + MESSAGE_VALUES));
            Extension.widen(weights, Extension.lessBase(chi, tag));
            uint256 power = Extension.difference(0, tau);
            for (uint256 place = 1; place < 2 + MESSAGE_VALUES; ++place) {
                Extension.widen(weights + 64 * place, power);
                power = Extension.product(power, tau);
            }
            uint256 end = values + 32 * MESSAGE_VALUES * count;
            product = Extension.ONE;
            if (count & 1 != 0) {
                (uint256 upper, uint256 lower) = fingerprint(values, weights);
                (sum, product) = (Extension.ONE, together(upper, lower));
                values += 32 * MESSAGE_VALUES;
            }
            for (; values < end; values += 64 * MESSAGE_VALUES) {
                (sum, product) = pairTaken(sum, product, values, weights);
            }
        }
    }

    /// Take two more fractions in, 1 / C + 1 / D = (C + D) / C D: (S, P) becomes (S C D + P (C + D), P C D).
    function pairTaken(uint256 sum, uint256 product, uint256 values, uint256 weights)
        private
        pure
        returns (uint256, uint256)
    {
        unchecked {
            (uint256 upper, uint256 lower) = fingerprint(values, weights);
            (uint256 otherUpper, uint256 otherLower) = fingerprint(values + 32 * MESSAGE_VALUES, weights);
            (uint256 first, uint256 second, uint256 third) =
                Extension.longProduct(0, 0, 0, product, upper + otherUpper, lower + otherLower);
            uint256 both = Extension.productOf(together(upper, lower), otherUpper, otherLower);
            (upper, lower) = Extension.triples(both);
            (first, second, third) = Extension.longProduct(first, second, third, sum, upper, lower);
            return (Extension.shortened(first, second, third), Extension.productOf(product, upper, lower));
        }
    }

    /// Narrow, out of triples.
    function together(uint256 upper, uint256 lower) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := or(
                or(and(shl(34, upper), shl(204, 0x7fffffff)), and(shl(68, upper), shl(153, 0x7fffffff))),
                or(
                    and(shr(68, lower), shl(102, 0x7fffffff)),
                    or(and(shr(34, lower), shl(51, 0x7fffffff)), and(lower, 0x7fffffff))
                )
            )
        }
    }

    /// The fingerprint of the next message in triples, and what the next one begins with moves on by -tau.
    function fingerprint(uint256 values, uint256 weights) private pure returns (uint256 upper, uint256 lower) {
        assembly ("memory-safe") {
            let low := mload(weights)
            let high := mload(add(weights, 32))
            // Each lane grows by less than p a message: there is room for 2^50 of them.
            mstore(weights, add(low, mload(add(weights, 64))))
            mstore(add(weights, 32), add(high, mload(add(weights, 96))))
            let v := or(mload(values), or(mload(add(values, 32)), mload(add(values, 64))))
            // Slots that are not used are zero, and most messages with them.
            if or(v, or(mload(add(values, 96)), mload(add(values, 128)))) {
                v := shr(204, mload(values))
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
            }
            let lane := 0x1fffffffffffffffffffff
            v := mod(shr(170, low), 0x7f000001)
            upper := or(
                v,
                or(shl(85, mod(and(high, lane), 0x7f000001)), shl(170, mod(shr(85, high), 0x7f000001)))
            )
            lower := or(
                mod(and(low, lane), 0x7f000001),
                or(shl(85, mod(and(shr(85, low), lane), 0x7f000001)), shl(170, v))
            )
        }
    }
}
