// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchLayout} from "./BatchLayout.sol";
import {Batches} from "./Batches.sol";
import {ClaimTree} from "./ClaimTree.sol";
import {Errors} from "./Errors.sol";
import {Field} from "./Field.sol";
import {IToken} from "./IToken.sol";
import {TokenTransfer} from "./TokenTransfer.sol";

/// The money: deposits come in through the queue, claims go out of proved batches; and what owners may force.
abstract contract Vault is Batches {
    /// No sum of amounts in the rules or the circuits overflows below it.
    uint256 internal constant VAULT_CAP = 1 << 62;

    /// Account numbers are 24 bits; zero is nobody.
    uint32 internal constant MAX_ACCOUNT = (1 << 24) - 1;

    /// Work that owners can force on the sequencer in one block.
    uint32 internal constant MAX_FORCED_ITEMS_IN_BLOCK = 32;

    /// Deposits are counted apart: whoever floods the queue with them keeps nobody from leaving.
    uint32 internal constant MAX_DEPOSITS_IN_BLOCK = 64;

    /// After each so many forced items in a block the charge doubles.
    uint32 internal constant ITEMS_AT_ONE_CHARGE = 4;

    /// Where charges go: nowhere.
    /// Soundness: whoever received them could flood the queue for nothing, the sequencer above all.
    address internal constant BURNED = 0x000000000000000000000000000000000000dEaD;

    IToken public immutable token;
    uint64 public immutable minimumDeposit;
    uint256 public immutable forcedItemCharge;

    /// The contract through which people leave after a freeze.
    address public immutable exits;

    /// Deposits less claims paid.
    /// @dev Warning: not the token balance; tokens sent here without `deposit` belong to nobody.
    uint64 public vaultBalance;

    uint32 public accountCount;

    uint64 private countedBlock;
    uint32 private forcedItemsInBlock;
    uint32 private depositsInBlock;

    /// Account by owner: one each, for ever; zero for none.
    mapping(address owner => uint32) public accountOf;

    mapping(uint32 number => mapping(uint256 word => uint256)) private claimedBits;

    event AccountOpened(uint32 indexed account, address indexed owner);
    event Deposited(uint32 indexed account, address indexed payer, uint64 amount);
    event Claimed(
        uint32 indexed number, uint256 index, address indexed owner, address indexed recipient, uint64 amount
    );

    event ExitPaid(address indexed recipient, uint64 amount);

    constructor(address token_, uint64 minimumDeposit_, uint256 forcedItemCharge_, address exits_) {
        uint8 decimals = IToken(token_).decimals();
        require(decimals == 6, Errors.TokenDecimalsNotSix(decimals));
        token = IToken(token_);
        minimumDeposit = minimumDeposit_;
        forcedItemCharge = forcedItemCharge_;
        exits = exits_;
    }

    // ------------------------------------------------------------------------------------------------- deposits

    /// Pay micro-dollars into the account of `owner`, which the first deposit opens.
    /// @dev Warning: the caller pays; the owner is whoever is named, and only the owner can take it out.
    function deposit(address owner, uint256 amount) external nonReentrant whileRunning returns (uint32 account) {
        // Validate.
        require(owner != address(0), Errors.AddressIsZero());
        require(amount >= minimumDeposit && amount != 0, Errors.DepositTooSmall(amount, minimumDeposit));
        require(amount <= VAULT_CAP - vaultBalance, Errors.VaultFull(vaultBalance, amount));
        _startCounting();
        require(depositsInBlock < MAX_DEPOSITS_IN_BLOCK, Errors.TooManyDepositsInBlock());
        // Effects.
        ++depositsInBlock;
        account = accountOf[owner];
        if (account == 0) {
            require(accountCount < MAX_ACCOUNT, Errors.AccountsExhausted());
            account = ++accountCount;
            accountOf[owner] = account;
            emit AccountOpened(account, owner);
        }
        vaultBalance += uint64(amount);
        _enqueue(BatchLayout.DEPOSIT, abi.encodePacked(account, owner, msg.sender, uint64(amount)));
        emit Deposited(account, msg.sender, uint64(amount));
        // Interactions.
        uint256 before = token.balanceOf(address(this));
        TokenTransfer.pull(token, msg.sender, amount);
        uint256 received = token.balanceOf(address(this)) - before;
        // Soundness: a token that keeps a fee would leave the vault owing more than it holds.
        require(received == amount, Errors.TokenAmountMismatch(received, amount));
    }

    // --------------------------------------------------------------------------------------------- forced items

    /// What the next forced item of this block costs, in wei: four cost the base charge, the next four twice that.
    function charge() public view returns (uint256) {
        uint256 count = countedBlock == block.number ? forcedItemsInBlock : 0;
        return forcedItemCharge << (count / ITEMS_AT_ONE_CHARGE);
    }

    /// Set the caller's trading key and kill every order numbered below `orderFloor`.
    function registerKey(uint32 orderFloor, uint16 suite, uint32[7] calldata x, uint32[7] calldata y)
        external
        payable
        nonReentrant
        whileRunning
    {
        bytes memory coordinates;
        for (uint256 place = 0; place < 7; ++place) {
            require(x[place] < Field.PRIME, Errors.KeyNotCanonical(x[place]));
            coordinates = abi.encodePacked(coordinates, x[place]);
        }
        for (uint256 place = 0; place < 7; ++place) {
            require(y[place] < Field.PRIME, Errors.KeyNotCanonical(y[place]));
            coordinates = abi.encodePacked(coordinates, y[place]);
        }
        _force(BatchLayout.REGISTER_KEY, abi.encodePacked(orderFloor, suite, coordinates));
    }

    /// Kill every order of the caller's numbered below `orderFloor`.
    function forceCancelOrders(uint32 orderFloor) external payable nonReentrant whileRunning {
        _force(BatchLayout.FORCED_CANCEL_ORDERS, abi.encodePacked(orderFloor));
    }

    /// Settle what can be settled and pay the caller all cash that no margin needs.
    function forceWithdrawal() external payable nonReentrant whileRunning {
        _force(BatchLayout.FORCED_WITHDRAWAL, "");
    }

    function _force(uint16 tag, bytes memory rest) private {
        // Validate.
        uint32 account = accountOf[msg.sender];
        require(account != 0, Errors.AccountUnknown(msg.sender));
        uint256 due = charge();
        require(msg.value >= due, Errors.ChargeTooSmall(msg.value, due));
        _startCounting();
        require(forcedItemsInBlock < MAX_FORCED_ITEMS_IN_BLOCK, Errors.TooManyForcedItemsInBlock());
        // Effects.
        ++forcedItemsInBlock;
        _enqueue(tag, abi.encodePacked(account, msg.sender, rest));
        // Interactions.
        _send(BURNED, due);
        _send(msg.sender, msg.value - due);
    }

    function _send(address to, uint256 amount) private {
        if (amount == 0) return;
        (bool succeeded,) = to.call{value: amount}("");
        require(succeeded, Errors.RefundFailed());
    }

    function _startCounting() private {
        if (countedBlock == block.number) return;
        countedBlock = uint64(block.number);
        forcedItemsInBlock = 0;
        depositsInBlock = 0;
    }

    // --------------------------------------------------------------------------------------------------- claims

    function isClaimed(uint32 number, uint256 index) public view returns (bool) {
        return (claimedBits[number][index >> 8] >> (index & 0xff)) & 1 == 1;
    }

    /// Pay one claim of a proved batch to a recipient whom its owner, the caller, names. Works after a freeze.
    function claim(uint32 number, uint256 index, uint64 amount, address recipient, bytes32[] calldata path)
        external
        nonReentrant
    {
        // Validate.
        // Soundness: an unproved batch may claim anything.
        require(0 < number && number <= provedBatch, Errors.BatchNotProved(number));
        Batch storage proved = batches[number];
        require(index < proved.claims, Errors.ClaimIndexOutOfRange(index, proved.claims));
        require(!isClaimed(number, index), Errors.AlreadyClaimed(number, index));
        // Paid to the vault itself, the money would belong to nobody.
        require(recipient != address(0) && recipient != address(this), Errors.RecipientRefused(recipient));
        // Compute.
        bytes32 leaf = ClaimTree.leafOf(number, index, msg.sender, amount);
        require(
            ClaimTree.isMember(proved.claimsRoot, leaf, index, proved.claims, path), Errors.ClaimProofInvalid()
        );
        // Effects.
        claimedBits[number][index >> 8] |= 1 << (index & 0xff);
        vaultBalance -= amount;
        emit Claimed(number, index, msg.sender, recipient, amount);
        // Interactions.
        TokenTransfer.push(token, recipient, amount);
    }

    // ---------------------------------------------------------------------------------------------------- exits

    /// Pay what somebody has shown to be theirs after a freeze.
    /// @dev `Exits` answers for the amount; claims and refunds of this vault are told apart from exits only there.
    function payExit(address recipient, uint64 amount) external nonReentrant {
        // Validate.
        require(msg.sender == exits, Errors.NotExits(msg.sender));
        require(frozenAt != 0, Errors.NotFrozen());
        require(recipient != address(0) && recipient != address(this), Errors.RecipientRefused(recipient));
        // Effects.
        vaultBalance -= amount;
        emit ExitPaid(recipient, amount);
        // Interactions.
        TokenTransfer.push(token, recipient, amount);
    }
}
