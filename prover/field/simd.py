"""Vectors of 16 lanes of 32 bits and of 8 lanes of 64 bits, as numba types with intrinsic operations.

    u32x16   lane 0 | lane 1 | lane 2 | lane 3 | ..        one field element a lane, Montgomery form, below p
    u64x8    lane 0          | lane 1          | ..        the same 512 bits

LLVM lowers the vectors to whatever registers the processor has: one of 512 bits, two of 256, four of 128.
Indices are flat, in elements, into C-contiguous arrays; addresses are plain integers and need no alignment.

Under NUMBA_DISABLE_JIT=1 the numpy twins of the same names take over: an intrinsic cannot run as plain Python.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic, models, register_model

from prover.field import simd_instructions as emit
from prover.field import simd_twins


class Vector(types.Type):
    """A number of lanes, all of the same width."""

    def __init__(self, bits: int, lanes: int) -> None:
        super().__init__(name=f"u{bits}x{lanes}")
        self.llvm = ir.VectorType(ir.IntType(bits), lanes)
        self.scalar = types.uint32 if bits == 32 else types.uint64
        self.element_bytes = bits // 8


@register_model(Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, frontend_type: Any) -> None:
        super().__init__(manager, frontend_type, frontend_type.llvm)


u32x16 = Vector(32, 16)
u64x8 = Vector(64, 8)
u32x32 = Vector(32, 32)
"""Two u32x16 in step: twice as many independent instructions stand side by side, which a processor overlaps better.

Lane-wise operations on u32x16 take it too; it has its own `load_pair_at`, `store_pair_at` and `splat_pair`.
"""


# --- how intrinsics are made ------------------------------------------------------------------------------------------


def _operation(emission: emit.Emit, result: Any, *arguments: Any) -> Any:
    """Make an intrinsic of up to three operands from what it emits."""
    signature = result(*arguments)

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return emission(builder, *values)

    def typed(*_types: Any) -> Any:
        return signature, generate

    # numba matches operands by the number of named parameters, so each count has its own definition.
    if len(arguments) == 0:
        return intrinsic(lambda context: typed())
    if len(arguments) == 1:
        return intrinsic(lambda context, a: typed(a))
    if len(arguments) == 2:
        return intrinsic(lambda context, a, b: typed(a, b))
    return intrinsic(lambda context, a, b, c: typed(a, b, c))


def _lanewise(emission: emit.Emit, count: int) -> Any:
    """Make an intrinsic whose operands and result are vectors of one type, whatever its number of 32-bit lanes."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return emission(builder, *values)

    def typed(*vectors: Any) -> Any:
        if vectors[0] not in {u32x16, u32x32} or any(vector != vectors[0] for vector in vectors):
            raise TypingError(f"vectors of one type with 32-bit lanes are needed, not {vectors}")
        return vectors[0](*vectors), generate

    if count == 1:
        return intrinsic(lambda context, a: typed(a))
    if count == 2:
        return intrinsic(lambda context, a, b: typed(a, b))
    return intrinsic(lambda context, a, b, c: typed(a, b, c))


# --- memory -----------------------------------------------------------------------------------------------------------


def _element_pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def _check_array(array: Any, scalar: Any) -> None:
    is_right = isinstance(array, types.Array) and array.dtype == scalar and array.layout == "C"
    if not is_right:
        raise TypingError(f"a C-contiguous array of {scalar} is needed, not {array}")


def _make_load(vector: Any) -> Any:
    @intrinsic
    def load(_typing: Any, array: Any, index: Any) -> Any:
        _check_array(array, vector.scalar)

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            pointer = _element_pointer(context, builder, signature.args[0], *values)
            return emit.load(builder, pointer, vector.llvm, vector.element_bytes)

        return vector(array, types.intp), generate

    return load


def _make_store(vector: Any) -> Any:
    @intrinsic
    def store(_typing: Any, array: Any, index: Any, value: Any) -> Any:
        _check_array(array, vector.scalar)

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            pointer = _element_pointer(context, builder, signature.args[0], values[0], values[1])
            emit.store(builder, pointer, values[2], vector.element_bytes)
            return context.get_dummy_value()

        return types.void(array, types.intp, vector), generate

    return store


def _make_load_at(vector: Any) -> Any:
    def read(builder: Any, address: Any) -> Any:
        pointer = builder.inttoptr(address, vector.llvm.as_pointer())
        return emit.load(builder, pointer, vector.llvm, 1)

    return _operation(read, vector, types.intp)


