"""Every way a proof is bad: one closed list, shared by the Python and the Solidity verifiers."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a verifier says no.

    The values are part of the interface: tests, the command line and other verifiers compare them.
    """

    # The encoding, before anything is computed.

    WRONG_VERSION = "wrong_version"
    """The proof is of a format version that this verifier does not read."""

    TRUNCATED = "truncated"
    """The bytes end before the proof does."""

    TRAILING_BYTES = "trailing_bytes"
    """Bytes are left over after the proof."""

    OVERSIZE = "oversize"
    """The proof is longer than its shape allows."""

    NON_CANONICAL_ELEMENT = "non_canonical_element"
    """A field element is not smaller than the prime."""

    SHAPE = "shape"
    """A list of the proof has another length than key, heights and parameters ask for."""

    WRONG_POSITIONS = "wrong_positions"
    """The positions by which the encoding shares paths are not those that the transcript draws."""

    # What the proof is about.

    WRONG_KEY = "wrong_key"
    """The proof names another verification key."""

    WRONG_STATEMENT_LENGTH = "wrong_statement_length"
    """The number of public values is not the key's."""

    WRONG_STATEMENT = "wrong_statement"
    """The public values are not those that the verifier was asked about."""

    NON_CANONICAL_STATEMENT = "non_canonical_statement"
    """A public value is not smaller than the prime."""

    HEIGHT_OUT_OF_RANGE = "height_out_of_range"
    """A table's height is not one that the key and the field's two-adicity allow."""

    # What the verifier demands of the parameters.

    MALFORMED_PARAMETERS = "malformed_parameters"
    """The parameters are outside their limits, or carry a preset's name with other numbers."""

    WRONG_PARAMETERS = "wrong_parameters"
    """The parameters are not those that the verifier demands."""

    INSECURE_PARAMETERS = "insecure_parameters"
    """The parameters are marked for tests only."""

    TOO_FEW_SECURITY_BITS = "too_few_security_bits"
    """The bits computed for this very key, heights and parameters are below the target."""

    HIDING_NOT_SUPPORTED = "hiding_not_supported"
    """The proof asks for zero-knowledge, which this version does not have."""

    # The transcript.

    GRINDING_MISSING_CHALLENGE_ROUND = "grinding_missing_challenge_round"
    """The nonce before the bus challenges does not meet its bits."""

    GRINDING_MISSING_CONSTRAINT = "grinding_missing_constraint"
    """The nonce before the constraint challenge does not meet its bits."""

    GRINDING_MISSING_OUT_OF_DOMAIN = "grinding_missing_out_of_domain"
    """The nonce before the out-of-domain point does not meet its bits."""

    GRINDING_MISSING_BATCHING = "grinding_missing_batching"
    """The nonce before the batching challenge does not meet its bits."""

    GRINDING_MISSING_FOLDING = "grinding_missing_folding"
    """A nonce before a folding challenge does not meet its bits."""

    GRINDING_MISSING_QUERY = "grinding_missing_query"
    """The nonce before the query positions does not meet its bits."""

    BIASED_INDEX_SAMPLE = "biased_index_sample"
    """The transcript gave the one element (the prime less one) whose low bits would be biased."""

    OUT_OF_DOMAIN_POINT_IN_DOMAIN = "out_of_domain_point_in_domain"
    """The out-of-domain point, or its next row, lies in a trace or evaluation domain."""

    # The algebra.

    BUS_SUMS_DO_NOT_BALANCE = "bus_sums_do_not_balance"
    """The tables' bus sums and the statement's own messages do not add up to zero."""

    CONSTRAINTS_DO_NOT_HOLD = "constraints_do_not_hold"
    """At the out-of-domain point a table's constraints differ from its quotient."""

    # The trees.

    PREPROCESSED_ROW_NOT_IN_TREE = "preprocessed_row_not_in_tree"
    """An opened row of preprocessed columns does not lead to the key's root."""

    MAIN_ROW_NOT_IN_TREE = "main_row_not_in_tree"
    """An opened row of main columns does not lead to its root."""

    CHALLENGE_ROUND_ROW_NOT_IN_TREE = "challenge_round_row_not_in_tree"
    """An opened row of bus columns does not lead to its root."""

    QUOTIENT_ROW_NOT_IN_TREE = "quotient_row_not_in_tree"
    """An opened row of quotient pieces does not lead to its root."""

    FOLD_ROW_NOT_IN_TREE = "fold_row_not_in_tree"
    """The opened values of a folded word do not lead to that fold's root."""

    # The folds.

    FOLD_INCONSISTENT = "fold_inconsistent"
    """A word's opened value is not what the word before it, or the opened rows, fold to."""

    FINAL_POLYNOMIAL_MISMATCH = "final_polynomial_mismatch"
    """The final polynomial does not take the value that the last fold gives."""


class ProofRefused(Exception):  # noqa: N818 - a refusal is an answer of the verifier, not an error of the program
    """A verifier's no: the reason from the closed list, and one line on what was found."""

    def __init__(self, reason: Reason, detail: str) -> None:
        # The whitespace of the detail is collapsed so that a refusal is always one line of a log.
        self.reason = reason
        self.detail = " ".join(detail.split())
        super().__init__(self.reason, self.detail)

    def __str__(self) -> str:
        phrase = self.reason.value.replace("_", " ")
        return f"proof refused, {phrase}: {self.detail}"
