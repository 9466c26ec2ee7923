"""The convolutional network: small patterns looked for everywhere in an image, then a multilayer perceptron.

Each stage n = 1, 2, ... looks at images (N, C, H, W) through O patterns of k × k pixels, and pools::

    zⁿ[o, i, j] = bⁿ[o] + Σ_c Σ_a Σ_b Wⁿ[o, c, a, b] mⁿ⁻¹[c, i + a, j + b]     (N, O, H', W')     m⁰ = x
    aⁿ = f(zⁿ)                                                                  (N, O, H', W')
    mⁿ = the largest number in each 2 × 2 window of aⁿ                          (N, O, H'/2, W'/2)

The last mⁿ as one row of numbers goes into dense layers as in ``mlp.py``. Backwards, with δ = ∂C/∂z::

    ∂C/∂Wⁿ[o, c, a, b] = Σ_N Σ_i Σ_j δⁿ[o, i, j] mⁿ⁻¹[c, i + a, j + b]
    ∂C/∂mⁿ⁻¹[c, i, j] = Σ_o Σ_a Σ_b Wⁿ[o, c, a, b] δⁿ[o, i - a, j - b]
    δⁿ = ∂C/∂mⁿ where the maximum came from, times f'(zⁿ); 0 elsewhere

The same W serves every place, so a pattern learnt in one corner is known in all, and there are few weights.

Source: LeCun, Bottou, Bengio, Haffner 1998, sec. II. The layers are in ``parts/conv.py``, forwards and backwards.
"""

from typing import Any

import numpy as np

from pellucid.errors import InvalidArgumentError, InvalidDataError
from pellucid.learning.estimator import check_boolean, check_choice, check_number, numeric, refused_in_our_words
from pellucid.learning.threads import WORTH_A_SHARE, threads_for
from pellucid.learning.trace import Record
from pellucid.networks.base import each_of
from pellucid.networks.classifier import StackClassifier
from pellucid.networks.tracing import TracedStack
from pellucid.parts.activation import ACTIVATIONS
from pellucid.parts.conv import AveragePool2d, BatchNorm2d, Conv2d, MaxPool2d
from pellucid.parts.conv_stack import ConvStack, Stage

__all__ = ["CNNClassifier"]

POOLINGS = ("max", "average")


