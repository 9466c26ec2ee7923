"""Activations and slopes against mpmath, in NumPy and compiled, in float32 and float64.

An ULP is the distance to the next float of the same size; where a result is subnormal that is the smallest
subnormal number. Zero is zero whatever its sign.
"""

from functools import cache

import mpmath as mp
import numpy as np
import pytest
import torch

from pellucid.errors import InvalidArgumentError
from pellucid.parts.activation import ACTIVATIONS, CODES, LEAK, Activation, softmax
from pellucid.parts.compiled.activation import activate, multiply_by_slope
from pellucid.parts.compiled.loss import outputs

DTYPES = (np.float32, np.float64)
KINKED = ("relu", "leaky_relu")


def logistic(x):
    return 1 / (1 + mp.exp(-x))


def phi(x):
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def normal_cdf(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


def logistic_slope(x):
    return logistic(x) * logistic(-x)


# name: (the function, its derivative); the leak is the float that stands in the code
TRUTH = {
    "identity": (lambda x: x, lambda x: mp.mpf(1)),
    "logistic": (logistic, logistic_slope),
    "tanh": (mp.tanh, lambda x: mp.sech(x) ** 2),
    "relu": (lambda x: max(x, mp.mpf(0)), lambda x: mp.mpf(x > 0)),
    "leaky_relu": (lambda x: x if x > 0 else LEAK * x, lambda x: mp.mpf(1) if x > 0 else mp.mpf(LEAK)),
    "elu": (lambda x: x if x > 0 else mp.expm1(x), lambda x: mp.mpf(1) if x > 0 else mp.exp(x)),
    "softplus": (lambda x: mp.log1p(mp.exp(-abs(x))) + max(x, mp.mpf(0)), logistic),
    "gelu": (lambda x: x * normal_cdf(x), lambda x: normal_cdf(x) + x * phi(x)),
    "silu": (lambda x: x * logistic(x), lambda x: logistic(x) + x * logistic_slope(x)),
    "exp": (mp.exp, mp.exp),
}
IN_ULP = ("identity", "logistic", "tanh", "relu", "leaky_relu", "elu", "softplus", "silu", "exp")


@cache
def points(dtype):
    """Both signs of everything: ordinary, tiny, subnormal, at the ends of exp and of the format."""
    rng = np.random.default_rng(7)
    ends = {
        np.float32: (87.34, 88.0, 88.72, 103.3, 103.97, 104.5),
        np.float64: (708.4, 709.7, 710.1, 744.4, 745.1, 746.5),
    }
    info = np.finfo(dtype)
    middle = 10 ** rng.uniform(-9, 1, 100), rng.uniform(0, 40, 100), rng.uniform(0, ends[dtype][-1], 60)
    special = [0.0, 1.0, 0.5, np.log(2) / 2, np.log(2), 8.3, 9.02, 18.7, 19.1, 36.7, 37.5, 1e2, 1e4, 1e10]
    edge = [info.smallest_subnormal, info.tiny / 2, info.tiny, info.eps, info.eps / 2, 1e-20, 1e30]
    x = np.concatenate([*middle, special, edge, ends[dtype]]).astype(dtype)
    return np.concatenate([x, -x])


@cache
def truth(name, which, dtype):
    """The exact values as two float64 each, the second what the first leaves over."""
    with mp.workdps(40):
        exact = [TRUTH[name][which](mp.mpf(float(x))) for x in points(dtype)]
        high = np.array([float(value) for value in exact])
        with np.errstate(over="ignore"):
            low = np.array([float(v - mp.mpf(h)) if np.isfinite(h) else 0.0 for v, h in zip(exact, high, strict=True)])
    return high, low


def numpy_twin(name, z):
    activation = ACTIVATIONS[name]
    with np.errstate(over="ignore", invalid="ignore"):
        a = activation.function(z)
        return a, activation.slope(z, a)


def compiled_twin(name, z):
    a, d = z.copy(), np.ones_like(z)
    activate(CODES[name], a)
    multiply_by_slope(CODES[name], z, a, d)
    return a, d


TWINS = {"numpy": numpy_twin, "compiled": compiled_twin}


def errors(result, high, low):
    """|result - truth| without rounding; nothing where both are the same infinity."""
    with np.errstate(over="ignore", invalid="ignore"):
        overflow = np.isinf(high.astype(result.dtype)) & (result == high.astype(result.dtype))
        return np.where(overflow, 0, np.abs((result.astype(np.float64) - high) - low))


def ulp(high, dtype):
    with np.errstate(over="ignore"):
        size = np.abs(high).astype(dtype)
    return np.spacing(np.minimum(size, np.finfo(dtype).max / 2)).astype(np.float64)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", IN_ULP)
@pytest.mark.parametrize("twin", TWINS)
def test_functions_are_right_to_four_units_in_the_last_place(twin, name, dtype):
    high, low = truth(name, 0, dtype)
    result = TWINS[twin](name, points(dtype))[0]
    assert result.dtype == dtype
    allowed = 4 * ulp(high, dtype)
    if name == "silu":  # z times a σ(z) that is subnormal itself, and so rounded to half a smallest number
        z, smallest = np.abs(points(dtype).astype(np.float64)), float(np.finfo(dtype).smallest_subnormal)
        allowed += np.where(z * np.finfo(dtype).tiny > np.abs(high), np.minimum(z, 1e3) * smallest, 0)
    off = errors(result, high, low) / allowed
    worst = int(np.argmax(off))
    assert off[worst] <= 1, f"{name}({points(dtype)[worst]!r}) = {result[worst]!r}, {4 * off[worst]:.3g} ULP off"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "which"), [("gelu", 0), *((name, 1) for name in TRUTH if name != "exp")])
