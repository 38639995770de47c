"""Small sums in registers: what one site reads from its neighbours, and dense products of small blocks.

`gather_site` fills the features of one site,

    real      Y_r = Σ_j Σ_t values[j, v + r a + t b] X_t[column[j]]
    complex   Y_r = Σ_j z_{jr} X[column[j]],    z_{jr} = values[j, v + 2r] ± i values[j, v + 2r + 1]

for all copies of a block side by side. Sums run over the neighbours in their order, whatever the number of threads.
Arrays are flat; a row of `groups` is one run of features, see `Group` in `manifoldconv.ops.plan`.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from manifoldconv.compiled import leaf
from manifoldconv.ops.vector import load, multiply_add, prefetch, read, store, zero

REAL, COMPLEX = 0, 1


@leaf
def gather_site(values, before, width, column, first, last, x, origin, x_width, groups, y, place, lanes):
    """The features of one site, from neighbours `first` to `last` of the field at x[origin:], at y[place:].

    `values` holds those of neighbour j from j · width - before on.
    """
    for g in range(groups.shape[0]):
        kind, start, step, copies = groups[g, 0], origin + groups[g, 1], groups[g, 2], groups[g, 3]
        v, rows, row_step = groups[g, 4] - before, groups[g, 5], groups[g, 6]
        terms, term_step, own = groups[g, 7], groups[g, 8], groups[g, 9]
        for lane in range(0, copies, lanes):
            count = min(lanes, copies - lane)
            r = 0
            if kind == COMPLEX:
                sign = values.dtype.type(groups[g, 10])
                x_re = start + lane
                while r < rows:
                    left, first_value = rows - r, v + 2 * r
                    own_place = place + own + 2 * r * copies + lane
                    if left >= 4:
                        _complex_4(values, first_value, width, column, first, last, x, x_width, x_re, x_re + step,
                                   y, own_place, copies, count, sign)  # fmt: skip
                        r += 4
                    elif left == 3:
                        _complex_3(values, first_value, width, column, first, last, x, x_width, x_re, x_re + step,
                                   y, own_place, copies, count, sign)  # fmt: skip
                        r += 3
                    elif left == 2:
                        _complex_2(values, first_value, width, column, first, last, x, x_width, x_re, x_re + step,
                                   y, own_place, copies, count, sign)  # fmt: skip
                        r += 2
                    else:
                        _complex_1(values, first_value, width, column, first, last, x, x_width, x_re, x_re + step,
                                   y, own_place, copies, count, sign)  # fmt: skip
                        r += 1
                continue
            while r < rows:
                # A last tile may begin before the end of the one before: the same sums again cost less than few.
                left = rows - r
                if left > 4 and rows >= 8:
                    r = min(r, rows - 8)
                    _real_8(values, v + r * row_step, width, row_step, terms, term_step, column, first, last, x,
                            x_width, start + lane, step, y, place + own + r * copies + lane, copies, count)  # fmt: skip
                    r += 8
                elif left > 2 and rows >= 4:
                    r = min(r, rows - 4)
                    _real_4(values, v + r * row_step, width, row_step, terms, term_step, column, first, last, x,
                            x_width, start + lane, step, y, place + own + r * copies + lane, copies, count)  # fmt: skip
                    r += 4
                elif rows >= 2:
                    r = min(r, rows - 2)
                    _real_2(values, v + r * row_step, width, row_step, terms, term_step, column, first, last, x,
                            x_width, start + lane, step, y, place + own + r * copies + lane, copies, count)  # fmt: skip
                    r += 2
                else:
                    _real_1(values, v + r * row_step, width, terms, term_step, column, first, last, x,
                            x_width, start + lane, step, y, place + own + r * copies + lane, count)  # fmt: skip
                    r += 1


@leaf
def fetch_rows(values, width, pair, first, last, near, lanes):
    """near = the rows of `values` that pairs `first` to `last` have, one after the other."""
    for j in range(first, last):
        source, place = np.int64(read(pair, j)) * width, (j - first) * width
        for v in range(0, width - lanes + 1, lanes):
            store(near, place + v, load(values, source + v), lanes)
        if width >= lanes:  # the last vector overlaps the one before, so as to read nothing behind the row
            store(near, place + width - lanes, load(values, source + width - lanes), lanes)
        else:
            for v in range(width):
                near[place + v] = read(values, source + v)


@leaf
def prefetch_rows(values, width, pair, first, last, lanes):
    """Ask for the rows of `values` that `fetch_rows` will read."""
    for j in range(first, last):
        source = np.int64(read(pair, j)) * width
        for v in range(0, width, lanes):
            prefetch(values, source + v)
        prefetch(values, source + width - 1)


@leaf
def _complex_4(values, v, width, column, first, last, x, x_width, x_re, x_im, y, place, copies, count, sign):
    a0, a1, a2, a3 = zero(x), zero(x), zero(x), zero(x)
    b0, b1, b2, b3 = zero(x), zero(x), zero(x), zero(x)
    for j in range(first, last):
        base = np.int64(read(column, j)) * x_width
        re, im, p = load(x, base + x_re), load(x, base + x_im), j * width + v
        c, s = read(values, p), sign * read(values, p + 1)
        a0, b0 = multiply_add(-s, im, multiply_add(c, re, a0)), multiply_add(c, im, multiply_add(s, re, b0))
        c, s = read(values, p + 2), sign * read(values, p + 3)
        a1, b1 = multiply_add(-s, im, multiply_add(c, re, a1)), multiply_add(c, im, multiply_add(s, re, b1))
        c, s = read(values, p + 4), sign * read(values, p + 5)
        a2, b2 = multiply_add(-s, im, multiply_add(c, re, a2)), multiply_add(c, im, multiply_add(s, re, b2))
        c, s = read(values, p + 6), sign * read(values, p + 7)
        a3, b3 = multiply_add(-s, im, multiply_add(c, re, a3)), multiply_add(c, im, multiply_add(s, re, b3))
    store(y, place, a0, count)
    store(y, place + copies, b0, count)
    store(y, place + 2 * copies, a1, count)
    store(y, place + 3 * copies, b1, count)
    store(y, place + 4 * copies, a2, count)
    store(y, place + 5 * copies, b2, count)
    store(y, place + 6 * copies, a3, count)
    store(y, place + 7 * copies, b3, count)


@leaf
def _complex_3(values, v, width, column, first, last, x, x_width, x_re, x_im, y, place, copies, count, sign):
    a0, a1, a2 = zero(x), zero(x), zero(x)
    b0, b1, b2 = zero(x), zero(x), zero(x)
    for j in range(first, last):
        base = np.int64(read(column, j)) * x_width
        re, im, p = load(x, base + x_re), load(x, base + x_im), j * width + v
        c, s = read(values, p), sign * read(values, p + 1)
        a0, b0 = multiply_add(-s, im, multiply_add(c, re, a0)), multiply_add(c, im, multiply_add(s, re, b0))
        c, s = read(values, p + 2), sign * read(values, p + 3)
        a1, b1 = multiply_add(-s, im, multiply_add(c, re, a1)), multiply_add(c, im, multiply_add(s, re, b1))
        c, s = read(values, p + 4), sign * read(values, p + 5)
        a2, b2 = multiply_add(-s, im, multiply_add(c, re, a2)), multiply_add(c, im, multiply_add(s, re, b2))
    store(y, place, a0, count)
    store(y, place + copies, b0, count)
    store(y, place + 2 * copies, a1, count)
    store(y, place + 3 * copies, b1, count)
    store(y, place + 4 * copies, a2, count)
    store(y, place + 5 * copies, b2, count)


@leaf
def _complex_2(values, v, width, column, first, last, x, x_width, x_re, x_im, y, place, copies, count, sign):
    a0, a1, b0, b1 = zero(x), zero(x), zero(x), zero(x)
    for j in range(first, last):
        base = np.int64(read(column, j)) * x_width
        re, im, p = load(x, base + x_re), load(x, base + x_im), j * width + v
        c, s = read(values, p), sign * read(values, p + 1)
        a0, b0 = multiply_add(-s, im, multiply_add(c, re, a0)), multiply_add(c, im, multiply_add(s, re, b0))
        c, s = read(values, p + 2), sign * read(values, p + 3)
        a1, b1 = multiply_add(-s, im, multiply_add(c, re, a1)), multiply_add(c, im, multiply_add(s, re, b1))
    store(y, place, a0, count)
    store(y, place + copies, b0, count)
    store(y, place + 2 * copies, a1, count)
    store(y, place + 3 * copies, b1, count)


@leaf
def _complex_1(values, v, width, column, first, last, x, x_width, x_re, x_im, y, place, copies, count, sign):
    a, b = zero(x), zero(x)
    for j in range(first, last):
        base = np.int64(read(column, j)) * x_width
        re, im, p = load(x, base + x_re), load(x, base + x_im), j * width + v
        c, s = read(values, p), sign * read(values, p + 1)
        a, b = multiply_add(-s, im, multiply_add(c, re, a)), multiply_add(c, im, multiply_add(s, re, b))
    store(y, place, a, count)
    store(y, place + copies, b, count)


@leaf
def _real_8(
    values,
    v,
    width,
    row_step,
    terms,
    term_step,
    column,
    first,
    last,
    x,
    x_width,
    start,
    step,
    y,
    place,
    copies,
    count,
):
    a0, a1, a2, a3 = zero(x), zero(x), zero(x), zero(x)
    a4, a5, a6, a7 = zero(x), zero(x), zero(x), zero(x)
    for t in range(terms):
        for j in range(first, last):
            f, p = (
                load(x, np.int64(read(column, j)) * x_width + start + t * step),
                j * width + v + t * term_step,
            )
            a0 = multiply_add(read(values, p), f, a0)
            a1 = multiply_add(read(values, p + row_step), f, a1)
            a2 = multiply_add(read(values, p + 2 * row_step), f, a2)
            a3 = multiply_add(read(values, p + 3 * row_step), f, a3)
            a4 = multiply_add(read(values, p + 4 * row_step), f, a4)
            a5 = multiply_add(read(values, p + 5 * row_step), f, a5)
            a6 = multiply_add(read(values, p + 6 * row_step), f, a6)
            a7 = multiply_add(read(values, p + 7 * row_step), f, a7)
    store(y, place, a0, count)
    store(y, place + copies, a1, count)
    store(y, place + 2 * copies, a2, count)
    store(y, place + 3 * copies, a3, count)
    store(y, place + 4 * copies, a4, count)
    store(y, place + 5 * copies, a5, count)
    store(y, place + 6 * copies, a6, count)
    store(y, place + 7 * copies, a7, count)


@leaf
def _real_4(
    values,
    v,
    width,
    row_step,
    terms,
    term_step,
    column,
    first,
    last,
    x,
    x_width,
    start,
    step,
    y,
    place,
    copies,
    count,
):
    a0, a1, a2, a3 = zero(x), zero(x), zero(x), zero(x)
    for t in range(terms):
        for j in range(first, last):
            f, p = (
                load(x, np.int64(read(column, j)) * x_width + start + t * step),
                j * width + v + t * term_step,
            )
            a0 = multiply_add(read(values, p), f, a0)
            a1 = multiply_add(read(values, p + row_step), f, a1)
            a2 = multiply_add(read(values, p + 2 * row_step), f, a2)
            a3 = multiply_add(read(values, p + 3 * row_step), f, a3)
    store(y, place, a0, count)
    store(y, place + copies, a1, count)
    store(y, place + 2 * copies, a2, count)
    store(y, place + 3 * copies, a3, count)


@leaf
def _real_2(
    values,
    v,
    width,
    row_step,
    terms,
    term_step,
    column,
    first,
    last,
    x,
    x_width,
    start,
    step,
    y,
    place,
    copies,
    count,
):
    a0, a1 = zero(x), zero(x)
    for t in range(terms):
        for j in range(first, last):
            f, p = (
                load(x, np.int64(read(column, j)) * x_width + start + t * step),
                j * width + v + t * term_step,
            )
            a0 = multiply_add(read(values, p), f, a0)
            a1 = multiply_add(read(values, p + row_step), f, a1)
    store(y, place, a0, count)
    store(y, place + copies, a1, count)


@leaf
def _real_1(
    values, v, width, terms, term_step, column, first, last, x, x_width, start, step, y, place, count
):
    a = zero(x)
    for t in range(terms):
        for j in range(first, last):
            f = load(x, np.int64(read(column, j)) * x_width + start + t * step)
            a = multiply_add(read(values, j * width + v + t * term_step), f, a)
    store(y, place, a, count)


@leaf
def contract_site(values, width, column, first, last, h, origin, h_width, groups, out, place, lanes):
    """The adjoint of `gather_site`: sums over features and neighbours, out[place:] += Σ z̄ h[column].

    Every component of a block is written by its own groups, one after the other.
    """
    for g in range(groups.shape[0]):
        kind, start, step, copies = groups[g, 0], groups[g, 1], groups[g, 2], groups[g, 3]
        v, rows, row_step = groups[g, 4], groups[g, 5], groups[g, 6]
        terms, term_step, own = groups[g, 7], groups[g, 8], origin + groups[g, 9]
        for lane in range(0, copies, lanes):
            count = min(lanes, copies - lane)
            here = place + start + lane
            if kind == COMPLEX:
                sign = values.dtype.type(groups[g, 10])
                a, b = load(out, here), load(out, here + step)
                for j in range(first, last):
                    base = np.int64(read(column, j)) * h_width + own + lane
                    for r in range(rows):
                        re, im = load(h, base + 2 * r * copies), load(h, base + (2 * r + 1) * copies)
                        c, s = (
                            read(values, j * width + v + 2 * r),
                            sign * read(values, j * width + v + 2 * r + 1),
                        )
                        a = multiply_add(s, im, multiply_add(c, re, a))
                        b = multiply_add(c, im, multiply_add(-s, re, b))
                store(out, here, a, count)
                store(out, here + step, b, count)
                continue
            for t in range(terms):
                a = load(out, here + t * step)
                for j in range(first, last):
                    base = np.int64(read(column, j)) * h_width + own + lane
                    for r in range(rows):
                        value = read(values, j * width + v + r * row_step + t * term_step)
                        a = multiply_add(value, load(h, base + r * copies), a)
                store(out, here + t * step, a, count)


@leaf
def add_product(a, a_place, a_row, a_step, x, x_place, x_step, rows, terms, out, out_place, out_row, count):
    """out[r] += Σ_k read(a, r a_row + k a_step) x[k x_step : + lanes] for r < rows, the first `count` lanes."""
    r = 0
    while rows - r >= 8:
        _product_8(a, a_place + r * a_row, a_row, a_step, x, x_place, x_step, terms,
                   out, out_place + r * out_row, out_row, count)  # fmt: skip
        r += 8
    while rows - r >= 1:
        p, o = a_place + r * a_row, out_place + r * out_row
        total = load(out, o)
        for k in range(terms):
            total = multiply_add(read(a, p + k * a_step), load(x, x_place + k * x_step), total)
        store(out, o, total, count)
        r += 1


@leaf
def _product_8(a, p, row, a_step, x, x_place, x_step, terms, out, o, out_row, count):
    a0, a1, a2, a3 = (
        load(out, o),
        load(out, o + out_row),
        load(out, o + 2 * out_row),
        load(out, o + 3 * out_row),
    )
    o4 = o + 4 * out_row
    a4, a5, a6, a7 = (
        load(out, o4),
        load(out, o4 + out_row),
        load(out, o4 + 2 * out_row),
        load(out, o4 + 3 * out_row),
    )
    for k in range(terms):
        f, q = load(x, x_place + k * x_step), p + k * a_step
        a0 = multiply_add(read(a, q), f, a0)
        a1 = multiply_add(read(a, q + row), f, a1)
        a2 = multiply_add(read(a, q + 2 * row), f, a2)
        a3 = multiply_add(read(a, q + 3 * row), f, a3)
        a4 = multiply_add(read(a, q + 4 * row), f, a4)
        a5 = multiply_add(read(a, q + 5 * row), f, a5)
        a6 = multiply_add(read(a, q + 6 * row), f, a6)
        a7 = multiply_add(read(a, q + 7 * row), f, a7)
    store(out, o, a0, count)
    store(out, o + out_row, a1, count)
    store(out, o + 2 * out_row, a2, count)
    store(out, o + 3 * out_row, a3, count)
    store(out, o4, a4, count)
    store(out, o4 + out_row, a5, count)
    store(out, o4 + 2 * out_row, a6, count)
    store(out, o4 + 3 * out_row, a7, count)
