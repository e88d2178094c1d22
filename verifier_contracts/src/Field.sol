// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Errors} from "./Errors.sol";

/// The base field of the proofs: elements travel eight to a word, 32 bits each, the first one lowest.
library Field {
    /// 2^31 - 2^24 + 1.
    uint256 internal constant PRIME = 0x7f000001;

    /// Require eight canonical elements.
    /// Soundness: an element and the same plus the prime would be two spellings of one digest.
    function requireCanonical(uint256 digest) internal pure {
        for (uint256 shift = 0; shift < 256; shift += 32) {
            require((digest >> shift) & 0xffffffff < PRIME, Errors.DigestNotCanonical(digest));
        }
    }
}
