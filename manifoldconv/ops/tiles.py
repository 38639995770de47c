"""What one site reads from its neighbours, and dense products of small blocks.

`gather_site` fills the features of one site,

    real      Y_r = Σ_j Σ_t values[j, v + r a + t b] X_t[column[j]]
    complex   Y_r = Σ_j z_{jr} X[column[j]],    z_{jr} = values[j, v + 2r] ± i values[j, v + 2r + 1]

for all copies of a block side by side. Sums run over the neighbours in their order, whatever the number of threads and
whichever features are summed together. Arrays are flat; a row of `groups` is one run of features, see `Side` in
`manifoldconv.ops.plan`.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from manifoldconv.compiled import leaf
from manifoldconv.ops.gather import COMPLEX_AT_ONCE, REAL_AT_ONCE, sum_complex, sum_real
from manifoldconv.ops.vector import length, load, multiply_add, prefetch, read, scaled, store

REAL, COMPLEX = 0, 1
# Numbers for each pass over the neighbours, see `order_passes`.
PASS = 9


@leaf
def gather_site(
    values, before, width, column, first, last, x, origin, x_width, passes, features, sums, y, place
):
    """The features of one site, from neighbours `first` to `last` of the field at x[origin:], at y[place:].

    `values` holds those of neighbour j from j · width - before on; `sums` is memory to work in.
    """
    lanes = length(x)
    for g in range(0, len(passes), PASS):
        kind, start, step, copies = (
            read(passes, g),
            read(passes, g + 1),
            read(passes, g + 2),
            read(passes, g + 3),
        )
        terms, term_step, sign = (
            read(passes, g + 4),
            read(passes, g + 5),
            values.dtype.type(read(passes, g + 6)),
        )
        feature, stop = read(passes, g + 7), read(passes, g + 8)
        most = COMPLEX_AT_ONCE if kind == COMPLEX else REAL_AT_ONCE
        tiles = (stop - feature + most - 1) // most
        while feature < stop:
            n = (stop - feature + tiles - 1) // tiles  # even shares: a few sums alone wait for one another
            for lane in range(0, copies, lanes):
                used, here = min(lanes, copies - lane), place + lane
                if kind == COMPLEX:
                    sum_complex(n, values, before, width, column, first, last, x, origin + start + lane, x_width, step,
                                1, 0, sign, features, feature, sums, 0)  # fmt: skip
                    for i in range(n):
                        own = here + read(features, 2 * (feature + i) + 1)
                        store(y, own, load(sums, 2 * i * lanes), used)
                        store(y, own + copies, scaled(sign, load(sums, (2 * i + 1) * lanes)), used)
                else:
                    sum_real(n, values, before, width, column, first, last, x, origin + start + lane, x_width, step,
                             terms, term_step, sign, features, feature, sums, 0)  # fmt: skip
                    for i in range(n):
                        store(y, here + read(features, 2 * (feature + i) + 1), load(sums, i * lanes), used)
            feature, tiles = feature + n, tiles - 1


@leaf
def order_passes(groups, passes, features):
    """Groups that read the same channels, with values of the same sign, become one pass over the neighbours.

    Writes rows of `passes` (kind, first channel, from one component to the next, copies, terms, values from one term to
    the next, sign, features from, to) and of `features` (value, column of Y); gives the number of passes.
    """
    count, feature = 0, 0
    for g in range(groups.shape[0]):
        leads = True
        for h in range(g):
            leads = leads and not _together(groups, g, h)
        if not leads:
            continue
        row = count * PASS
        passes[row], passes[row + 1], passes[row + 2], passes[row + 3] = (
            groups[g, 0], groups[g, 1], groups[g, 2], groups[g, 3]
        )  # fmt: skip
        passes[row + 4], passes[row + 5], passes[row + 6] = groups[g, 7], groups[g, 8], groups[g, 10]
        passes[row + 7] = feature
        for h in range(g, groups.shape[0]):
            if _together(groups, g, h):
                halves = 2 if groups[h, 0] == COMPLEX else 1
                for r in range(groups[h, 5]):
                    features[2 * feature] = groups[h, 4] + r * groups[h, 6]
                    features[2 * feature + 1] = groups[h, 9] + r * halves * groups[h, 3]
                    feature += 1
        passes[row + 8] = feature
        count += 1
    return count


@leaf
def _together(groups, g, h):
    same = True
    for c in (0, 1, 2, 3, 7, 8, 10):
        same = same and groups[g, c] == groups[h, c]
    return same


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