@pytest.mark.parametrize("twin", TWINS)
def test_gelu_and_every_slope_are_right_to_four_eps(twin, name, which, dtype):
    high, low = truth(name, which, dtype)
    result = TWINS[twin](name, points(dtype))[which]
    assert result.dtype == dtype
    allowed = 4 * np.finfo(dtype).eps * np.maximum(1, np.abs(points(dtype).astype(np.float64)))
    off = errors(result, high, low) / allowed
    worst = int(np.argmax(off))
    assert off[worst] <= 1, f"at {points(dtype)[worst]!r}: {result[worst]!r}, {4 * off[worst]:.3g} eps off"


def numpy_softmax(z):
    return softmax(z)


def compiled_softmax(z):
    p = np.empty_like(z)
    outputs(CODES["softmax"], z.reshape(-1), p.reshape(-1), z.shape[1])
    return p


@cache
def softmax_rows(dtype):
    rng = np.random.default_rng(8)
    rows = rng.normal(size=(60, 5)) * 10 ** rng.uniform(-3, 3, (60, 1))
    special = [
        [0, 0, 0, 0, 0],
        [1e4, -1e4, 1e4, 0, 1],
        [-1e30, 1e30, 0, 0, -1e30],
        [-1e4] * 5,
        [88, 89, 87, 0, -104],
    ]
    return np.concatenate([rows, special]).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("twin", [numpy_softmax, compiled_softmax])
def test_softmax_is_right_to_four_eps(twin, dtype):
    z = softmax_rows(dtype)
    with mp.workdps(40):
        exact = []
        for row in z:
            e = [mp.exp(mp.mpf(float(x)) - mp.mpf(float(row.max()))) for x in row]
            exact.append([float(value / sum(e)) for value in e])
    allowed = 4 * np.finfo(dtype).eps * np.maximum(1, np.abs(z.astype(np.float64)))
    assert (np.abs(twin(z) - np.array(exact)) <= allowed).all()
    assert np.abs(twin(z).sum(axis=1) - 1).max() <= 4 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("twin", TWINS)
def test_nan_stays_nan(twin, name, dtype):
    z = np.zeros(37, dtype)  # both whole vectors and what is left over
    z[[0, 5, 33, 36]] = np.nan
    a, slope = TWINS[twin](name, z)
    assert np.isnan(a[np.isnan(z)]).all()
    assert np.isfinite(a[~np.isnan(z)]).all()
    if name not in (*KINKED, "identity"):  # slopes that are one of two numbers
        assert np.isnan(slope[np.isnan(z)]).all()


LIMITS = {  # name: (at -inf, at +inf)
    "identity": (-np.inf, np.inf),
    "logistic": (0, 1),
    "tanh": (-1, 1),
    "relu": (0, np.inf),
    "leaky_relu": (-np.inf, np.inf),
    "elu": (-1, np.inf),
    "softplus": (0, np.inf),
    "exp": (0, np.inf),
    # z Φ(z) and z σ(z) are -inf · 0 there: loudly NaN, never a wrong number
    "gelu": (np.nan, np.inf),
    "silu": (np.nan, np.inf),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("twin", TWINS)
def test_infinity_gives_the_limit(twin, name, dtype):
    z = np.array([-np.inf, np.inf], dtype)
    np.testing.assert_array_equal(TWINS[twin](name, z)[0], np.array(LIMITS[name], dtype))


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name != "exp"])
def test_names_mean_what_torch_means_by_them(name):
    of_torch = {"identity": lambda z: z, "logistic": torch.sigmoid, "tanh": torch.tanh}
    function = of_torch.get(name) or getattr(torch.nn.functional, name)
    z = torch.linspace(-6, 6, 101, dtype=torch.float64, requires_grad=True)
    a = function(z)
    a.sum().backward()
    for twin in TWINS.values():
        mine, slope = twin(name, z.detach().numpy())
        np.testing.assert_allclose(mine, a.detach().numpy(), rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(slope, z.grad.numpy(), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_numpy_twin_leaves_its_input_alone(name):
    z = np.linspace(-3, 3, 21)
    a, _ = numpy_twin(name, z)
    a[:] = 7
    np.testing.assert_array_equal(z, np.linspace(-3, 3, 21))


def test_only_activations_whose_slope_reads_z_say_so():
    z = np.linspace(-3, 3, 21)
    for activation in ACTIVATIONS.values():
        a = activation.function(z)
        blind = activation.slope(np.full_like(z, np.nan), a)
        assert np.isnan(blind).any() == activation.needs_z, activation.name


def test_every_activation_has_a_code_of_its_own():
    assert sorted(CODES.values()) == list(range(len(CODES)))
    assert all(activation.code == CODES[name] for name, activation in ACTIVATIONS.items())


def test_an_unknown_name_is_answered_with_the_names_there_are():
    with pytest.raises(InvalidArgumentError, match=r"activation must be one of elu, exp, gelu, .* tanh; got 'swish'"):
        Activation.named("swish")
