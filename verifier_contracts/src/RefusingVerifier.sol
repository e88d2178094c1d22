// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVerifier} from "./IVerifier.sol";

/// Refuses every proof. Deployed where nothing is proved, so that nothing can be claimed on trust.
contract RefusingVerifier is IVerifier {
    error EveryProofIsRefused();

    /// @inheritdoc IVerifier
    function verify(bytes32, uint256[] calldata, bytes calldata) external pure {
        revert EveryProofIsRefused();
    }
}
