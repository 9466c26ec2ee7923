"""What the tests of the command ask of every complaint."""


def one_line(done, status):
    """Assert that the command ended with ``status`` and one line of complaint; return the line."""
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("pellucid: ")
    return lines[0]
