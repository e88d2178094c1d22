// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// What the clearing house needs of a proof system.
interface IVerifier {
    /// Return if `proof` shows that `statement` holds under the terminal circuit `terminalKey`; revert otherwise.
    /// @dev Warning: there is no return value to forget; whoever implements this must revert on every doubt.
    function verify(bytes32 terminalKey, uint256[] calldata statement, bytes calldata proof) external view;
}
