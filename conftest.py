"""nbval compares stored outputs by our own rules; tests run with the arithmetic of a build."""

import os

from hypothesis import settings

from workbook.book.notebooks import KERNEL

for name, value in KERNEL.items():
    if name != "WORKBOOK_LIVE":
        os.environ.setdefault(name, value)

settings.register_profile("steady", deadline=None)  # a busy machine is no defect
settings.load_profile("steady")


def pytest_configure(config):
    try:
        from nbval.plugin import IPyNbCell
    except ImportError:
        return
    from tests.helpers.compare import comparable

    IPyNbCell.sanitize = lambda cell, value: comparable(value)
    if config.option.__dict__.get("nbval"):
        os.environ["WORKBOOK_LIVE"] = "0"  # the kernels inherit it
