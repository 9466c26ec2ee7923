"""The ``pellucid`` command: data on stdout, progress on stderr, and an exit status that says how it ended.

0 done (also when the reader of a pipe has gone), 1 failed, 2 wrongly called, 130 interrupted, 143 terminated.
A user's mistake is one line on stderr; a traceback is a defect of Pellucid's. What takes time to import is
imported inside :func:`main`, so that Ctrl-C finds someone to answer it.
"""

import atexit
import errno
import os
import signal
import sys
import threading
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

from pellucid.errors import InvalidArgumentError, PellucidError
from pellucid.language import say
from pellucid.scaling.processes import launched, leave_with_parent

__all__ = ["main"]

DONE, FAILED, WRONGLY_CALLED, INTERRUPTED = 0, 1, 2, 130


class Stopped(BaseException):
    """A signal asks to stop: nothing on the way out may take it for an error and go on."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line ``arguments`` (default: this process's) and leave with its exit status."""
    _prepare_streams()
    if launched().size == 1:
        signal.signal(signal.SIGTERM, _on_signal)  # on Windows nobody sends it, and setting it is harmless
    else:  # torchrun ends its processes so, also those that wait for one that is gone, where no Python runs
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        leave_with_parent()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where a shell has it ignored
        signal.signal(signal.SIGINT, _on_signal)
    warnings.showwarning = _show_warning
    try:
        status = _status_of(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt as stop:
        status = _complain(str(stop) or say("interrupted"), INTERRUPTED)
    except Stopped as stop:
        status = stop.status
        if status == INTERRUPTED:
            _complain(say("interrupted"))
    _leave(_flushed(status))


def _leave(status: int) -> NoReturn:
    """End this process; where threads of ours still work, without tearing Python down.

    One that is within torch then cannot be stopped, and aborts the process: of a hundred ends under torchrun one or
    two, and that of a studio in which a network learns nearly always.
    """
    if any(thread.name.startswith("pellucid") for thread in threading.enumerate()):
        atexit._run_exitfuncs()
        os._exit(status)
    sys.exit(status)


def _status_of(arguments: list[str]) -> int:
    try:
        status = _invoke(arguments)
        sys.stdout.flush()
    except InvalidArgumentError as error:  # here every argument was an option
        return _complain(str(error), WRONGLY_CALLED)
    except PellucidError as error:
        return _complain(str(error))
    except SystemExit as leaving:
        if isinstance(leaving.__context__, BrokenPipeError):  # rich turns a closed pipe into exit status 1
            return DONE
        raise
    except OSError as error:
        return DONE if _is_closed_pipe(error) else _complain(_reason(error))
    except MemoryError:
        return _complain(say("there is not enough memory for this"))
    return status


def _invoke(arguments: list[str]) -> int:
    """Parse and run; not by typer's ``main``, which answers a closed pipe with 1 and an error with a box."""
    import typer
    from typer.main import get_command

    from pellucid.cli.app import app

    usage_error: Any = typer.BadParameter.__base__  # click's UsageError, which typer does not export
    command = get_command(app)
    try:
        with command.make_context("pellucid", arguments) as context:
            command.invoke(context)
    except typer.Exit as leaving:
        return leaving.exit_code
    except usage_error as error:
        where = error.ctx.command_path if error.ctx else "pellucid"
        hint = say("see `{command} --help`", command=where)
        return _complain(f"{error.format_message().rstrip('.')} ({hint})", WRONGLY_CALLED)
    return DONE


def _prepare_streams() -> None:
    """Make both streams writable with any text: a pipe gets UTF-8, a terminal what it can show."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # the caller has closed it
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - open to the end
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")


def _flushed(status: int) -> int:
    """Flush both streams; what cannot be written any more goes to the null device, not to a traceback."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
            if not _is_closed_pipe(error) and status == DONE:
                status = _complain(_reason(error))
    return status


def _on_signal(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)


def _is_closed_pipe(error: OSError) -> bool:
    """Windows says EINVAL where POSIX says EPIPE; an error about a file names the file."""
    return error.filename is None and error.errno in (errno.EPIPE, errno.EINVAL)


def _reason(error: OSError) -> str:
    what = error.strerror or str(error)
    return f"{error.filename}: {what}" if error.filename is not None else what


def _complain(message: str, status: int = FAILED) -> int:
    here = launched()
    who = f"rank {here.rank}: " if here.size > 1 and not message.startswith("rank ") else ""
    _write_line(f"pellucid: {who}{message}")
    return status


def _show_warning(message: Warning | str, *where: Any, **further: Any) -> None:
    if launched().rank == 0:  # the others have the same to say
        _write_line("pellucid: " + say("warning: {text}", text=message))


def _write_line(text: str) -> None:
    try:
        print(" ".join(text.split()), file=sys.stderr, flush=True)
    except OSError:
        return  # nobody is left to be told
