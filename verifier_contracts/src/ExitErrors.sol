// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Every way the exits refuse.
library ExitErrors {
    error NotFrozen();
    error LeafNotProved();
    error PositionMalformed(uint256 position);
    error RecipientRefused(address recipient);

    // Accounts.
    error AlreadyLeft(uint32 account);
    error CashBelowRequirement(uint256 cash, uint256 requirement);

    // Groups.
    error GroupAlreadyProved(uint16 group);
    error GroupNotProved(uint16 group);
    error NotTheOwner(uint32 account, address caller);
    error PositionsDiffer(uint32 account);
    error GroupNotHeld(uint32 account, uint16 group);
    error GroupAlreadyTaken(uint32 account, uint16 group);
    error PriceUnknown(uint16 group);

    // Refunds.
    error ItemNotWaiting(uint32 position, uint32 first, uint32 end);
    error NotThatDeposit(uint32 position);
    error AlreadyRefunded(uint32 position);

    // The governor's prices.
    error NotGovernor(address caller);
    error GroupUnknown(uint16 group);
    error TooEarly(uint256 until);
    error OraclesHavePosted(uint16 group);
    error NoNotice(uint16 group);
    error AlreadyAdopted(uint16 group);
}
