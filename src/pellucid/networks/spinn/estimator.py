"""``SPINNClassifier``: sentences, or pairs of sentences, to labels, as a scikit-learn estimator."""

import re
import warnings
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from copy import deepcopy
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from pellucid.data.vectors import Vectors
from pellucid.errors import InvalidArgumentError, PellucidWarning
from pellucid.learning.callback import CallbackSupport, told
from pellucid.learning.estimator import check_choice, check_seed, class_labels, restorer, unchanged_by_errors
from pellucid.learning.step import Step
from pellucid.networks.spinn.answering import Answers, one_thread
from pellucid.networks.spinn.examples import Sentence, both_ways, examples, node_labels, sides
from pellucid.networks.spinn.filing import KEPT, from_file, to_file
from pellucid.networks.spinn.model import TREE_ENCODERS, TreeClassifier
from pellucid.networks.spinn.objective import Material, Objective, seeded
from pellucid.networks.spinn.parameters import check_parameters, device_of
from pellucid.networks.spinn.preparing import (
    check_suited,
    given_validation,
    hold_out,
    known_classes,
    places_of,
    words_and_vectors,
)
from pellucid.networks.spinn.resuming import Progress, Whole
from pellucid.networks.spinn.tracing import epoch_formulas, epoch_functions
from pellucid.scaling.averaging import Average
from pellucid.scaling.checkpoint import Checkpoint, fingerprint
from pellucid.scaling.keeping import Kept
from pellucid.scaling.loop import Batch, Run, cosine, learning, train
from pellucid.scaling.modules import running
from pellucid.scaling.processes import Line, Processes, join

__all__ = ["SPINNClassifier"]

GRANULARITIES = ("epoch", "batch")
WEIGHTY = ("hidden", "embedding", "tracker", "mlp", "mlp_layers", "batch_size")
NO_MEMORY = re.compile("DefaultCPUAllocator|[Ss]torage size calculation overflowed|Overflow when unpacking")
OWN = ("verbose", "device", "vectors", "warm_start")  # parameters that stand in another form in a checkpoint, or none


