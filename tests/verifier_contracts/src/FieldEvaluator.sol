// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Extension} from "../src/Extension.sol";
import {Folding} from "../src/Folding.sol";
import {Memory} from "../src/Memory.sol";
import {WeightedRows} from "../src/WeightedRows.sol";

/// The verifier's arithmetic, callable from outside.
contract FieldEvaluator {
    /// The sum of so many products, reduced once.
    function sumOfProducts(uint256[] calldata left, uint256[] calldata right) external pure returns (uint256) {
        (uint256 first, uint256 second, uint256 third) = (uint256(0), uint256(0), uint256(0));
        for (uint256 k = 0; k < left.length; ++k) {
            (first, second, third) = Extension.withProduct(first, second, third, left[k], right[k]);
        }
        return Extension.shortened(first, second, third);
    }

    /// The sum of weight times element over a row of four bytes an element, and whether all elements are canonical.
    function weightedSum(bytes memory row, uint256[] calldata weights) external pure returns (uint256, bool) {
        uint256 words = WeightedRows.size(weights.length);
        uint256 table = Memory.allocate(words);
        for (uint256 k = 0; k < weights.length; ++k) {
            WeightedRows.set(table, k, weights[k]);
        }
        uint256 cursor;
        assembly ("memory-safe") {
            cursor := add(row, 32)
        }
        (uint256 low, uint256 high) = WeightedRows.sum(cursor, table, words);
        return (Extension.narrow(low, high), WeightedRows.isCanonical(cursor, (weights.length + 7) / 8));
    }

    /// What a row of values folds to; the last of the arguments, so that it stands at a known place of the calldata.
    function folded(uint256 logArity, uint256 challenge, uint256 inverse, bytes calldata row)
        external
        pure
        returns (uint256)
    {
        uint256 divisors = Folding.divisors(Folding.rootTable(true));
        uint256 maps = Memory.allocate(Extension.MAP_BYTES / 32 * logArity);
        for (uint256 k = 0; k < logArity; ++k) {
            Extension.writeMap(maps + Extension.MAP_BYTES * k, challenge);
            challenge = Extension.product(challenge, challenge);
        }
        uint256 cursor;
        assembly ("memory-safe") {
            cursor := row.offset
        }
        return Folding.foldRow(cursor, logArity, maps, inverse, divisors);
    }
}
