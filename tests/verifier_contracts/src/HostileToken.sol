// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// A token that, when told to, takes a fee, lies, answers nothing, reverts, or calls back in the middle of a transfer.
contract HostileToken {
    enum Mood {
        Honest,
        TakesFee,
        AnswersFalse,
        AnswersNothing,
        AnswersNonsense,
        Reverts,
        CallsBack
    }

    uint8 public decimals = 6;
    mapping(address => uint256) public balanceOf;
    Mood public mood;
    address public target;
    bytes public message;
    bytes public answer;

    function setDecimals(uint8 decimals_) external {
        decimals = decimals_;
    }

    function setMood(Mood mood_) external {
        mood = mood_;
    }

    function setCallback(address target_, bytes calldata message_) external {
        target = target_;
        message = message_;
        mood = Mood.CallsBack;
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external {
        _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private {
        if (mood == Mood.Reverts) revert("no");
        balanceOf[from] -= amount;
        balanceOf[to] += mood == Mood.TakesFee ? amount - 1 : amount;
        if (mood == Mood.CallsBack) (, answer) = target.call(message);
        if (mood == Mood.AnswersNothing) return;
        uint256 word = mood == Mood.AnswersFalse ? 0 : mood == Mood.AnswersNonsense ? 2 : 1;
        assembly {
            mstore(0, word)
            return(0, 32)
        }
    }
}
