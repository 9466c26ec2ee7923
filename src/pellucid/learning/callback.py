"""Who is told about progress: the terminal, a notebook, and scikit-learn's callbacks. They only listen.

``verbose=True`` prints scikit-learn's lines, ``verbose="bar"`` shows a bar (rich: on a terminal, or as a display
in a notebook; nowhere else). Callbacks set by ``set_callbacks`` follow ``sklearn.callback``'s protocol, where the
installed scikit-learn has it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["CallbackSupport", "Listener", "told"]

# Called as listener(epoch, loss, validation score or None); True asks to stop.
Listener = Callable[[int, float, float | None], bool]

try:
    from sklearn.callback import CallbackSupportMixin as CallbackSupport
    from sklearn.callback import with_callbacks
except ImportError:  # before scikit-learn 1.9

    class CallbackSupport:  # type: ignore[no-redef]
        """There are no callbacks in this scikit-learn."""

    def with_callbacks(method: Any) -> Any:
        """Return the method as it is."""
        return method


@contextmanager
def told(
    estimator: Any, data: dict[str, Any], epochs: int, fitted: Callable[[], dict[str, Any]]
) -> Iterator[list[Listener]]:
    """Give the listeners of one fit.

    ``data`` is what scikit-learn's callbacks are shown: X, y and metadata. ``fitted()`` gives the attributes from
    which a callback may make a fitted copy of the estimator.
    """
    listeners: list[Listener] = []
    if estimator.verbose and estimator.verbose != "bar":
        listeners.append(_print_line)
    with _bar(estimator, epochs, listeners), _callbacks(estimator, data, epochs, fitted, listeners):
        yield listeners


def _print_line(epoch: int, loss: float, score: float | None) -> bool:
    print(f"Iteration {epoch}, loss = {loss:.8f}")
    if score is not None:
        print(f"Validation score: {score:f}")
    return False


@contextmanager
def _bar(estimator: Any, epochs: int, listeners: list[Listener]) -> Iterator[None]:
    if estimator.verbose != "bar":
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not (console.is_terminal or console.is_jupyter)) as progress:
        task = progress.add_task(type(estimator).__name__, total=epochs, state="")

        def advance(epoch: int, loss: float, score: float | None) -> bool:
            state = f"loss {loss:.4f}" + (f", score {score:.4f}" if score is not None else "")
            progress.update(task, advance=1, state=state)
            return False

        listeners.append(advance)
        yield


@contextmanager
def _callbacks(
    estimator: Any,
    data: dict[str, Any],
    epochs: int,
    fitted: Callable[[], dict[str, Any]],
    listeners: list[Listener],
) -> Iterator[None]:
    if not getattr(estimator, "_skl_callbacks", None):
        yield
        return
    try:
        context = estimator._init_callback_context(max_subtasks=epochs)
        context.call_on_fit_task_begin(estimator=estimator, **data)

        def end_epoch(epoch: int, loss: float, score: float | None) -> bool:
            inner = context.subcontext(task_name=f"epoch {epoch}")
            inner.call_on_fit_task_begin(estimator=estimator, **data)
            return bool(inner.call_on_fit_task_end(estimator=estimator, **data, reconstruction_attributes=fitted))

        listeners.append(end_epoch)
        yield
        context.call_on_fit_task_end(estimator=estimator, **data, reconstruction_attributes=fitted)
    finally:
        _tear_down(estimator)


@with_callbacks
def _tear_down(estimator: Any) -> None:
    """Do nothing: to end what callbacks have set up is what the decorator does, here also for generators."""
