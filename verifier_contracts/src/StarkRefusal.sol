// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Why a verifier says no: the closed list of `prover/errors.py`, in its order, held together by a test.
enum Reason {
    WrongVersion,
    Truncated,
    TrailingBytes,
    Oversize,
    NonCanonicalElement,
    Shape,
    WrongPositions,
    WrongKey,
    WrongStatementLength,
    WrongStatement,
    NonCanonicalStatement,
    HeightOutOfRange,
    MalformedParameters,
    WrongParameters,
    InsecureParameters,
    TooFewSecurityBits,
    HidingNotSupported,
    GrindingMissingChallengeRound,
    GrindingMissingConstraint,
    GrindingMissingOutOfDomain,
    GrindingMissingBatching,
    GrindingMissingFolding,
    GrindingMissingQuery,
    BiasedIndexSample,
    OutOfDomainPointInDomain,
    BusSumsDoNotBalance,
    ConstraintsDoNotHold,
    PreprocessedRowNotInTree,
    MainRowNotInTree,
    ChallengeRoundRowNotInTree,
    QuotientRowNotInTree,
    FoldRowNotInTree,
    FoldInconsistent,
    FinalPolynomialMismatch
}

/// A verifier's no.
error ProofRefused(Reason reason);

/// Go on only if something holds.
function demand(bool holds, Reason reason) pure {
    if (!holds) revert ProofRefused(reason);
}
