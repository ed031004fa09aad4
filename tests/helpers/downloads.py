"""Bring a few small public collections for real and compare their counts: what only other people's servers can break.

    python -m tests.helpers.downloads

Not a test: it needs a network. The weekly workflow runs it.
"""

import os
import sys
import tempfile

from workbook import data

SMALL = {  # name -> passages, queries; STS-B's pairs are counted below
    "beir/scifact": (5_183, 1_109),
    "beir/nfcorpus": (3_633, 3_237),
    "beir/cqadupstack/android": None,
    "mteb/scifact": (5_183, 1_109),
    "stsbenchmark": None,
    "squad": None,
}


def main() -> int:
    """Bring each, say what came, and return how many could not be read as they should."""
    failed = 0
    with tempfile.TemporaryDirectory() as cache:
        os.environ["WORKBOOK_CACHE"] = cache
        for name, expected in SMALL.items():
            try:
                loaded = data.load(name, download=True)
                found = (len(loaded.corpus), len(loaded.queries)) if hasattr(loaded, "corpus") else None
                good = not loaded.problems and (expected is None or found == expected)
                print(f"{'as expected' if good else 'OTHER'}: {name}: {found}, {loaded.problems or 'no problems'}")
            except Exception as error:
                good = False
                print(f"FAILED: {name}: {type(error).__name__}: {error}")
            failed += not good
    return failed


if __name__ == "__main__":
    sys.exit(main())