class SPINNClassifier(CallbackSupport, Answers, ClassifierMixin, BaseEstimator):
    """A classifier of sentences or of pairs (premise, hypothesis): trees (``Tree``), or plain text.

    A text goes through ``data/tokenizing.py``. It can be classified where the encoder knows no tree, or where the
    model finds its own parses; to learn, trees are needed wherever trees are read.

    Parameters
    ----------
    encoder : {"treelstm", "spinn", "lstm", "gru", "rnn", "sum"}, default="treelstm"
        Shift and reduce without tracker, with it; a recurrent network over the words; their sum.
    parses : {"given", "predicted"}, default="given"
        Whether sentences are read by the transitions that come with them, or by the model's own, which ``spinn``
        learns from those given in training.
    transition_weight : float, default=1.0
        How much the transition loss counts beside that of the labels (the paper's alpha; its mean, not its sum).
    beam : int, default=1
        How many beginnings of a parse are kept where the model finds its own; 1: the likeliest step each time.
    hidden : int, default=50
        H, the size of a state.
    embedding : int, default=50
        The size of a word's vector, where no ``vectors`` are given.
    tracker : int, default=16
        The size of the tracker of ``spinn``.
    multiply : bool, default=True
        Whether Reduce sees h_left · h_right too.
    mlp : int, default=100
        Units of each layer of the head.
    mlp_layers : int, default=1
        Layers of the head before the last, linear one.
    features : {"symmetric", "plain"}, default="symmetric"
        What the head sees of a pair beside both: their difference without its sign, or with it.
    vectors : path or Vectors, optional
        Pretrained word vectors in GloVe's format. Of a file those of the words in training (and in ``X_val``) are
        read; all the words of a ``Vectors`` are known afterwards. The vector of unknown words is then zero, and so is,
        at first, that of a word in training that has none.
    freeze_vectors : bool, default=True
        Whether pretrained vectors stay as they are.
    lowercase : bool, default=False
        Whether words are put in small letters.
    min_count : int, default=1
        Words seen less often in training are unknown, unless they have a vector of ``vectors``. Pairs that ``mirror``
        and ``identity`` add are counted too, those held out are not.
    dropout_embedding, dropout : float, default=0.0
        The share of the numbers that are left out at random in training: of projected words; in the head.
    word_dropout : float, default=0.0
        The share of words that are read as unknown in training.
    batch_norm : bool, default=False
        Whether the projected words and each layer of the head are normalised over the batch.
    every_node : bool, default=False
        Whether every labelled node of a tree is learned (SST), not the root alone; -1 labels none.
    mirror : mapping of labels to labels, optional
        For each label that tells it, the label of the pair with its sides exchanged: these pairs are learned too.
        ``{"neutral": "neutral", "contradiction": "contradiction"}`` suits inference.
    identity : label, optional
        The label of a sentence beside itself: each premise beside itself is learned too.
    solver : {"adamw", "rmsprop"}, default="adamw"
        rmsprop is the paper's (rho 0.9, eps 1e-6; ``weight_decay`` is then added to the slope: 2 lambda).
    learning_rate : {"cosine", "constant", "step"}, default="cosine"
        cosine: falls epoch by epoch to almost nothing (``partial_fit`` stays at the first rate); step: times
        ``step_factor`` after every ``step_size`` updates.
    learning_rate_init : float, default=0.003
    step_factor : float, default=0.75
    step_size : int, default=10000
    weight_decay : float, default=0.01
    clip : float, default=5.0
        The longest gradient.
    averaging : float, default=0.0
        Decay of a moving mean of the weights, with which the model then predicts; 0: the last weights.
    batch_size : int, default=64
    max_iter : int, default=20
        Epochs.
    early_stopping : bool, default=False
        Whether to hold out ``validation_fraction`` (or use ``X_val``), stop after ``n_iter_no_change`` epochs without
        a better score, and keep the weights of the best epoch.
    validation_fraction : float, default=0.1
    n_iter_no_change : int, default=10
    warm_start : bool, default=False
        Whether ``fit`` goes on with the weights and the optimizer of the last one. Parameters that would build
        another model, or choose other words, are then refused; the others hold from now on.
    verbose : bool, int or "bar", default=False
    device : str, default="cpu"
        Where torch computes: cpu, cuda, mps, auto (an accelerator where there is one), or what else torch knows.
    random_state : int, RandomState or None, default=None

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
    vocabulary_ : Vocabulary
    model_ : TreeClassifier
        The torch module.
    loss_curve_ : list of float
        The mean loss of each epoch.
    validation_loss_curve_, validation_scores_ : list of float or None
        Cross-entropy and accuracy on what was held out, after each epoch.
    best_validation_score_ : float or None
        The best in the last fit; where it went on with weights under early stopping, theirs is among them.
    padding_share_ : float
        The share of padding, had the batches of the last epoch been rectangles: they hold sentences of like length.
    n_iter_ : int
        Epochs in the last fit.
    t_ : int
        Updates in all.

    """

    def __init__(
        self, *, encoder: str = "treelstm", parses: str = "given", transition_weight: float = 1.0, beam: int = 1,
        hidden: int = 50, embedding: int = 50, tracker: int = 16, multiply: bool = True, mlp: int = 100,
        mlp_layers: int = 1, features: str = "symmetric", vectors: Any = None, freeze_vectors: bool = True,
        lowercase: bool = False, min_count: int = 1, dropout_embedding: float = 0.0, dropout: float = 0.0,
        word_dropout: float = 0.0, batch_norm: bool = False, every_node: bool = False,
        mirror: Mapping[Any, Any] | None = None, identity: Any = None, solver: str = "adamw",
        learning_rate: str = "cosine", learning_rate_init: float = 0.003, step_factor: float = 0.75,
        step_size: int = 10_000, weight_decay: float = 0.01, clip: float = 5.0, averaging: float = 0.0,
        batch_size: int = 64, max_iter: int = 20, early_stopping: bool = False, validation_fraction: float = 0.1,
        n_iter_no_change: int = 10, warm_start: bool = False, verbose: Any = False, device: str = "cpu",
        random_state: Any = None,
    ) -> None:  # fmt: skip
        self.encoder = encoder
        self.parses = parses
        self.transition_weight = transition_weight
        self.beam = beam
        self.hidden = hidden
        self.embedding = embedding
        self.tracker = tracker
        self.multiply = multiply
        self.mlp = mlp
        self.mlp_layers = mlp_layers
        self.features = features
        self.vectors = vectors
        self.freeze_vectors = freeze_vectors
        self.lowercase = lowercase
        self.min_count = min_count
        self.dropout_embedding = dropout_embedding
        self.dropout = dropout
        self.word_dropout = word_dropout
        self.batch_norm = batch_norm
        self.every_node = every_node
        self.mirror = mirror
        self.identity = identity
        self.solver = solver
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.step_factor = step_factor
        self.step_size = step_size
        self.weight_decay = weight_decay
        self.clip = clip
        self.averaging = averaging
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.verbose = verbose
        self.device = device
        self.random_state = random_state

    t_: int
    n_iter_: int
    padding_share_: float | None
    loss_curve_: list[float]
    validation_loss_curve_: list[float] | None
    validation_scores_: list[float] | None
    best_validation_score_: float | None
    _rng: np.random.Generator
    _optimizer: Any
    _average: Average | None
    _built_words: dict[str, Any]

    # -- learning --------------------------------------------------------------------------------------------

    def fit(self, X: Iterable[Any], y: Any, *, X_val: Any = None, y_val: Any = None, checkpoint: Any = None) -> Self:
        """Learn from sentences or pairs X and their labels y.

        Ctrl-C ends it with what the last whole epoch left. What is raised before the first has ended leaves the
        model as it was, but for DivergenceError.

        ``X_val, y_val`` are judged after each epoch, and decide early stopping in place of ``validation_fraction``.

        ``checkpoint``, a folder or a Checkpoint, keeps there, every ten seconds and at each epoch's end, what is needed
        to go on; where that is already, ``fit`` goes on from it, to the very bits that one run would have come to.
        Raises InvalidArgumentError, and leaves the model as it was, where it is of another run.
        """
        with closing(self._run(X, y, (X_val, y_val), epochs=self.max_iter, checkpoint=checkpoint)) as run:
            for _ in run:
                pass
        return self

    def steps(
        self, X: Iterable[Any], y: Any, granularity: str = "epoch", *, X_val: Any = None, y_val: Any = None,
        checkpoint: Any = None,
    ) -> Iterator[Step]:  # fmt: skip
        """Learn as ``fit`` does and yield a Step after each epoch; with ``granularity="batch"`` after each batch, too.

        It has ``epoch``, ``loss``, ``gradient_norm`` (an epoch's largest), ``learning_rate``, and, after an epoch and
        where something is held out, ``validation_loss`` and ``validation_score``. The model is usable after every Step.
        What is past when a ``checkpoint`` is gone on from is not yielded again.
        """
        check_choice("granularity", granularity, GRANULARITIES)
        settings = {"epochs": self.max_iter, "checkpoint": checkpoint, "batchwise": granularity == "batch"}
        with closing(self._run(X, y, (X_val, y_val), **settings)) as run:
            yield from run

    def partial_fit(self, X: Iterable[Any], y: Any, classes: Any = None) -> Self:
        """Learn one more epoch on these examples, or, where that is interrupted, none; the optimizer goes on.

        The first call needs ``classes``, all labels that will ever come, and decides the vocabulary: words that come
        later are unknown.
        """
        if classes is None and not hasattr(self, "model_"):
            raise InvalidArgumentError("classes must be given in the first call of partial_fit: all labels to come")
        with closing(self._run(X, y, (None, None), epochs=1, partial=True, classes=classes)) as run:
            for _ in run:
                pass
        return self

    def _run(
        self, X: Any, y: Any, validation: tuple[Any, Any], *, epochs: int, partial: bool = False, classes: Any = None,
        checkpoint: Any = None, batchwise: bool = False,
    ) -> Generator[Step]:  # fmt: skip
        """Train and yield a Step an epoch, ``batchwise`` also one a batch. The estimator is whole after every yield."""
        as_before, together = restorer(self), join()
        with together.preparing(), unchanged_by_errors(self):
            material = self._prepare(X, y, validation, partial, classes)
            before = self.t_
            objective, progress, run = self._taken_up(material, checkpoint, together)
        model, whole = self.model_, progress.whole
        loops = train(
            run, lambda first: objective.batches(self._rng, self.batch_size, first), objective.loss,
            epochs=epochs, rate=lambda epoch: self._rate(epoch, partial), clip=self.clip, batchwise=batchwise,
        )  # fmt: skip
        fitted = {"X": X, "y": y, "metadata": None}
        hook = self._optimizer.register_step_post_hook(lambda *given: self._stepped())
        line = Line.of(learning(model), running(model))
        try:
            with together.training(line), told(self, fitted, epochs, self._fitted_attributes) as listeners:
                if not (run.epoch or run.batch):
                    progress.best = self._best_so_far(material)
                for found in self._advances(loops):
                    if isinstance(found, Batch):
                        self._show_average(True)
                        yield self._step("batch", self.t_ - before, run.epoch + 1, *found)
                        self._show_average(False)
                        continue
                    step, score = self._after_epoch(run.epoch, *found, material, objective, progress)
                    stop = [listener(run.epoch, found[0], score) for listener in listeners]
                    yield step
                    run.finished = any(stop) or (self.early_stopping and progress.since >= self.n_iter_no_change)
                    self._show_average(False)
        except GeneratorExit:
            raise
        except BaseException as error:
            if not whole.is_kept_after(error, as_before):
                raise
            self._warn_of_interruption(progress.best is not None)
        finally:
            hook.remove()
            model.eval()
            whole.show()
            if progress.best is not None:
                progress.best.give_back()

    def _after_epoch(
        self, number: int, mean: float, norm: float, material: Material, objective: Objective, progress: Progress
    ) -> tuple[Step, float | None]:
        """Keep what an epoch has left, judge it, and return its Step and score; the module shows the weights' mean."""
        progress.whole.take()
        self._show_average(True)
        self.n_iter_ = number
        self.loss_curve_.append(mean)
        self.padding_share_ = objective.padding_share
        step = self._judged(number, mean, norm, material)
        score = step.values.get("validation_score")
        progress.since += 1
        if score is not None and _is_better(score, self.best_validation_score_):
            self.best_validation_score_, progress.since = score, 0
            progress.best = Kept(self.model_) if self.early_stopping else None
        return step, score

    def _warn_of_interruption(self, best: bool) -> None:
        self.interrupted_ = True
        kept = "has the best weights" if best else "is as it was"
        warnings.warn(
            f"training interrupted: the model {kept} after epoch {self.n_iter_}, and is usable",
            PellucidWarning,
            stacklevel=4,
        )

    def _taken_up(self, material: Material, checkpoint: Any, together: Processes) -> tuple[Objective, Progress, Run]:
        """Make all ready to train, or to go on where a checkpoint was; all processes are about to do the same."""
        objective = self._objective(material)
        progress = Progress(self, objective)
        run = Run(self.model_, self._optimizer, self._rng, progress)
        keeper = None if checkpoint is None else Checkpoint.given(checkpoint, self.random_state)
        compared = keeper is not None or together.size > 1
        found = run.kept_in(keeper, self._identity(material, run) if compared else {}, together)
        self.n_iter_, self.interrupted_ = 0, False
        self._show_average(False)
        progress.whole = Whole(self)
        if found is not None:
            run.load(*found)
        return objective, progress, run

    def _objective(self, material: Material) -> Objective:
        draws = self.dropout_embedding or self.dropout or self.word_dropout
        return Objective(
            self.model_, material, transition_weight=self.transition_weight,
            draw=(lambda: [self._seed, self.t_]) if draws else None,
        )  # fmt: skip

    def _advances(self, epochs: Iterator[tuple[float, float]]) -> Iterator[tuple[float, float]]:
        """Yield what training yields; between two advances the threads are the caller's again."""
        while True:
            with one_thread(), self._enough_memory():
                try:
                    epoch = next(epochs)
                except StopIteration:
                    return
            yield epoch

    @contextmanager
    def _enough_memory(self) -> Iterator[None]:
        """Raise InvalidArgumentError, which names the sizes, where torch finds no memory: it has no class for that."""
        try:
            yield
        except (RuntimeError, TypeError) as error:
            if not (isinstance(error, torch.OutOfMemoryError) or NO_MEMORY.search(str(error))):
                raise
            sizes = ", ".join(f"{name}={getattr(self, name)}" for name in WEIGHTY)
            raise InvalidArgumentError(f"there is not enough memory for {sizes}; lower the largest of them") from error

    def _prepare(self, X: Any, y: Any, given: tuple[Any, Any], partial: bool, classes: Any) -> Material:
        """Check all that was given; build the module, or make the one that is there ready to go on."""
        check_parameters(self)
        found = examples(X, needs_trees=self.encoder in TREE_ENCODERS)
        labels = class_labels(y, len(found))
        held_out = None if partial else given_validation(self, *given, len(found[0]))
        fresh = not (hasattr(self, "model_") and (partial or self.warm_start))
        known = known_classes(self, labels, classes, fresh)
        check_suited(self, found)
        seed = int(check_seed(self.random_state).randint(2**31)) if fresh else self._seed
        seed = int(join().told_by(0, str(seed).encode()) or b"")
        if held_out is None and self.early_stopping and not partial:
            found, labels, held_out = hold_out(found, labels, self.validation_fraction, seed)
        found, labels = both_ways(found, labels, self.mirror, self.identity)
        targets = places_of(labels, known)
        nodes = node_labels(found, targets, known) if self.every_node else None
        if held_out is not None:
            held_out = held_out[0], places_of(held_out[1], known, "y_val")
        if fresh:
            self._build(found, known, held_out, seed)
        else:
            self._go_on(len(found[0]))
        lengths = np.array([sum(len(part.words) for part in parts) for parts in found])
        return Material(sides(found, self.vocabulary_), targets, nodes, lengths, held_out)

    def _identity(self, material: Material, run: Run) -> dict[str, Any]:
        """Return what must be the same for a training to be the same: settings, data, and what it begins with."""
        chosen = {name: value for name, value in self.get_params(deep=False).items() if name not in OWN}
        means = [] if self._average is None else [mean.cpu().numpy() for mean in self._average.means]
        return chosen | {
            "class": type(self).__name__, "device": self.model_.device.type, "random_state": self._seed,
            "mirror": None if self.mirror is None else dict(self.mirror),
            "data": material.fingerprint(), "start": fingerprint([*run.learned().values(), *means]),
        }  # fmt: skip

    def _settings(self, count: int) -> dict[str, Any]:
        """Return what the module is built from, but for its words and classes."""
        return {
            "sides": count, "encoder": self.encoder, "hidden": int(self.hidden),
            "tracker": int(self.tracker) if self.encoder == "spinn" else 0,
            "predict": self.parses == "predicted", "multiply": bool(self.multiply), "mlp": int(self.mlp),
            "mlp_layers": int(self.mlp_layers), "features": self.features,
            "dropout_embedding": float(self.dropout_embedding), "dropout": float(self.dropout),
            "word_dropout": float(self.word_dropout), "batch_norm": bool(self.batch_norm),
        }  # fmt: skip

    def _build(self, found: Any, known: np.ndarray, held_out: Any, seed: int) -> None:
        """Build vocabulary and module."""
        vocabulary, rows = words_and_vectors(self, found, held_out[0] if held_out else [])
        settings = self._settings(len(found[0]))
        with seeded(seed, torch.device("cpu")), self._enough_memory():
            size = int(self.embedding) if rows is None else rows.shape[1]
            model = TreeClassifier(len(vocabulary), len(known), embedding=size, **settings)
        if rows is not None:
            with torch.no_grad():
                model.embedding.weight.copy_(torch.from_numpy(rows))
        model.embedding.weight.requires_grad_(rows is None or not self.freeze_vectors)
        self.classes_, self.vocabulary_, self.model_ = known, vocabulary, model.to(device_of(self.device))
        self.n_sides_, self._built, self._seed = len(found[0]), settings, seed
        self._built_words = self._worded()
        self.n_iter_, self.t_, self.loss_curve_, self.padding_share_ = 0, 0, [], None
        self.validation_loss_curve_ = self.validation_scores_ = self.best_validation_score_ = None
        self._begin()

    def _worded(self) -> dict[str, Any]:
        """Return what the words and their vectors are chosen by, in a form that can be compared."""
        vectors: Any = self.vectors
        if isinstance(vectors, Vectors):
            digits = fingerprint([vectors.matrix, np.frombuffer("\n".join(vectors.words).encode(), np.uint8)])
            vectors = f"<{len(vectors)} vectors, {digits}>"
        return {
            "lowercase": bool(self.lowercase), "min_count": int(self.min_count),
            "vectors": None if vectors is None else str(vectors), "freeze_vectors": bool(self.freeze_vectors),
            "embedding": None if vectors is not None else int(self.embedding),
        }  # fmt: skip

    def _go_on(self, count: int) -> None:
        """Make the model that is there ready to learn with the parameters of now.

        Raises InvalidArgumentError where they ask for another model.
        """
        asked, built = self._settings(count) | self._worded(), self._built | self._built_words
        for name, value in asked.items():
            if value != built[name]:
                raise InvalidArgumentError(
                    f"this model was built with {name}={built[name]}, and now {name} is {value}; "
                    "set warm_start=False and fit to start anew"
                )
        if type(self._optimizer) is not type(made := self._new_optimizer()):
            self._optimizer = made  # another solver: its memory is empty
        for group in self._optimizer.param_groups:
            group["weight_decay"] = self.weight_decay
        if not (self.averaging and self._average):
            self._show_average(False)
            self._average = Average(learning(self.model_), self.averaging) if self.averaging else None
        else:
            self._average.decay = self.averaging
        self.to(self.device)

    def to(self, device: str) -> Self:
        """Move the model to another device, where it then answers; it learns where the parameter ``device`` says."""
        place = device_of(device)
        if place != self.model_.device:
            self.model_.to(place)
            self._optimizer.load_state_dict(self._optimizer.state_dict())  # it follows its weights
            if self._average is not None:
                self._average.means = [mean.to(place) for mean in self._average.means]
        return self

    def _begin(self) -> None:
        """Make what training goes on with beside the weights: optimizer, mean, and order of the examples."""
        self._rng = np.random.default_rng([self._seed, self.t_])
        self._optimizer = self._new_optimizer()
        self._average = Average(learning(self.model_), self.averaging) if self.averaging else None

    def _new_optimizer(self) -> Any:
        weights = learning(self.model_)
        if self.solver == "rmsprop":
            return torch.optim.RMSprop(
                weights, self.learning_rate_init, alpha=0.9, eps=1e-6, weight_decay=self.weight_decay
            )
        return torch.optim.AdamW(weights, self.learning_rate_init, weight_decay=self.weight_decay)

    def _rate(self, epoch: int, partial: bool) -> float:
        """Return the learning rate of an epoch; of ``step`` that of now."""
        if self.learning_rate == "step":
            return float(self.learning_rate_init * self.step_factor ** (self.t_ // self.step_size))
        if self.learning_rate == "constant" or partial:
            return float(self.learning_rate_init)
        return cosine(self.learning_rate_init, self.max_iter)(epoch)

    def _stepped(self) -> None:
        """Count an update; take it into the mean; lower the rate where that is due."""
        self.t_ += 1
        if self._average is not None:
            self._average.update()
        if self.learning_rate == "step" and self.t_ % self.step_size == 0:
            for group in self._optimizer.param_groups:
                group["lr"] = self._rate(0, partial=False)

    def _show_average(self, means: bool) -> None:
        if self._average is not None:
            self._average.show(means)

    def _best_so_far(self, material: Material) -> Kept | None:
        """Return the weights with which training goes on, where an epoch must be better to take their place.

        They are judged anew, for what is held out may be another.
        """
        if material.held_out is None:
            return None
        self.best_validation_score_ = None
        if not (self.early_stopping and self.t_):
            return None
        self._show_average(True)
        self.model_.eval()
        self.best_validation_score_, best = self._held_out(*material.held_out)[1], Kept(self.model_)
        self._show_average(False)
        return best

    def _judged(self, number: int, mean: float, norm: float, material: Material) -> Step:
        """Return the Step of an epoch, with what is held out judged."""
        judged = {}
        if material.held_out is not None:
            loss, score = self._held_out(*material.held_out)
            judged = {"validation_loss": loss, "validation_score": score}
            self.validation_loss_curve_ = [*(self.validation_loss_curve_ or []), loss]
            self.validation_scores_ = [*(self.validation_scores_ or []), score]
        return self._step("epoch", number, number, mean, norm, **judged)

    def _step(self, kind: str, number: int, epoch: int, loss: float, norm: float, **judged: float) -> Step:
        rate = float(self._optimizer.param_groups[0]["lr"])
        values = {"epoch": epoch, "loss": loss, "gradient_norm": norm, "learning_rate": rate} | judged
        formulas = epoch_formulas(values, predict=self._built["predict"])
        return Step(kind, number, MappingProxyType(values), formulas, epoch_functions(self.model_))

    def _held_out(self, found: list[tuple[Sentence, ...]], targets: np.ndarray) -> tuple[float, float]:
        """Return loss and accuracy on what is held out: all processes judge, for all have the same weights."""
        logits = self._logits(found)
        loss = torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(targets))
        return float(loss), float(np.mean(logits.argmax(1) == targets))

    def _fitted_attributes(self) -> dict[str, Any]:
        """Return what makes a copy of this estimator one that had stopped now, and stays as it is."""
        own = ("vocabulary_", "model_", "_built", "_built_words", "_average", "_optimizer", "_rng")
        # At once: the optimizer and the mean belong to the weights of this very copy.
        return deepcopy({name: getattr(self, name) for name in (*KEPT, *own)})

    # -- files -----------------------------------------------------------------------------------------------

    def to_file(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what a model file keeps: see ``pellucid.saving``. The optimizer's memory is not in it.

        Of the parameters that say how a model is built, those by which this one was built are kept.
        """
        check_is_fitted(self)
        return to_file(self)

    @classmethod
    def from_file(cls, entries: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Return the model of which ``to_file`` told; raise ModelFileError where the two disagree."""
        return from_file(cls, entries, arrays)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")


def _is_better(score: float, best: float | None) -> bool:
    return best is None or score > best
