"""A pytest plugin that patches a package with medfast and keeps what each test called, and what came of it.

``UPSTREAM_TARGET`` names the package, or is empty; ``UPSTREAM_REPORT`` is the JSON file to write: for each test its
outcome, and for each function how many calls medfast answered, how many fell back, and the reasons.
"""

import json
import logging
import os
from collections import Counter
from pathlib import Path

OUTCOMES: dict[str, str] = {}
MESSAGES: dict[str, str] = {}
CALLS: dict[str, dict[str, Counter]] = {}


class _Keeper(logging.Handler):
    """Counts the lines of the log under the test that runs."""

    test = ""

    def emit(self, record):
        function, _, what = record.getMessage().partition(": ")
        CALLS.setdefault(self.test, {}).setdefault(function, Counter())[what] += 1


_keeper = _Keeper()


def pytest_configure(config):
    target = os.environ.get("UPSTREAM_TARGET")
    if target:
        import medfast

        logger = logging.getLogger("medfast.patching")
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        logger.addHandler(_keeper)
        medfast.patch(target)


def pytest_runtest_logstart(nodeid, location):
    _keeper.test = nodeid


def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        OUTCOMES[report.nodeid] = report.outcome
        if report.outcome == "failed":
            lines = [line for line in report.longreprtext.splitlines() if line.startswith("E ")]
            MESSAGES[report.nodeid] = " ".join(lines[0][1:].split()) if lines else report.longreprtext[-200:]


def pytest_sessionfinish(session):
    report = {"outcomes": OUTCOMES, "messages": MESSAGES, "calls": CALLS}
    Path(os.environ["UPSTREAM_REPORT"]).write_text(json.dumps(report), encoding="utf-8")
