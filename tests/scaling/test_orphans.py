"""A process of torchrun's ends when torchrun is gone, whenever that was (row 43 of the faults)."""

import os
import subprocess
import sys
import time

import pytest

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="rows 42-46 of the faults hold on POSIX systems"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sees in /proc who the parent is"),
]
# The agent starts a worker as torchrun does, and is gone after a while; the worker says when it has learned.
AGENT = """
import os, subprocess, sys, time
environment = os.environ | {"TORCHELASTIC_RUN_ID": "none", "RANK": "0", "WORLD_SIZE": "2"}
subprocess.Popen([sys.executable, "-c", sys.argv[1]], env=environment, start_new_session=sys.argv[3] == "alone")
time.sleep(float(sys.argv[2]))
"""
WORKER = """
import time
time.sleep({before})
from pellucid.scaling.processes import leave_with_parent
time.sleep({after})
leave_with_parent()
time.sleep({rest})
print("not stopped", flush=True)
"""


def said(before, after, rest, agent, session="alone"):
    """Return what the worker says whose agent lives for so many seconds, and after how long it has ended."""
    begin = time.monotonic()
    worker = WORKER.format(before=before, after=after, rest=rest)
    command = [sys.executable, "-c", AGENT, worker, str(agent), session]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr, time.monotonic() - begin


GONE = "pellucid: torchrun is gone, so this process ends too\n"


def test_it_was_gone_before_the_process_began():
    text, seconds = said(before=1, after=0, rest=20, agent=0)
    assert text == GONE
    assert seconds < 15


def test_it_went_between_the_import_and_the_first_fit():
    text, seconds = said(before=0, after=5, rest=20, agent=3)
    assert text == GONE
    assert seconds < 20


@pytest.mark.parametrize("session", ["alone", "shared"])
def test_nothing_ends_while_it_is_there(session):
    assert said(before=0, after=0, rest=1, agent=4, session=session)[0] == "not stopped\n"
