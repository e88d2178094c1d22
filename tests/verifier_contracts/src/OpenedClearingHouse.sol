// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ClearingHouse} from "../src/ClearingHouse.sol";
import {DataPolynomial} from "../src/DataPolynomial.sol";
import {Settings} from "../src/Settings.sol";

/// The clearing house with its counters moved to where no test could walk, and its evaluation laid open.
contract OpenedClearingHouse is ClearingHouse {
    constructor(Settings memory settings) ClearingHouse(settings) {}

    function setAccountCount(uint32 count) external {
        accountCount = count;
    }

    function setQueueLength(uint32 length) external {
        queueLength = length;
    }

    function setSealedBatch(uint32 number) external {
        sealedBatch = number;
    }

    function advance(uint256 value, uint256 point, bytes calldata chunk) external pure returns (uint256) {
        return DataPolynomial.advance(value, point, chunk);
    }
}
