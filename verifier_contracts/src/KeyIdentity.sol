// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// What a verification key of the proof chain goes by; both words stand in the terminal statement.
struct KeyIdentity {
    /// The key's digest: sixteen limbs of 16 bits, the first one lowest.
    uint256 digest;
    /// The root of its preprocessed columns: eight elements of 32 bits, the first one lowest.
    uint256 root;
}
