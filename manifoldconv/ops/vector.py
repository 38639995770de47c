"""Vectors of 64 bytes as values in compiled code: 16 float32 or 8 float64 that stay in registers.

A compiler vectorises loops over arrays, but keeps sums in memory where it cannot prove that arrays do not overlap. The
sums of the layer operator are small tiles; held in registers they run at the arithmetic rate of the machine. LLVM
splits these vectors where registers are shorter, so the code is the same on every processor.

    n = length(array)                     the numbers in a vector, known when compiled
    n = read(array, place)                array[place], place at least 0
    v = load(array, place)                array[place : place + lanes], of a one-dimensional contiguous array
    prefetch(array, place)                ask for the line that holds array[place], which is read soon
    v = zero(array)                       lanes zeros
    v = multiply_add(number, w, v)        number · w + v, rounded once
    v = scaled(number, v)                 number · v
    store(array, place, v, count)         the first `count` lanes

numba lets an index be negative, counted from the end, and asks at every access whether it is; beside one product for
each number read, that is most of the time of these loops. `read` does not ask.

`load` reads full vectors: arrays need `lanes(dtype)` numbers of room behind what is used (`with_room`).
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model
from torch import Tensor

BYTES = 64


def lanes(dtype: Any) -> int:
    """How many numbers a vector holds."""
    return BYTES // int(np.dtype(dtype).itemsize)


def with_room(shape: tuple[int, ...], like: Tensor) -> tuple[Tensor, np.ndarray]:
    """A tensor, not filled, and the array that holds it with room for a vector read past its end."""
    count = math.prod(shape)
    room = torch.empty(count + BYTES // like.element_size(), dtype=like.dtype)
    return room[:count].reshape(shape), room.numpy()


def with_room_behind(flat: Tensor, needed: bool) -> np.ndarray:
    """A flat tensor as an array, copied to one with room behind it where that is needed."""
    array = np.ascontiguousarray(flat.numpy())
    if not needed:
        return array
    room = np.empty(len(array) + lanes(array.dtype), dtype=array.dtype)
    room[: len(array)] = array
    return room


class VectorType(types.Type):
    """The type of a vector in compiled code."""

    def __init__(self, element: types.Float) -> None:
        self.element = element
        self.count = BYTES * 8 // element.bitwidth
        super().__init__(name=f"Vector({element}, {self.count})")


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: VectorType) -> None:
        super().__init__(manager, kind, llvm_type(kind))


def llvm_type(kind: VectorType) -> ir.VectorType:
    element = ir.FloatType() if kind.element == types.float32 else ir.DoubleType()
    return ir.VectorType(element, kind.count)


def everywhere(builder: Any, kind: VectorType, scalar: Any) -> Any:
    """Code for a vector whose lanes all hold one number."""
    empty = ir.Constant(llvm_type(kind), ir.Undefined)
    first = builder.insert_element(empty, scalar, ir.Constant(ir.IntType(32), 0))
    lanes_type = ir.VectorType(ir.IntType(32), kind.count)
    return builder.shuffle_vector(first, empty, ir.Constant(lanes_type, [0] * kind.count))


def fused(builder: Any, kind: VectorType, factor: Any, vector: Any, total: Any) -> Any:
    """Code for factor · vector + total of three vectors, rounded once."""
    own = llvm_type(kind)
    name = f"llvm.fma.v{kind.count}f{kind.element.bitwidth}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(own, [own, own, own]), name)
    return builder.call(function, [factor, vector, total])


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, place: Any, target: ir.Type) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [place]), target.as_pointer())


@intrinsic
def length(typing_context, array):
    """`lanes` of the array's dtype."""
    count = VectorType(array.dtype).count

    def generate(context, builder, signature, arguments):
        return context.get_constant(types.intp, count)

    return types.intp(array), generate


@intrinsic
def read(typing_context, array, place):
    """array[place], place at least 0, of a one-dimensional contiguous array."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.load(builder.gep(data, [arguments[1]]))

    return array.dtype(array, types.intp), generate


@intrinsic
def load(typing_context, array, place):
    """array[place : place + lanes]."""
    kind = VectorType(array.dtype)

    def generate(context, builder, signature, arguments):
        pointer = _pointer(context, builder, signature.args[0], *arguments, llvm_type(kind))
        return builder.load(pointer, align=array.dtype.bitwidth // 8)

    return kind(array, types.intp), generate


@intrinsic
def prefetch(typing_context, array, place):
    """Ask for the line of the cache that holds array[place]."""

    def generate(context, builder, signature, arguments):
        pointer = _pointer(context, builder, signature.args[0], *arguments, ir.IntType(8))
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(
            function, [pointer, *(ir.Constant(number, how) for how in (0, 3, 1))]
        )  # to read, near, data
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@intrinsic
def zero(typing_context, array):
    """A vector of zeros for an array of this type."""
    kind = VectorType(array.dtype)

    def generate(context, builder, signature, arguments):
        return ir.Constant(llvm_type(kind), [0.0] * kind.count)

    return kind(array), generate


@intrinsic
def multiply_add(typing_context, number, vector, total):
    """number · vector + total."""

    def generate(context, builder, signature, arguments):
        scalar, factor, summand = arguments
        return fused(builder, vector, everywhere(builder, vector, scalar), factor, summand)

    return total(vector.element, vector, total), generate


@intrinsic
def scaled(typing_context, number, vector):
    """number · vector."""

    def generate(context, builder, signature, arguments):
        scalar, factor = arguments
        return builder.fmul(everywhere(builder, vector, scalar), factor)

    return vector(vector.element, vector), generate


@intrinsic
def store(typing_context, array, place, vector, count):
    """array[place : place + count] = the first `count` lanes."""

    def generate(context, builder, signature, arguments):
        destination, start, value, number = arguments
        kind = llvm_type(vector)
        full = builder.icmp_signed(">=", number, ir.Constant(number.type, vector.count))
        with builder.if_else(full) as (whole, part):
            with whole:
                pointer = _pointer(context, builder, signature.args[0], destination, start, kind)
                builder.store(value, pointer, align=array.dtype.bitwidth // 8)
            with part:
                for lane in range(vector.count - 1):
                    used = builder.icmp_signed("<", ir.Constant(number.type, lane), number)
                    with builder.if_then(used):
                        one = builder.extract_element(value, ir.Constant(ir.IntType(32), lane))
                        where = builder.add(start, ir.Constant(start.type, lane))
                        pointer = _pointer(
                            context, builder, signature.args[0], destination, where, kind.element
                        )
                        builder.store(one, pointer)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector, types.intp), generate
