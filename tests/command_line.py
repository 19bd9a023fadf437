"""How the tests call the command line."""

import os
import subprocess
import sys

from medfast import cli


def call(*arguments, fails=0, **environment):
    """Run `medfast` in a process of its own, and return its standard output and standard error."""
    command = [sys.executable, "-m", "medfast", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", env=os.environ | {"COLUMNS": "160"} | environment
    )
    assert done.returncode == fails, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def invoke(capsys, *arguments, fails=0):
    """Run `medfast` in this process; much the same, much faster."""
    code = cli.main([str(argument) for argument in arguments])
    found = capsys.readouterr()
    assert code == fails, found.err
    return found.out, found.err


def one_line(err, *parts):
    """Exactly one line, from medfast, that names all of `parts`."""
    assert err.count("\n") == 1, err
    assert err.startswith("medfast: ")
    for part in parts:
        assert str(part) in err
