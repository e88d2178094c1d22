// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// The four functions of an ERC-20 token that the vault calls.
interface IToken {
    function decimals() external view returns (uint8);
    function balanceOf(address holder) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}