class CNNClassifier(TracedStack, StackClassifier):
    """A convolutional network that tells images apart.

    X may be (n, height, width), (n, channels, height, width), or flat rows (n, D); of flat rows the shape is
    ``image_shape``, or a square where D is a square number.

    Takes ``MLPClassifier``'s parameters with the same meaning, and:

    Parameters
    ----------
    conv_layers : sequence of (int, int), default=((8, 5), (16, 5))
        Channels and kernel size of each convolution.
    hidden_layer_sizes : int or sequence of int, default=(100,)
        The dense layers behind the convolutions.
    image_shape : (height, width) or (channels, height, width), optional
        The shape of the images where X is flat.
    padding : "same", "valid", int, or one of these a convolution, default="same"
        Zeros around the image: "same" keeps its size (odd kernels, stride 1), "valid" is none.
    stride : int or one int a convolution, default=1
    pooling : {"max", "average"}, default="max"
    pool_size : int or one int a convolution, default=2
        Side of the windows that are pooled; 1 is no pooling.
    groups : int or one int a convolution, default=1
        Into how many groups, which do not see each other, the channels fall.
    batch_norm : bool, default=False
        Batch normalisation behind each convolution.
    shift : float, default=0
        In training each image is shifted by up to so many pixels, anew each time.
    rotation : float, default=0
        In training each image is rotated by up to so many degrees, anew each time.
    activation : str or one str a layer, default="relu"
        The convolutions' first, then the hidden dense layers'.
    dropout : float or one float a hidden dense layer, default=0
    solver : {"sgd", "adam", "adamw", "rmsprop", "lbfgs"}, default="adam"
        lbfgs takes all samples at once, without augmentation and batch normalisation.

    Attributes
    ----------
    coefs_, intercepts_ : list of ndarray
        Kernels (O, C, k, k), then matrices (D, H); views of the one parameter vector.
    image_shape_ : (channels, height, width)
    classes_, loss_curve_, validation_scores_, n_iter_, engine_ and so on
        As MLPClassifier has them.

    Raises
    ------
    InvalidArgumentError
        A kernel or a pool that does not fit into its image, an ``image_shape`` that does not multiply to the columns.

    """

    def __init__(
        self,
        conv_layers: Any = ((8, 5), (16, 5)),
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        image_shape: Any = None,
        padding: Any = "same",
        stride: Any = 1,
        pooling: str = "max",
        pool_size: Any = 2,
        groups: Any = 1,
        batch_norm: bool = False,
        shift: float = 0.0,
        rotation: float = 0.0,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | str = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        loss: str = "log_loss",
        focal_gamma: float = 2.0,
        class_weight: Any = None,
        bias: bool = True,
        dropout: Any = 0.0,
        initial_weights: str = "auto",
        rho: float = 0.9,
        weight_decay: float = 0.01,
        step_size: int = 30,
        step_factor: float = 0.1,
        warmup_epochs: float = 0,
        dtype: str = "auto",
        engine: str = "auto",
        device: str = "auto",
        precision: str = "full",
        compile: bool = False,  # torch's own word for it
    ) -> None:
        self.conv_layers = conv_layers
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.image_shape = image_shape
        self.padding = padding
        self.stride = stride
        self.pooling = pooling
        self.pool_size = pool_size
        self.groups = groups
        self.batch_norm = batch_norm
        self.shift = shift
        self.rotation = rotation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.loss = loss
        self.focal_gamma = focal_gamma
        self.class_weight = class_weight
        self.bias = bias
        self.dropout = dropout
        self.initial_weights = initial_weights
        self.rho = rho
        self.weight_decay = weight_decay
        self.step_size = step_size
        self.step_factor = step_factor
        self.warmup_epochs = warmup_epochs
        self.dtype = dtype
        self.engine = engine
        self.device = device
        self.precision = precision
        self.compile = compile

    stack_: ConvStack

    # -- parameters ------------------------------------------------------------------------------------------

    def _check_parameters(self) -> None:
        check_boolean("batch_norm", self.batch_norm)
        check_choice("pooling", self.pooling, POOLINGS)
        check_number("shift", self.shift, 0)
        check_number("rotation", self.rotation, 0, 180)
        self._stages()
        super()._check_parameters()
        if self.solver == "lbfgs" and self.batch_norm:
            raise InvalidArgumentError("batch_norm must be False with solver='lbfgs', which sees all samples at once")

    def _count_hidden(self, name: str) -> int:
        return super()._count_hidden(name) + (len(self._convolutions()) if name == "activation" else 0)

    def _convolutions(self) -> list[tuple[int, int]]:
        """Return channels and kernel size of each convolution."""
        layers = each_of(self.conv_layers)
        if not layers:
            raise InvalidArgumentError(
                "conv_layers must be pairs (channels, kernel size), such as [(8, 5), (16, 5)]; "
                f"got {self.conv_layers!r}"
            )
        for layer in layers:
            pair = each_of(layer)
            if pair is None or len(pair) != 2:
                raise InvalidArgumentError(
                    f"conv_layers must be pairs (channels, kernel size); got {layer!r} among them"
                )
            for name, value in zip(("channels", "kernel sizes"), pair, strict=True):
                check_number(f"conv_layers: {name}", value, 1, integer=True)
        return [(int(channels), int(kernel)) for channels, kernel in layers]

    def _each_convolution(self, name: str) -> list[Any]:
        """Return one value a convolution of a parameter given once for all, or for each."""
        count, value = len(self._convolutions()), getattr(self, name)
        given = each_of(value)
        if given is not None and len(given) != count:
            raise InvalidArgumentError(f"{name} must have one value a convolution ({count}), got {value!r}")
        each = list((value,) * count if given is None else given)
        for item in each:
            if name != "padding":
                check_number(name, item, 1, integer=True)
            elif not (isinstance(item, str) and item in {"same", "valid"}):
                check_number(name, item, 0, integer=True, otherwise=", 'same' or 'valid'")
        return each

    def _stages(self) -> list[Stage]:
        layers = self._convolutions()
        each = [self._each_convolution(name) for name in ("stride", "padding", "pool_size", "groups")]
        names = self._per_hidden_layer("activation", self.activation)[: len(layers)]
        stages = []
        for (channels, kernel), name, stride, padding, pool, groups in zip(layers, names, *each, strict=True):
            if padding == "same" and (kernel % 2 == 0 or stride != 1):
                raise InvalidArgumentError(
                    f"padding must be a number or 'valid' where a kernel is even or a stride above 1; got 'same' for "
                    f"a kernel of {kernel} with stride {stride}"
                )
            zeros = {"same": kernel // 2, "valid": 0}.get(padding, padding)
            stages.append(
                Stage(
                    channels, kernel, name, int(stride), int(zeros), int(pool), self.pooling, int(groups),
                    bool(self.batch_norm),
                )
            )  # fmt: skip
        return stages

    def _build_stack(self, n_features: int, n_outputs: int, dtype: Any) -> ConvStack:
        stages = self._stages()
        return ConvStack(
            self.image_shape_, stages, (*self._hidden_sizes(), n_outputs),
            self._per_hidden_layer("activation", self.activation)[len(stages) :],
            bias=bool(self.bias), dropout=self._dropout_rates(), shift=self.shift, rotation=self.rotation, dtype=dtype,
        )  # fmt: skip

    def _multiply_adds(self, n_features: int) -> int:
        shape, total = self.image_shape_, 0
        for number, stage in enumerate(self._stages(), start=1):
            total += stage.multiply_adds(shape, number)
            shape = stage.pooled(shape, number)
        return total + super()._multiply_adds(int(np.prod(shape)))

    def _threads(self, rows: int) -> int:
        if self.engine_ != "compiled":
            return super()._threads(rows)
        return threads_for(rows * self.stack_.multiply_adds, WORTH_A_SHARE)

    # -- images ----------------------------------------------------------------------------------------------

    def _rows_of(self, X: Any, *, reset: bool) -> Any:
        """Return X as rows (n, D); with ``reset`` learn the shape of the images."""
        shape = getattr(X, "shape", None)
        if not isinstance(shape, tuple):
            with refused_in_our_words():
                X = np.asarray(X)
            shape = X.shape
        images = None
        if len(shape) in {3, 4}:
            images = (1, *shape[1:]) if len(shape) == 3 else tuple(shape[1:])
            if 0 in images:
                raise InvalidDataError(f"X must hold images of at least one pixel; got shape {shape}")
            X = np.asarray(X).reshape(len(X), int(np.prod(images)))
        elif len(shape) > 4:
            raise InvalidDataError(
                f"X must be (n, height, width), (n, channels, height, width) or (n, D); got shape {shape}"
            )
        if reset:
            X = numeric(self, X, reset=True)
            self.image_shape_ = self._learnt_shape(images, X.shape[1])
            return X
        if images is not None and hasattr(self, "image_shape_") and images != self.image_shape_:
            raise InvalidDataError(f"X must hold images of {self.image_shape_} as in training; got {images}")
        return numeric(self, X, reset=False)

    def _learnt_shape(self, images: tuple[int, ...] | None, columns: int) -> tuple[int, int, int]:
        """Return (C, H, W) of the images, from X's own shape, ``image_shape``, or a square of so many columns."""
        given = None
        if self.image_shape is not None:
            given = each_of(self.image_shape) or ()
            if len(given) not in {2, 3}:
                raise InvalidArgumentError(
                    f"image_shape must be (height, width) or (channels, height, width), got {self.image_shape!r}"
                )
            for side in given:
                check_number("image_shape", side, 1, integer=True)
            given = (1,) * (3 - len(given)) + tuple(int(side) for side in given)
            if images is not None and images != given:
                raise InvalidArgumentError(f"image_shape must be that of X, {images}; got {self.image_shape!r}")
            if int(np.prod(given)) != columns:
                raise InvalidArgumentError(
                    f"image_shape must multiply to the {columns} columns of X; got {self.image_shape!r}, which is "
                    f"{int(np.prod(given))}"
                )
        found = images or given or self._guessed_shape(columns)
        return found[0], found[1], found[2]

    def _guessed_shape(self, columns: int) -> tuple[int, ...]:
        side = round(columns**0.5)
        if side * side != columns:
            raise InvalidArgumentError(
                f"image_shape must be given: X has {columns} columns, which make no square; "
                "say (height, width) or (channels, height, width)"
            )
        return 1, side, side

    def _kept(self) -> tuple[str, ...]:
        return (*super()._kept(), "image_shape_")

    def _identity(self, data: list[np.ndarray | None]) -> dict[str, Any]:
        return super()._identity(data) | {"image_shape": self.image_shape_}  # the data are rows

    # -- trace -----------------------------------------------------------------------------------------------

    def _is_single(self, shape: tuple[int, ...]) -> bool:
        # Of one channel, (1, H, W) is a batch of one, as in training.
        return len(shape) == 1 or shape == self.image_shape_[1:] or (shape == self.image_shape_ and shape[0] > 1)

    def _trace_title(self) -> str:
        return f"{type(self).__name__} {self.stack_.architecture}"

    def _trace_front(self, x: np.ndarray, caches: list[Any]) -> list[Record]:
        records = [Record("a0", "a0 = x", x.reshape(-1, *self.image_shape_), "N C H W")]
        number, below = 0, "a0"
        for layer, cache in zip(self.stack_.layers, caches, strict=True):
            if isinstance(layer, Conv2d):
                number += 1
                bias = "" if layer.bias is None else f" + b{number}"
                formula = f"z{number} = W{number} * {below}{bias}"
                records.append(Record(f"z{number}", formula, cache.z, "N O H W", "forward", number, Conv2d.forward))
                if not self.batch_norm:
                    records.append(self._activated(number, f"z{number}", cache.y))
            elif isinstance(layer, BatchNorm2d):
                formula = f"n{number} = γ{number} (z{number} - mean{number}) / √(variance{number} + ε) + β{number}"
                records.append(
                    Record(f"n{number}", formula, cache.z, "N O H W", "forward", number, BatchNorm2d.forward)
                )
                records.append(self._activated(number, f"n{number}", cache.y))
            elif isinstance(layer, MaxPool2d | AveragePool2d):
                records += self._pooled(number, layer, layer.forward(np.asarray(records[-1].value))[0], cache.source)
            below = next(record.name for record in records[::-1] if not record.name.startswith("source"))
        flat = self._dense(caches)[0].x
        return [*records, Record("flat", f"flat = {below} as one row an image", flat, "N D")]

    def _activated(self, number: int, of: str, value: np.ndarray) -> Record:
        name = self.stack_.stages[number - 1].activation
        formula = f"a{number} = {name}({of}):  {ACTIVATIONS[name].formula.replace('z', of)}"
        return Record(f"a{number}", formula, value, "N O H W", layer=number)

    def _pooled(self, number: int, layer: Any, value: np.ndarray, source: np.ndarray | None) -> list[Record]:
        kind = "mean" if source is None else "max"
        formula = f"m{number} = {kind} of each {layer.size[0]} x {layer.size[1]} window of a{number}"
        where = f"source{number}: where in a{number} each maximum came from (row · width + column)"
        records = [Record(f"m{number}", formula, value, "N O H W", layer=number)]
        # Before the pooled values, so that the last record is what the next layer sees.
        return (
            records if source is None else [Record(f"source{number}", where, source, "N O H W", layer=number), *records]
        )

    def _trace_front_back(self, slopes: list[Any], caches: list[Any]) -> list[Record]:
        number, records = len(self.stack_.stages), []
        layers = list(zip(self.stack_.layers, slopes, caches, strict=True))
        for place in range(len(layers) - 1, -1, -1):
            layer, _, cache = layers[place]
            if not isinstance(layer, Conv2d | BatchNorm2d | MaxPool2d | AveragePool2d):
                continue
            above = layers[place + 1][1]  # the slope at this layer's output
            if isinstance(layer, MaxPool2d | AveragePool2d):
                formula = f"dm{number} = ∂C/∂m{number}"
                records.append(Record(f"dm{number}", formula, above, "N O H W", "backward", number))
                continue
            of = "n" if isinstance(layer, BatchNorm2d) else "z"
            slope = layer.activation.slope(cache.z, cache.y)
            if isinstance(layer, Conv2d) and self.batch_norm:
                formula = f"δ{number} = ∂C/∂z{number}, back through the normalisation"
            else:
                at = "m" if self.stack_.stages[number - 1].pool > 1 else "a"
                formula = f"δ{of if of == 'n' else ''}{number} = d{at}{number} where it came from · f'({of}{number})"
            name = f"delta{'n' if of == 'n' else ''}{number}"
            records.append(Record(name, formula, above * slope, "N O H W", "backward", number, type(layer).backward))
            if isinstance(layer, BatchNorm2d):
                for kind, symbol in (("gamma", "γ"), ("beta", "β")):
                    value = self.stack_.parameters.slopes[f"{kind}{number}"].copy()
                    formula = f"d{symbol}{number} = ∂C/∂{symbol}{number}"
                    records.append(Record(f"d{symbol}{number}", formula, value, "O", "backward", number))
                continue
            patches = "x" if number == 1 else f"m{number - 1}"
            records += self._slopes_of(
                number, f"Σ δ{number} · patches of {patches}", f"Σ δ{number} over images and places", "O C k k",
                Conv2d.backward,
            )  # fmt: skip
            number -= 1
        gradient = slopes[0].reshape(-1, *self.image_shape_)
        records.append(
            Record("dx", "dx = ∂C/∂x: how each pixel would change the loss", gradient, "N C H W", "backward")
        )
        return records
