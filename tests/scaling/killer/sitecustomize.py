"""Kills a worker of torchrun in the middle of what the test asks for: python imports this when it starts.

KILL is "rank:phase:after", phase a function's name or "import", after the seconds in that phase. Only in the first
attempt, and not before the file KILL_WHEN is there; a file in KILL_NOTE tells when.
With ABORT_WHEN_TORN_DOWN a worker whose interpreter is torn down aborts, as torch's threads sometimes do then.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path


def watch(phase, after):
    main, awaited = threading.main_thread().ident, Path(os.environ.get("KILL_WHEN", "."))
    while True:
        time.sleep(0.0005)
        if not awaited.exists():
            continue
        frame, names = sys._current_frames().get(main), []
        while frame is not None:
            names.append(frame.f_code.co_name)
            frame = frame.f_back
        if phase == "import" or phase in names:
            time.sleep(after)
            Path(os.environ["KILL_NOTE"]).write_text(str(time.time()))
            os.kill(os.getpid(), signal.SIGKILL)


if "KILL" in os.environ and os.environ.get("TORCHELASTIC_RESTART_COUNT") == "0":
    rank, phase, after = os.environ["KILL"].split(":")
    if os.environ.get("RANK") == rank:
        threading.Thread(target=watch, args=(phase, float(after)), daemon=True).start()

if "ABORT_WHEN_TORN_DOWN" in os.environ and "RANK" in os.environ:

    class Torn:
        def __del__(self, abort=os.abort):
            abort()

    sys._torn = Torn()
