"""Marks every benchmark as one of few rounds: `pytest benchmarks` is a check of all cases, `medfast bench` measures."""

import pytest


def pytest_addoption(parser):
    parser.addoption("--quick-cases", action="store_true", help="only the cases of the short run")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--quick-cases"):
        skip = pytest.mark.skip(reason="not a case of the short run")
        for item in items:
            if "case" in item.callspec.params and not item.callspec.params["case"].quick:
                item.add_marker(skip)
