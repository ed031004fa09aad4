"""What a command takes, seen from outside."""

import sys

import pytest

from workbook.support.watching import watch

HOLDS = "import sys, time; held = bytearray(int(sys.argv[1])); time.sleep(2); print(len(held))"


def test_what_a_command_holds_is_seen_and_what_it_prints_is_kept():
    small, large = (watch([sys.executable, "-c", HOLDS, str(size)]) for size in (10**6, 10**8))
    assert large["said"] == "100000000\n"
    assert large["peak_resident_bytes"] - small["peak_resident_bytes"] > 9 * 10**7
    if sys.platform == "linux":
        assert large["peak_anonymous_bytes"] - small["peak_anonymous_bytes"] > 9 * 10**7
    assert large["wall_seconds"] >= 2


def test_a_command_that_fails_says_so():
    with pytest.raises(RuntimeError, match="failed"):
        watch([sys.executable, "-c", "raise SystemExit(3)"])