def _make_store_at(vector: Any) -> Any:
    @intrinsic
    def store_at(_typing: Any, address: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            pointer = builder.inttoptr(values[0], values[1].type.as_pointer())
            emit.store(builder, pointer, values[1], 1)
            return context.get_dummy_value()

        return types.void(types.intp, vector), generate

    return store_at


def _streamed(builder: Any, address: Any, value: Any) -> None:
    """Store past the caches: to an address that is a multiple of the vector's size, or of 64 for longer ones."""
    pointer = builder.inttoptr(address, value.type.as_pointer())
    stored = builder.store(value, pointer)
    stored.align = 64
    stored.set_metadata("nontemporal", builder.module.add_metadata([emit.INT32(1)]))


@intrinsic
def _stream_pair_at(_typing: Any, address: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        _streamed(builder, *values)
        return context.get_dummy_value()

    return types.void(types.intp, u32x32), generate


@intrinsic
def _stream_rows16_at(_typing: Any, address: Any, pitch: Any, rows: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        address, pitch, rows = values
        for row in range(16):
            place = builder.add(address, builder.mul(pitch, emit.INT64(row)))
            _streamed(builder, place, builder.extract_value(rows, row))
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, rows), generate


@intrinsic
def _finish_streams(_typing: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, _values: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


def _make_prefetch(is_write: int) -> Any:
    @intrinsic
    def prefetch_at(_typing: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            pointer = builder.inttoptr(values[0], ir.IntType(8).as_pointer())
            # Locality 2 of 3: into the second-level cache, as a tile ahead would flood the first.
            options = [emit.INT32(is_write), emit.INT32(2), emit.INT32(1)]
            arguments = [pointer.type, emit.INT32, emit.INT32, emit.INT32]
            function_type = ir.FunctionType(ir.VoidType(), arguments)
            function = cgutils.get_or_insert_function(builder.module, function_type, "llvm.prefetch.p0")
            builder.call(function, [pointer, *options])
            return context.get_dummy_value()

        return types.void(types.intp), generate

    return prefetch_at


@intrinsic
def _load_widened(_typing: Any, array: Any, index: Any) -> Any:
    _check_array(array, types.uint32)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer = _element_pointer(context, builder, signature.args[0], *values)
        return builder.zext(emit.load(builder, pointer, ir.VectorType(emit.INT32, 8), 4), emit.LANES64)

    return u64x8(array, types.intp), generate


@intrinsic
def _store_narrowed(_typing: Any, array: Any, index: Any, value: Any) -> Any:
    _check_array(array, types.uint32)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer = _element_pointer(context, builder, signature.args[0], values[0], values[1])
        emit.store(builder, pointer, builder.trunc(values[2], ir.VectorType(emit.INT32, 8)), 4)
        return context.get_dummy_value()

    return types.void(array, types.intp, u64x8), generate


@intrinsic
def _address_of(_typing: Any, array: Any, index: Any) -> Any:
    if not (isinstance(array, types.Array) and array.layout == "C"):
        raise TypingError(f"a C-contiguous array is needed, not {array}")

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.ptrtoint(_element_pointer(context, builder, signature.args[0], *values), emit.INT64)

    return types.intp(array, types.intp), generate


@intrinsic
def _gather64(_typing: Any, array: Any, indices: Any) -> Any:
    _check_array(array, types.uint64)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        base = context.make_array(signature.args[0])(context, builder, values[0]).data
        result = ir.Constant(emit.LANES64, ir.Undefined)
        for lane in range(8):
            index = builder.extract_element(values[1], emit.INT32(lane))
            result = builder.insert_element(
                result, builder.load(builder.gep(base, [index])), emit.INT32(lane)
            )
        return result

    return u64x8(array, u64x8), generate


@intrinsic
def _transpose16(_typing: Any, rows: Any) -> Any:
    signature = rows(rows)

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        lines = [builder.extract_value(values[0], row) for row in range(16)]
        for distance, lower, upper in emit.TRANSPOSE_STEPS:
            for row in range(16):
                if not row & distance:
                    first, second = lines[row], lines[row + distance]
                    lines[row] = emit.shuffle(builder, first, second, lower)
                    lines[row + distance] = emit.shuffle(builder, first, second, upper)
        result = values[0]
        for row in range(16):
            result = builder.insert_value(result, lines[row], row)
        return result

    return signature, generate


@intrinsic
def _load_rows16_at(_typing: Any, address: Any, pitch: Any) -> Any:
    rows_type = types.UniTuple(u32x16, 16)

    def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        address, pitch = values
        rows = ir.Constant(context.get_value_type(rows_type), ir.Undefined)
        for row in range(16):
            place = builder.add(address, builder.mul(pitch, emit.INT64(row)))
            pointer = builder.inttoptr(place, emit.LANES32.as_pointer())
            rows = builder.insert_value(rows, emit.load(builder, pointer, emit.LANES32, 1), row)
        return rows

    return rows_type(types.intp, types.intp), generate


@intrinsic
def _store_rows16_at(_typing: Any, address: Any, pitch: Any, rows: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        address, pitch, rows = values
        for row in range(16):
            place = builder.add(address, builder.mul(pitch, emit.INT64(row)))
            pointer = builder.inttoptr(place, emit.LANES32.as_pointer())
            emit.store(builder, pointer, builder.extract_value(rows, row), 1)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, rows), generate


_BINARY64 = (u64x8, u64x8, u64x8)


def _choose(name: str, compiled: Any) -> Any:
    """The intrinsic, or its numpy twin where nothing is compiled; every name has both."""
    twin = getattr(simd_twins, name)
    return twin if config.DISABLE_JIT else compiled


# --- memory: (array, flat index) or (address) -------------------------------------------------------------------------

load32 = _choose("load32", _make_load(u32x16))
store32 = _choose("store32", _make_store(u32x16))
load32_at = _choose("load32_at", _make_load_at(u32x16))
store32_at = _choose("store32_at", _make_store_at(u32x16))
load64 = _choose("load64", _make_load(u64x8))
store64 = _choose("store64", _make_store(u64x8))
load64_at = _choose("load64_at", _make_load_at(u64x8))
store64_at = _choose("store64_at", _make_store_at(u64x8))
load_pair_at = _choose("load_pair_at", _make_load_at(u32x32))
store_pair_at = _choose("store_pair_at", _make_store_at(u32x32))
stream_pair_at = _choose("stream_pair_at", _stream_pair_at)
"""store_pair_at past the caches, for results that are not read soon; the address is a multiple of 64."""
stream_rows16_at = _choose("stream_rows16_at", _stream_rows16_at)
"""store_rows16_at past the caches; address and pitch are multiples of 64."""
finish_streams = _choose("finish_streams", _finish_streams)
"""Make streamed stores visible to other threads before whatever this one stores next."""
load_widened = _choose("load_widened", _load_widened)
"""Eight 32-bit words, each in a lane of 64 bits."""
store_narrowed = _choose("store_narrowed", _store_narrowed)
"""The low words of eight lanes."""
gather64 = _choose("gather64", _gather64)
prefetch_read_at = _choose("prefetch_read_at", _make_prefetch(0))
"""Ask for the cache line of an address that will soon be read; any address is allowed."""
prefetch_write_at = _choose("prefetch_write_at", _make_prefetch(1))
"""The same for a line that will soon be written: a store to a line that is not owned stalls those behind it."""
address_of = _choose("address_of", _address_of)
"""The address of an element, for the functions whose names end in `_at`; the caller keeps the array alive."""

# --- the same value in every lane; lane numbers -----------------------------------------------------------------------

splat32 = _choose(
    "splat32", _operation(lambda b, scalar: emit.spread(b, scalar, emit.LANES32), u32x16, types.uint32)
)
splat_pair = _choose(
    "splat_pair", _operation(lambda b, scalar: emit.spread(b, scalar, u32x32.llvm), u32x32, types.uint32)
)
splat64 = _choose(
    "splat64", _operation(lambda b, scalar: emit.spread(b, scalar, emit.LANES64), u64x8, types.uint64)
)
lane_numbers32 = _choose("lane_numbers32", _operation(emit.count(emit.LANES32), u32x16))
lane_numbers64 = _choose("lane_numbers64", _operation(emit.count(emit.LANES64), u64x8))
extract32 = _choose("extract32", _operation(emit.extract, types.uint32, u32x16, types.intp))
extract64 = _choose("extract64", _operation(emit.extract, types.uint64, u64x8, types.intp))

# --- the field: operands and results in Montgomery form, below p ------------------------------------------------------

field_add = _choose("field_add", _lanewise(emit.field_add, 2))
field_subtract = _choose("field_subtract", _lanewise(emit.field_subtract, 2))
field_difference = _choose("field_difference", _lanewise(emit.field_difference, 2))
"""left - right + p, not reduced: below 2p, which a product takes as it is."""
field_negate = _choose("field_negate", _lanewise(emit.field_negate, 1))
field_multiply = _choose("field_multiply", _lanewise(emit.field_multiply, 2))
"""One operand must be below p, the other may be any 32-bit word: a sum need not be reduced before it."""
reduce_once = _choose("reduce_once", _lanewise(emit.reduce_once, 1))
"""From below 2p to below p."""
multiply_fixed = _choose("multiply_fixed", _lanewise(emit.multiply_fixed, 3))
"""multiply_fixed(value, factor, quotient): value times a canonical factor with quotient = floor(factor 2^32 / p).

Cheaper than field_multiply where factors are known beforehand; `value` may be any 32-bit word.
"""

multiply_by_one = _choose("multiply_by_one", _lanewise(emit.multiply_by_one, 3))
"""multiply_fixed for a factor and a quotient that are the same in all lanes; cheaper where they are not used again."""

# --- lazy sums of products: accumulate even and odd lanes, reduce once ------------------------------------------------

multiply_even = _choose("multiply_even", _operation(emit.multiply_even, u64x8, u32x16, u32x16))
multiply_odd = _choose("multiply_odd", _operation(emit.multiply_odd, u64x8, u32x16, u32x16))
widen_even = _choose("widen_even", _operation(emit.even_lanes, u64x8, u32x16))
widen_odd = _choose("widen_odd", _operation(emit.odd_lanes, u64x8, u32x16))
fold64 = _choose("fold64", _operation(emit.fold64, u64x8, u64x8))
"""From below 2^64 to below 2^64 - p 2^32, and from below 2p 2^32 to below p 2^32.

A product of two elements is below p^2 < p 2^31, so after two products onto a sum below p 2^32 fold once.
"""
montgomery_reduce = _choose("montgomery_reduce", _operation(emit.montgomery_reduce, u32x16, u64x8, u64x8))
"""montgomery_reduce(even, odd): both sums must be below p 2^32; gives sum / 2^32 mod p in the order of the lanes."""
join_low = _choose("join_low", _operation(emit.join_low, u32x16, u64x8, u64x8))
"""The low words of even and odd lanes, in the order of the lanes: undoes widen_even and widen_odd."""
join_high = _choose("join_high", _operation(emit.join_high, u32x16, u64x8, u64x8))

# --- plain words: wrapping arithmetic and bits ------------------------------------------------------------------------

add32 = _choose("add32", _lanewise(emit.method("add"), 2))
and32 = _choose("and32", _lanewise(emit.method("and_"), 2))
or32 = _choose("or32", _lanewise(emit.method("or_"), 2))
xor32 = _choose("xor32", _lanewise(emit.method("xor"), 2))
shift_left32 = _choose(
    "shift_left32", _operation(emit.shift("shl", emit.LANES32), u32x16, u32x16, types.uint32)
)
shift_right32 = _choose(
    "shift_right32", _operation(emit.shift("lshr", emit.LANES32), u32x16, u32x16, types.uint32)
)
byte_swap32 = _choose("byte_swap32", _operation(emit.byte_swap32, u32x16, u32x16))
zero_lanes32 = _choose("zero_lanes32", _operation(emit.lanes_that_are_zero, types.uint64, u32x16))
"""A bit for each lane that is zero, lane 0 lowest."""
select32 = _choose("select32", _lanewise(emit.select, 3))
"""select32(mask, where_zero, elsewhere)."""

add64 = _choose("add64", _operation(emit.method("add"), *_BINARY64))
subtract64 = _choose("subtract64", _operation(emit.method("sub"), *_BINARY64))
multiply_low_words = _choose("multiply_low_words", _operation(emit.multiply_even, *_BINARY64))
"""The 64-bit products of the lanes' low 32 bits."""
minimum64 = _choose("minimum64", _operation(emit.minimum, *_BINARY64))
and64 = _choose("and64", _operation(emit.method("and_"), *_BINARY64))
or64 = _choose("or64", _operation(emit.method("or_"), *_BINARY64))
xor64 = _choose("xor64", _operation(emit.method("xor"), *_BINARY64))
shift_left64 = _choose(
    "shift_left64", _operation(emit.shift("shl", emit.LANES64), u64x8, u64x8, types.uint64)
)
shift_right64 = _choose(
    "shift_right64", _operation(emit.shift("lshr", emit.LANES64), u64x8, u64x8, types.uint64)
)
rotate_left64 = _choose("rotate_left64", _operation(emit.rotate_left64, u64x8, u64x8, types.uint64))
byte_swap64 = _choose("byte_swap64", _operation(emit.byte_swap64, u64x8, u64x8))
zero_lanes64 = _choose("zero_lanes64", _operation(emit.lanes_that_are_zero, types.uint64, u64x8))

as64 = _choose("as64", _operation(emit.bitcast(emit.LANES64), u64x8, u32x16))
"""The same 512 bits: lane 0 has the words 0 (low) and 1 (high)."""
as32 = _choose("as32", _operation(emit.bitcast(emit.LANES32), u32x16, u64x8))
transpose16 = _choose("transpose16", _transpose16)
"""Turns a tuple of 16 vectors into the tuple of the columns of the 16 x 16 matrix they form."""
load_rows16_at = _choose("load_rows16_at", _load_rows16_at)
"""load_rows16_at(address, pitch): a tuple of 16 vectors that lie `pitch` bytes apart."""
store_rows16_at = _choose("store_rows16_at", _store_rows16_at)
"""store_rows16_at(address, pitch, rows)."""
