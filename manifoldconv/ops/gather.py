"""The innermost loop of the layer operator: sums of several features over the neighbours of a site, in registers.

The features of one block of channels read the same numbers of the field. Summed together, each number is read once, and
there are enough sums that none waits for its last addition. How many fit depends on the registers of the processor, so
this loop is written by a program: one for each number of features.

    real       sums[i] = Σ_j Σ_t values[p + v_i] X_t[column[j]],                p = j · width - before + t · term_step
    complex    sums[i] = Σ_j (values[p + v_i] ± i values[p + v_i + 1]) X[column[j]]

with v_i from a table, so that the bits of a sum do not depend on which others are summed beside it.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from manifoldconv.ops.vector import VectorType, everywhere, fused, llvm_type

# With 32 registers of 64 bytes, or 8 as LLVM puts them together from smaller ones; some are left for what is read.
_WIDE = llvmlite.binding.get_host_cpu_features().get("avx512f", False)
REAL_AT_ONCE, COMPLEX_AT_ONCE = (12, 6) if _WIDE else (6, 3)


class _Code:
    """What both loops write: places in flat arrays, and a loop over terms and neighbours round some running sums."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> None:
        self.builder = builder
        (
            self.count, values, self.before, self.width, column, self.first, self.last, x, self.start, self.x_width,
            self.step, self.terms, self.term_step, self.sign, features, self.feature, sums, self.place,
        ) = arguments  # fmt: skip
        kinds = signature.args

        def data(number: int, array: Any) -> Any:
            return context.make_array(kinds[number])(context, builder, array).data

        self.values, self.column, self.x = data(1, values), data(4, column), data(7, x)
        self.features, self.sums = data(14, features), data(16, sums)
        self.kind = VectorType(kinds[7].dtype)
        self.size = kinds[7].dtype.bitwidth // 8

    def number(self, array: Any, place: Any) -> Any:
        return self.builder.load(self.builder.gep(array, [place]))

    def vector(self, array: Any, place: Any) -> Any:
        pointer = self.builder.bitcast(self.builder.gep(array, [place]), llvm_type(self.kind).as_pointer())
        return self.builder.load(pointer, align=self.size)

    def constant(self, number: int) -> Any:
        return ir.Constant(ir.IntType(64), number)

    def everywhere(self, number: Any) -> Any:
        return everywhere(self.builder, self.kind, number)

    def fused(self, factor: Any, vector: Any, total: Any) -> Any:
        return fused(self.builder, self.kind, factor, vector, total)

    def cases(self, most: int, case: Callable[[int], None]) -> None:
        """One piece of code for each number of features up to `most`."""
        builder = self.builder
        end = builder.append_basic_block("summed")
        switch = builder.switch(self.count, end)
        for n in range(1, most + 1):
            block = builder.append_basic_block(f"sum_{n}")
            switch.add_case(self.constant(n), block)
            builder.position_at_end(block)
            case(n)
            builder.branch(end)
        builder.position_at_end(end)

    def loop(self, sums: int, body: Callable[[list[Any], Any, Any], list[Any]]) -> None:
        """Running sums round `body(sums, where the field is read, where values are)`; then they are stored."""
        builder, own = self.builder, llvm_type(self.kind)
        zero = ir.Constant(own, [0.0] * self.kind.count)
        places = [cgutils.alloca_once_value(builder, zero) for _ in range(sums)]
        with cgutils.for_range(builder, self.terms) as term:
            t = term.index
            here = builder.add(self.start, builder.mul(t, self.step))
            shift = builder.mul(t, self.term_step)
            with cgutils.for_range_slice(builder, self.first, self.last, self.constant(1)) as (j, _):
                site = builder.sext(self.number(self.column, j), ir.IntType(64))
                read = builder.add(builder.mul(site, self.x_width), here)
                value = builder.add(builder.sub(builder.mul(j, self.width), self.before), shift)
                found = body([builder.load(place) for place in places], read, value)
                for place, total in zip(places, found, strict=True):
                    builder.store(total, place)
        for i, place in enumerate(places):
            where = builder.add(self.place, self.constant(i * self.kind.count))
            pointer = builder.bitcast(builder.gep(self.sums, [where]), own.as_pointer())
            builder.store(builder.load(place), pointer, align=self.size)

    def offsets(self, n: int) -> list[Any]:
        """v_i, the first of the two numbers of each feature in the table."""
        builder = self.builder
        return [
            self.number(
                self.features, builder.mul(builder.add(self.feature, self.constant(i)), self.constant(2))
            )
            for i in range(n)
        ]


def _real(code: _Code) -> None:
    def case(n: int) -> None:
        offsets = code.offsets(n)

        def body(sums: list[Any], read: Any, value: Any) -> list[Any]:
            x = code.vector(code.x, read)
            factors = [code.everywhere(code.number(code.values, code.builder.add(value, v))) for v in offsets]
            return [code.fused(factor, x, total) for factor, total in zip(factors, sums, strict=True)]

        code.loop(n, body)

    code.cases(REAL_AT_ONCE, case)


def _complex(code: _Code) -> None:
    """Sums of real parts and of imaginary parts in turn. A conjugate value is that of a conjugate field and sum."""
    builder = code.builder

    def case(n: int) -> None:
        offsets = code.offsets(n)
        sign = code.everywhere(code.sign)

        def body(sums: list[Any], read: Any, value: Any) -> list[Any]:
            re = code.vector(code.x, read)
            im = builder.fmul(sign, code.vector(code.x, builder.add(read, code.step)))
            found = []
            for i, v in enumerate(offsets):
                place = builder.add(value, v)
                c = code.everywhere(code.number(code.values, place))
                s = code.everywhere(code.number(code.values, builder.add(place, code.constant(1))))
                a, b = sums[2 * i : 2 * i + 2]
                found.append(code.fused(builder.fneg(s), im, code.fused(c, re, a)))
                found.append(code.fused(c, im, code.fused(s, re, b)))
            return found

        code.loop(2 * n, body)

    code.cases(COMPLEX_AT_ONCE, case)


def _intrinsic(write: Callable[[_Code], None], text: str) -> Any:
    def sum_neighbours(
        typing_context, count, values, before, width, column, first, last, x, start, x_width, step,
        terms, term_step, sign, features, feature, sums, place,
    ):  # fmt: skip
        def generate(context, builder, signature, arguments):
            write(_Code(context, builder, signature, arguments))
            return context.get_dummy_value()

        i = types.int64
        return types.void(
            i, values, i, i, column, i, i, x, i, i, i, i, i, x.dtype, features, i, sums, i
        ), generate  # fmt: skip

    sum_neighbours.__doc__ = text
    return intrinsic(sum_neighbours)


sum_real = _intrinsic(_real, "The real form, for `count` features from number `feature` of the table on.")
sum_complex = _intrinsic(
    _complex, "The complex form; imaginary parts of conjugate values have the other sign."
)
