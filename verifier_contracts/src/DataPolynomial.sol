// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Field} from "./Field.sol";

/// The data of a batch as a polynomial over GF(p^5) = GF(p)[X] / (X^5 + X^2 - 1), evaluated as its chunks arrive.
///
/// The value begins at one and every 16-bit piece w takes it to value * z + w.
/// A block of pieces is taken at once: value * z^n + w_1 z^(n-1) + ... + w_n, with the powers in a table.
///
///     packed    five coordinates of 32 bits, the constant one lowest: arguments and results
///     narrow    five lanes of 51 bits: a power, so that one multiplication serves all coordinates
///               (31 + 16 bits a product, sixteen products a sum: 51 bits)
///     wide      lanes of 85 bits, coordinates 0 to 2 in one word and 3 to 4 in another: products of two elements
library DataPolynomial {
    /// The seed of the point, a full word so that all that is hashed is whole words.
    bytes32 internal constant POINT_DOMAIN = keccak256("options clearing rollup: point of a batch's data");

    /// What the evaluation begins with.
    /// Soundness: behind a leading one, data of different lengths are different polynomials.
    uint256 internal constant LEADING_ONE = 1;

    /// Draw the point: each coordinate is 256 bits of Keccak modulo the prime, so its bias is below 2^-224.
    /// Soundness: both digests must be fixed before the point is; else the data could be chosen to fit it.
    function pointOf(uint32 batch, uint16 version, uint32 length, uint256 dataDigest, bytes32 dataHash)
        internal
        view
        returns (uint256 point)
    {
        bytes32 seed = keccak256(
            abi.encode(POINT_DOMAIN, block.chainid, address(this), batch, version, length, dataDigest, dataHash)
        );
        for (uint256 place = 0; place < 5; ++place) {
            point |= (uint256(keccak256(abi.encode(seed, place))) % Field.PRIME) << (32 * place);
        }
    }

    /// Take the value past one more chunk.
    /// @dev Warning: the chunk's length must be even and not zero.
    function advance(uint256 value, uint256 point, bytes calldata chunk) internal pure returns (uint256) {
        uint256 pieces = chunk.length / 2;
        // The table costs as many multiplications as it has entries and saves all but one for each block of that size.
        uint256 size = 16;
        while (size < 256 && size * size < pieces) size *= 2;
        assembly ("memory-safe") {
            let P := 0x7f000001
            let pointMap := mload(0x40)
            let blockMap := add(pointMap, 320)
            let table := add(blockMap, 320)
            let tableEnd := add(table, mul(size, 32))
            mstore(0x40, tableEnd)

            // Multiply by X: the top coordinate returns as X^5 = 1 - X^2.
            function timesX(e) -> r {
                let top := shr(128, e)
                r := and(shl(32, e), 0xffffffffffffffffffffffffffffffffffffffff)
                let third := mod(add(and(shr(64, r), 0xffffffff), sub(0x7f000001, top)), 0x7f000001)
                r := or(and(r, not(shl(64, 0xffffffff))), or(shl(64, third), top))
            }

            // Write the rows e, eX, ..., eX^4 in wide lanes: multiplying by e is then ten products.
            function writeMap(at, e) {
                for { let end := add(at, 320) } lt(at, end) { at := add(at, 64) } {
                    mstore(
                        at,
                        or(
                            and(e, 0xffffffff),
                            or(shl(53, and(e, shl(32, 0xffffffff))), shl(106, and(e, shl(64, 0xffffffff))))
                        )
                    )
                    mstore(add(at, 32), or(and(shr(96, e), 0xffffffff), shl(85, shr(128, e))))
                    e := timesX(e)
                }
            }

            // Multiply by the element of a map, add wide sums, reduce and pack.
            function multiplyAdd(map, e, low, high) -> r {
                for { let end := add(map, 320) } lt(map, end) { map := add(map, 64) } {
                    let coordinate := and(e, 0xffffffff)
                    low := add(low, mul(coordinate, mload(map)))
                    high := add(high, mul(coordinate, mload(add(map, 32))))
                    e := shr(32, e)
                }
                let lane := 0x1fffffffffffffffffffff
                r := mod(and(low, lane), 0x7f000001)
                r := or(r, shl(32, mod(and(shr(85, low), lane), 0x7f000001)))
                r := or(r, shl(64, mod(shr(170, low), 0x7f000001)))
                r := or(r, shl(96, mod(and(high, lane), 0x7f000001)))
                r := or(r, shl(128, mod(shr(85, high), 0x7f000001)))
            }

            // Sum sixteen pieces of a word times sixteen powers, in narrow lanes.
            function sumSixteen(w, t) -> s {
                s := mul(shr(240, w), mload(t))
                s := add(s, mul(and(shr(224, w), 0xffff), mload(add(t, 0x20))))
                s := add(s, mul(and(shr(208, w), 0xffff), mload(add(t, 0x40))))
                s := add(s, mul(and(shr(192, w), 0xffff), mload(add(t, 0x60))))
                s := add(s, mul(and(shr(176, w), 0xffff), mload(add(t, 0x80))))
                s := add(s, mul(and(shr(160, w), 0xffff), mload(add(t, 0xa0))))
                s := add(s, mul(and(shr(144, w), 0xffff), mload(add(t, 0xc0))))
                s := add(s, mul(and(shr(128, w), 0xffff), mload(add(t, 0xe0))))
                s := add(s, mul(and(shr(112, w), 0xffff), mload(add(t, 0x100))))
                s := add(s, mul(and(shr(96, w), 0xffff), mload(add(t, 0x120))))
                s := add(s, mul(and(shr(80, w), 0xffff), mload(add(t, 0x140))))
                s := add(s, mul(and(shr(64, w), 0xffff), mload(add(t, 0x160))))
                s := add(s, mul(and(shr(48, w), 0xffff), mload(add(t, 0x180))))
                s := add(s, mul(and(shr(32, w), 0xffff), mload(add(t, 0x1a0))))
                s := add(s, mul(and(shr(16, w), 0xffff), mload(add(t, 0x1c0))))
                s := add(s, mul(and(w, 0xffff), mload(add(t, 0x1e0))))
            }

            // Take a value past `count` pieces at `at`; `map` multiplies by z^count.
            function takeBlock(accumulated, at, count, end, map) -> r {
                let lanes := or(0x7ffffffffffff, shl(102, 0x7ffffffffffff))
                let groups := shr(4, add(count, 15))
                let t := sub(end, shl(9, groups))
                // The first word may hold fewer pieces: they are moved down, in front of them stand zeros.
                let lead := sub(count, shl(4, sub(groups, 1)))
                let s := sumSixteen(shr(shl(4, sub(16, lead)), calldataload(at)), t)
                let even := and(s, lanes)
                let odd := and(shr(51, s), lanes)
                let top := shr(204, s)
                at := add(at, shl(1, lead))
                for { t := add(t, 512) } lt(t, end) { t := add(t, 512) } {
                    s := sumSixteen(calldataload(at), t)
                    even := add(even, and(s, lanes))
                    odd := add(odd, and(shr(51, s), lanes))
                    top := add(top, shr(204, s))
                    at := add(at, 32)
                }
                let lane := sub(shl(102, 1), 1)
                r := multiplyAdd(
                    map,
                    accumulated,
                    add(and(even, lane), add(shl(85, and(odd, lane)), shl(170, shr(102, even)))),
                    add(shr(102, odd), shl(85, top))
                )
            }

            writeMap(pointMap, point)
            let leading := mod(pieces, size)
            let power := 1
            for { let k := 0 } lt(k, size) { k := add(k, 1) } {
                if eq(k, leading) { writeMap(blockMap, power) }
                mstore(
                    sub(tableEnd, shl(5, add(k, 1))),
                    or(
                        or(
                            and(power, 0xffffffff),
                            or(shl(19, and(power, shl(32, 0xffffffff))), shl(38, and(power, shl(64, 0xffffffff))))
                        ),
                        or(shl(57, and(power, shl(96, 0xffffffff))), shl(76, and(power, shl(128, 0xffffffff))))
                    )
                )
                power := multiplyAdd(pointMap, power, 0, 0)
            }
            let at := chunk.offset
            if leading {
                value := takeBlock(value, at, leading, tableEnd, blockMap)
                at := add(at, shl(1, leading))
            }
            writeMap(blockMap, power)
            for { let end := add(chunk.offset, chunk.length) } lt(at, end) { at := add(at, shl(1, size)) } {
                value := takeBlock(value, at, size, tableEnd, blockMap)
            }
        }
        return value;
    }
}
