"""Compiled matrix products on flat vectors: BLAS for what is worth its call, plain loops for the tiny.

Matrices are flat vectors in row-major order, their shapes come beside them; the tiny ones are given by the vector
that holds them and the place where they start, because even a view of it would cost too much.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.linalg import ensure_blas

from pellucid.parts.compiling import kernel

__all__ = [
    "TINY",
    "add_product",
    "add_product_nt",
    "add_product_tn",
    "add_row",
    "column_sums",
    "copy",
    "product",
    "product_nt",
    "product_tn",
    "tiny_backward",
    "tiny_forward",
    "tiny_slopes",
]

# Multiply-adds up to which plain loops beat a BLAS call (measured: 100-200 ns of overhead a call).
TINY = 512

# An unsigned index needs no check for counting from the end, which would cost more than the arithmetic.
unsigned = np.uint64


@kernel(inner=True)
def product(a, b, c, m, k, n):
    """Write C = A B, with A (m, k), B (k, n), C (m, n)."""
    np.dot(a.reshape(m, k), b.reshape(k, n), c.reshape(m, n))


@kernel(inner=True)
def product_tn(a, b, c, m, k, n):
    """Write C = Aᵀ B, with A (k, m), B (k, n), C (m, n)."""
    np.dot(a.reshape(k, m).T, b.reshape(k, n), c.reshape(m, n))


@kernel(inner=True)
def product_nt(a, b, c, m, k, n):
    """Write C = A Bᵀ, with A (m, k), B (n, k), C (m, n)."""
    np.dot(a.reshape(m, k), b.reshape(n, k).T, c.reshape(m, n))


@intrinsic(prefer_literal=True)
def _gemm(typing_context, left, right, out, flips, m, n, k):
    """Add to OUT (n, m) the product of RIGHT (n, k) and LEFT (k, m), each by columns if its flip is "t".

    It is BLAS's own call, which reads by columns: hence the sides. numpy.dot cannot add.
    """
    ensure_blas()

    def build(context, builder, signature, arguments):
        word, char, place = ir.IntType(64), ir.IntType(8), ir.IntType(8).as_pointer()
        kinds = [char] * 3 + [word] * 3 + [place, place, word, place, word, place, place, word]
        call = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.IntType(32), kinds), "numba_xxgemm")
        data = [
            builder.bitcast(context.make_array(kind)(context, builder, value).data, place)
            for kind, value in zip(signature.args[:3], arguments[:3], strict=True)
        ]
        m, n, k = arguments[4:]
        flips_ = flips.literal_value
        one = builder.bitcast(cgutils.alloca_once_value(builder, context.get_constant(out.dtype, 1.0)), place)
        letter = "s" if out.dtype == types.float32 else "d"
        first, second = (m if flips_[0] == "n" else k), (k if flips_[1] == "n" else n)
        builder.call(call, [
            *(ir.Constant(char, ord(code)) for code in (letter, *flips_)),
            m, n, k, one, data[0], first, data[1], second, one, data[2], m,
        ])  # fmt: skip
        return context.get_dummy_value()

    return types.void(left, right, out, flips, types.intp, types.intp, types.intp), build


@kernel(inner=True)
def add_product(a, b, c, m, k, n):
    """Add A B to C, with A (m, k), B (k, n), C (m, n)."""
    _gemm(b, a, c, "nn", n, m, k)


@kernel(inner=True)
def add_product_tn(a, b, c, m, k, n):
    """Add Aᵀ B to C, with A (k, m), B (k, n), C (m, n)."""
    _gemm(b, a, c, "nt", n, m, k)


@kernel(inner=True)
def add_product_nt(a, b, c, m, k, n):
    """Add A Bᵀ to C, with A (m, k), B (n, k), C (m, n)."""
    _gemm(b, a, c, "tn", n, m, k)


@kernel(inner=True)
def tiny_forward(work, x, z, theta, weight, bias, m, k, n):
    """Write Z = X W + b, with X (m, k) and Z (m, n) in work, W (k, n) and b (n,) in theta (bias < 0: none)."""
    biased, bias = bias >= 0, unsigned(bias)
    x, z, weight, m, k, n = unsigned(x), unsigned(z), unsigned(weight), unsigned(m), unsigned(k), unsigned(n)
    one, zero = unsigned(1), theta.dtype.type(0)
    for _ in range(m):
        for j in range(n):
            total, w = theta[bias + j] if biased else zero, weight + j
            for p in range(k):
                total += work[x + p] * theta[w]
                w += n
            work[z] = total
            z += one
        x += k


@kernel(inner=True)
def tiny_slopes(work, x, d, gradient, weight, bias, m, k, n):
    """Write dW = Xᵀ δ (k, n) and db (n,) to the gradient, with X (m, k) and δ (m, n) in work."""
    biased, bias = bias >= 0, unsigned(bias)
    x, d, weight, m, k, n = unsigned(x), unsigned(d), unsigned(weight), unsigned(m), unsigned(k), unsigned(n)
    one = unsigned(1)
    for p in range(k):
        for j in range(n):
            total, left, right = work.dtype.type(0), x + p, d + j
            for _ in range(m):
                total += work[left] * work[right]
                left += k
                right += n
            gradient[weight] = total
            weight += one
    if biased:
        for j in range(n):
            total, right = work.dtype.type(0), d + j
            for _ in range(m):
                total += work[right]
                right += n
            gradient[bias + j] = total


@kernel(inner=True)
def tiny_backward(work, d, below, theta, weight, m, k, n):
    """Write δ Wᵀ (m, k) to ``below`` in work, with δ (m, n) in work and W (k, n) in theta."""
    d, below, weight, m, k, n = (
        unsigned(d),
        unsigned(below),
        unsigned(weight),
        unsigned(m),
        unsigned(k),
        unsigned(n),
    )
    one = unsigned(1)
    for _ in range(m):
        w = weight
        for _ in range(k):
            total = work.dtype.type(0)
            for j in range(n):
                total += work[d + j] * theta[w]
                w += one
            work[below] = total
            below += one
        d += n


@kernel()
def add_row(c, b):
    """Add the row b (n,) to each row of C (m, n)."""
    for start in range(0, c.size, b.size):
        row = c[start : start + b.size]
        for j in range(b.size):
            row[j] += b[j]


@kernel()
def column_sums(c, b):
    """Write the sum over the rows of C (m, n) to b (n,)."""
    for j in range(b.size):
        b[j] = c[j]
    for start in range(b.size, c.size, b.size):
        row = c[start : start + b.size]
        for j in range(b.size):
            b[j] += row[j]


@kernel(inner=True)
def copy(source, target):
    """Write source to target (n,); a slice assignment would compile the text of an error about shapes, for seconds."""
    for i in range(source.size):
        target[i] = source[i]
