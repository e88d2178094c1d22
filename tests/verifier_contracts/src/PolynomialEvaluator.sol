// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DataPolynomial} from "../src/DataPolynomial.sol";

/// The evaluation alone, so that it can be compared with a reference on any bytes at any point.
contract PolynomialEvaluator {
    function advance(uint256 value, uint256 point, bytes calldata chunk) external pure returns (uint256) {
        return DataPolynomial.advance(value, point, chunk);
    }
}
