// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Every way the clearing house refuses. One list, so that a client can name each of them.
library Errors {
    // Deployment.
    error TokenDecimalsNotSix(uint8 decimals);
    error TimelockTooShort(uint256 timelock, uint256 required);
    error ProofDeadlineOutOfRange(uint256 deadline);
    error GenesisInFuture(uint48 time);
    error ExitsOfAnotherHouse(address exits);
    error AddressIsZero();

    // Everywhere.
    error Reentered();
    error IsFrozen();
    error NotSequencer(address caller);
    error NotGovernor(address caller);
    error DigestNotCanonical(uint256 digest);

    // Vault.
    error DepositTooSmall(uint256 amount, uint256 minimum);
    error VaultFull(uint256 balance, uint256 amount);
    error TokenCallFailed();
    error TokenAmountMismatch(uint256 received, uint256 expected);
    error AccountsExhausted();
    error TooManyDepositsInBlock();

    // Forced items.
    error AccountUnknown(address owner);
    error KeyNotCanonical(uint256 coordinate);
    error TooManyForcedItemsInBlock();
    error ChargeTooSmall(uint256 paid, uint256 charge);
    error RefundFailed();

    // Queue.
    error QueueExhausted();

    // Batches.
    error VersionUnknown(uint16 version);
    error DataLengthOutOfRange(uint256 length);
    error BatchNumbersExhausted();
    error DataNotInCalldata();
    error NoBatchBegun();
    error ChunkSizeOutOfRange(uint256 length);
    error ChunkNotWholePieces(uint256 length);
    error DataTooLong(uint256 received, uint256 length);
    error HeaderVersionMismatch(uint256 inHeader, uint256 begun);
    error HeaderLengthMismatch(uint256 inHeader, uint256 begun);
    error HeaderNumberMismatch(uint256 inHeader, uint256 begun);
    error HeaderQueueStartMismatch(uint256 inHeader, uint256 expected);
    error NotAQueueItem(uint256 tag);
    error QueueItemsNotInFirstChunk();
    error ClaimsNotInLastChunk();
    error SectionsOverlap();
    error DataIncomplete(uint256 received, uint256 length);
    error DataHashMismatch(bytes32 computed, bytes32 declared);
    error QueueItemsMissing(uint256 queueEnd, uint256 queueLength);
    error QueueItemsDiffer(bytes32 inData, bytes32 inQueue);
    error TimeRunsBackwards(uint256 time, uint256 previous);
    error TimeInFuture(uint256 time);
    error TimeTooOld(uint256 time);
    error BatchNotSealed(uint256 number);
    error BatchNotNextToProve(uint32 number, uint32 next);
    error BatchCountOutOfRange(uint256 count);
    error KeyIsZero();
    error LastKeyUnknown();
    error StepKeyUnknown(uint256 number, uint16 version);
    error NothingToRevert();
    error ProofNotOverdue();
    error NothingOverdue();

    // Claims.
    error BatchNotProved(uint32 number);
    error ClaimIndexOutOfRange(uint256 index, uint256 count);
    error ClaimProofInvalid();
    error AlreadyClaimed(uint32 number, uint256 index);
    error RecipientRefused(address recipient);

    // Exits.
    error NotExits(address caller);
    error NotFrozen();

    // Governance.
    error ProposalUnknown(uint256 proposal);
    error ProposalDiffers(uint256 proposal);
    error ProposalNotReady(uint256 readyAt);
    error ProposalExpired(uint256 expiredAt);
    error GroupAlreadyListed(uint16 group);
    error GroupUnknown(uint16 group);
    error GroupExpired(uint48 expiry);
    error GroupTermsInvalid();
    error StrikeOutsideCap(uint256 strike, uint256 cap);
    error OptionKindUnknown(uint16 option);
    error TreasuryMissing(uint32 account);

    // Settlement prices.
    error OraclesInvalid();
    error GroupNotExpired(uint48 expiry);
    error PriceAlreadyFixed(uint16 group);
    error SignatureInvalid();
    error NotOracle(address signer);
    error OracleAlreadyPosted(address oracle);
    error CollectionOpen(uint256 until);
    error CollectionClosed(uint256 since);
    error TooFewPrices(uint256 posted, uint256 threshold);
}
