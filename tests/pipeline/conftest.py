"""One finished work folder that the tests of this folder read, and copy before they change it."""

import pytest

from tests.helpers.small import run


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    work = tmp_path_factory.mktemp("whole") / "work"
    run(work)
    return work
