// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVerifier} from "../src/IVerifier.sol";

/// Accepts a "proof" that repeats key and statement, so that tests see exactly what would have been proved.
contract AcceptingVerifier is IVerifier {
    error NotTheExpectedStatement();

    function verify(bytes32 terminalKey, uint256[] calldata statement, bytes calldata proof) external pure {
        require(
            keccak256(proof) == keccak256(abi.encode(terminalKey, statement)), NotTheExpectedStatement()
        );
    }
}
