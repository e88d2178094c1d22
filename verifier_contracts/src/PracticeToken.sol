// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IToken} from "./IToken.sol";

/// Worthless dollars of six decimals for local chains: anyone may make some.
/// @dev Warning: never deploy a clearing house that holds money with this token.
contract PracticeToken is IToken {
    string public constant name = "Practice Dollar";
    string public constant symbol = "PUSD";
    uint8 public constant decimals = 6;

    uint256 public totalSupply;
    mapping(address holder => uint256) public balanceOf;
    mapping(address holder => mapping(address spender => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 amount);
    event Approval(address indexed holder, address indexed spender, uint256 amount);

    error BalanceTooSmall(uint256 balance, uint256 amount);
    error AllowanceTooSmall(uint256 allowance, uint256 amount);

    function mint(address to, uint256 amount) external {
        totalSupply += amount;
        balanceOf[to] += amount;
        emit Transfer(address(0), to, amount);
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        _move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        uint256 allowed = allowance[from][msg.sender];
        require(allowed >= amount, AllowanceTooSmall(allowed, amount));
        allowance[from][msg.sender] = allowed - amount;
        _move(from, to, amount);
        return true;
    }

    function _move(address from, address to, uint256 amount) private {
        require(balanceOf[from] >= amount, BalanceTooSmall(balanceOf[from], amount));
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        emit Transfer(from, to, amount);
    }
}
