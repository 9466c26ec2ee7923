"""The error-weighted-derivative rule of a single sigmoid unit, compiled: see ``networks/neuron.py``."""

import numpy as np

from pellucid.parts.compiled.activation import logistic
from pellucid.parts.compiling import kernel

__all__ = ["iterate"]


@kernel()
def iterate(XT, y, w, iterations, out):
    """Run the rule over XT (D, N), y (N,) on w (D,), in place; leave the last outputs in out (N,)."""
    D, N = XT.shape
    one = w.dtype.type(1)
    delta = np.empty(N, w.dtype)
    for _ in range(iterations):
        for i in range(N):
            out[i] = XT[0, i] * w[0]
        for j in range(1, D):
            for i in range(N):
                out[i] += XT[j, i] * w[j]
        for i in range(N):
            out[i] = logistic(out[i])
        for i in range(N):
            delta[i] = (y[i] - out[i]) * (out[i] * (one - out[i]))
        for j in range(D):
            total = w.dtype.type(0)
            for i in range(N):
                total += XT[j, i] * delta[i]
            w[j] += total
