// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Makes one call many times in one transaction, refuses ether when told to, and can spend what it holds.
contract Flooder {
    bool public refusesEther;

    receive() external payable {
        require(!refusesEther);
    }

    function setRefusesEther(bool refuses) external {
        refusesEther = refuses;
    }

    /// Stop at the first failure and hand it on.
    function flood(address target, bytes calldata message, uint256 times, uint256 value) external payable {
        for (uint256 round = 0; round < times; ++round) {
            (bool succeeded, bytes memory answer) = target.call{value: value}(message);
            if (!succeeded) {
                assembly {
                    revert(add(answer, 32), mload(answer))
                }
            }
        }
    }
}
