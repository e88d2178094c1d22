// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Errors} from "./Errors.sol";
import {IToken} from "./IToken.sol";

/// Token calls that must succeed, for tokens that return true and for those that return nothing.
library TokenTransfer {
    function push(IToken token, address to, uint256 amount) internal {
        _call(token, abi.encodeCall(IToken.transfer, (to, amount)));
    }

    function pull(IToken token, address from, uint256 amount) internal {
        _call(token, abi.encodeCall(IToken.transferFrom, (from, address(this), amount)));
    }

    /// @dev The constructor has asked the token for its decimals, so there is code at its address.
    function _call(IToken token, bytes memory message) private {
        (bool succeeded, bytes memory answer) = address(token).call(message);
        require(
            succeeded && (answer.length == 0 || (answer.length >= 32 && abi.decode(answer, (uint256)) == 1)),
            Errors.TokenCallFailed()
        );
    }
}
