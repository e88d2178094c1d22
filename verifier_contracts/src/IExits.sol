// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// What a clearing house asks of the contract through which people leave after a freeze.
interface IExits {
    /// The clearing house that it pays from.
    function house() external view returns (address);
}
