"""The command line: everything that `make` does, and the learner's own commands.

python -m workbook lab          open the learner's edition in JupyterLab
python -m workbook doctor       is this machine ready? how is it mended?
"""

from __future__ import annotations  # an older Python must get as far as the message that it is too old

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

from workbook.book import environment
from workbook.book.environment import ROOT, SetupError
from workbook.pipeline.commands import add_commands


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # Windows writes to files and pipes in an alphabet that lacks → and ✓
            stream.reconfigure(errors="replace")
    parser = _parser()
    if not arguments:
        parser.print_help()
        return 0
    options = parser.parse_args(arguments)
    try:
        environment.check_python(sys.version_info[:2])
        if options.look is not None and (wrong := options.look(options)):
            print(f"workbook: {wrong}", file=sys.stderr)
            return 2
        if options.extras is not None:
            python = environment.ensure(options.extras)
            if Path(os.path.abspath(sys.executable)) != Path(os.path.abspath(python)):
                return _with(python, *arguments)
        return int(options.run(options) or 0)
    except SetupError as error:
        print(f"workbook: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # such as `python -m workbook claims | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _with(python: Path, *arguments: str) -> int:
    """The same command with another interpreter, in the same folder, so that relative paths mean what they meant."""
    # This clone goes before whatever is installed; a folder `workbook` where the caller stands does not (-P).
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    run = [str(python), "-P", "-m", "workbook", *arguments]
    return subprocess.call(run, env={**os.environ, "PYTHONPATH": paths})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workbook", description="The Embedding Workbook")
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(
        name: str, run, help: str, extras: tuple[str, ...] | None = ("lab",), look=None
    ) -> argparse.ArgumentParser:
        """Args: look: says what is wrong with the options, before anything is installed for them."""
        sub = commands.add_parser(name, help=help, description=help)
        sub.set_defaults(run=run, extras=extras, look=look)
        return sub

    lab = command("lab", _lab, "make the environment and your edition, and open JupyterLab")
    lab.add_argument("--no-browser", action="store_true", help="print the address instead of opening a browser")
    command("start", _start, "make or update your edition in learn/")
    command("progress", _progress, "what you have solved so far")
    command("doctor", _doctor, "is this machine ready, and how is it mended?", extras=None)
    reset = command("reset", _reset, "a fresh copy of one chapter; yours is kept beside it", look=_look_for_reset)
    reset.add_argument("chapter", help="its number, such as 04")
    reset.add_argument("--yes", action="store_true", help="do not ask")
    claims = command("claims", _claims, "the claims board; `claims run ID` repeats one")
    claims.add_argument("action", nargs="?", choices=["list", "run"], default="list", help="list by default")
    claims.add_argument("ids", nargs="*", type=int, metavar="ID", help="which claims to run, such as 10")
    large = claims.add_mutually_exclusive_group()
    large.add_argument(
        "--record", action="store_true", help="the large experiment, minutes to an hour; replaces the record"
    )
    large.add_argument(
        "--append", action="store_true", help="the large experiment; what it finds here is put beside the record"
    )
    claims.add_argument(
        "--html", nargs="?", type=Path, const=Path("claims.html"), metavar="FILE",
        help="the board as a page of its own, claims.html by default",
    )  # fmt: skip
    claims.add_argument("--seed", type=int, default=0, help="of the small experiment, 0 by default")
    add_commands(command)
    test = ("lab", "test")
    command("test", _test, "prove everything: lint, types, unit, parity, notebooks, browser", extras=test)
    command("check", _check, "what to run before a commit: lint, types, drift, unit", extras=test)
    notebooks = command(
        "notebooks", _notebooks, "build and run the notebooks from their sources", extras=test, look=_look_for_sources
    )
    notebooks.add_argument("chapters", nargs="*", help="numbers, such as 00 04; all by default")
    site = command("site", _site, "the book as pages that open by double click", look=_look_for_notebooks)
    site.add_argument("chapters", nargs="*", help="numbers, such as 00 04; all by default")
    site.add_argument("--folder", type=Path, default=ROOT / "build/site", help="where; build/site by default")
    site.add_argument(
        "--plotly",
        type=Path,
        metavar="FILE",
        help="a smaller plotly.js with scatter, bar and heatmap, such as cartesian",
    )
    base = command("base", _base, "make the workbook's base encoder anew, in hours", extras=("lab", "offline"))
    base.add_argument(
        "--work", type=Path, default=ROOT / "build/base", help="keeps what is done; build/base by default"
    )
    base.add_argument(
        "--dictionary",
        type=Path,
        default=Path("/usr/share/wordnet"),
        help="WordNet's data files; where Debian puts them by default",
    )
    base.add_argument("--public", type=Path, help="a folder with public collections to be measured too")
    base.add_argument("--head", choices=("cross_encoder", "colbert"), help="only this head, for the base that is there")
    bench = command("bench", _bench, "time everything beside its peers", extras=test)
    bench.add_argument("names", nargs="*", help="which benchmarks; all by default")
    return parser


LAB = Path(__file__).parent / "book/lab"  # JupyterLab's settings and the plugin that makes "Run all" stay


def _look_for_sources(options: argparse.Namespace) -> str:
    from workbook.book.notebooks import BuildError, chapters

    try:
        chapters(options.chapters)
    except BuildError as error:
        return str(error)
    return ""


def _look_for_notebooks(options: argparse.Namespace) -> str:
    from workbook.book.learner import chapter_file

    try:
        for number in options.chapters:
            chapter_file(number)
    except KeyError as error:
        return str(error.args[0])
    return "" if options.plotly is None or options.plotly.is_file() else f"there is no file {options.plotly}"


def _look_for_reset(options: argparse.Namespace) -> str:
    from workbook.book.learner import chapter_file

    try:
        chapter_file(options.chapter)
    except KeyError as error:
        return str(error.args[0])
    return ""


def _lab(options: argparse.Namespace) -> int:
    if status := _start(options):
        return status
    browser = ["--no-browser"] if options.no_browser else []
    if os.name == "posix" and hasattr(os, "geteuid") and os.geteuid() == 0:
        browser.append("--allow-root")  # a container: JupyterLab refuses root otherwise
    # The address that is printed is the first chapter's. A setting of the learner's own goes before ours.
    places = [f"--ServerApp.root_dir={_learn().resolve()}", "--LabApp.default_url=/lab/tree/00_start_here.ipynb"]
    ours = {
        name: os.pathsep.join(filter(None, [str(LAB), os.environ.get(name)]))
        for name in ("JUPYTER_CONFIG_PATH", "JUPYTER_PATH")
    }
    command = [sys.executable, "-m", "jupyterlab", *places, *browser]
    return subprocess.call(command, env={**os.environ, **ours})


def _start(options: argparse.Namespace) -> int:
    from workbook import data
    from workbook.book.learner import start

    try:
        print("\n".join(start(_learn()) or ["Every chapter is there and up to date."]))
    except (OSError, ValueError) as error:
        print(f"workbook: {error}", file=sys.stderr)
        return 1
    docs = data.load("pydocs")  # built once, so that no chapter waits for it
    print(f"The docs corpus is ready: {len(docs.corpus):,} passages from your own Python installation.")
    print(f"Your edition is in {_learn()}; python -m workbook lab opens it.")
    return 0


def _progress(options: argparse.Namespace) -> int:
    from workbook.exercises import progress

    progress()
    return 0


def _doctor(options: argparse.Namespace) -> int:
    python = environment.venv_python()
    if python.exists() and Path(sys.prefix).resolve() != environment.VENV.resolve():
        return _with(python, "doctor")
    from workbook.book.doctor import examine

    findings = examine(_learn())
    print("\n".join(map(str, findings)))
    return int(any(finding.state == "mend" for finding in findings))


def _reset(options: argparse.Namespace) -> int:
    from workbook.book.learner import reset

    try:
        print(reset(options.chapter, _learn(), ask=None if options.yes else input))
    except (OSError, ValueError) as error:
        print(f"workbook: {error}", file=sys.stderr)
        return 1
    except EOFError:
        print("\nworkbook: nobody is there to answer; add --yes", file=sys.stderr)
        return 1
    return 0


def _claims(options: argparse.Namespace) -> int:
    from workbook import claims

    large = options.record or options.append
    if (options.html and options.action == "run") or (large and options.action == "list"):
        print(
            "workbook: --html belongs to the list of claims, --record and --append to `claims run ID`", file=sys.stderr
        )
        return 2
    if options.html:
        from workbook.claims.page import page
        from workbook.support.files import write_atomically

        options.html.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(options.html, page(claims.CLAIMS.values()))
        print(f"written to {options.html}; open it in a browser")
        return 0
    if options.action == "list":
        print(claims.board())
        return 0
    unknown = [id for id in options.ids if id not in claims.CLAIMS]
    if unknown or not options.ids:
        print(f"workbook: name claims out of {', '.join(map(str, claims.CLAIMS))}", file=sys.stderr)
        return 2
    for id in options.ids:
        if options.append and claims.read_record(id) is None:
            print(f"workbook: claim {id} has no record to append to; make one with --record", file=sys.stderr)
            return 2
        _run_claim(id, options)
    return 0


def _run_claim(id: int, options: argparse.Namespace) -> None:
    """One experiment, and whether it meets the committed record."""
    from workbook import claims
    from workbook.claims.record import append_record, write_record
    from workbook.claims.repeated import Repeated, compared

    claim, committed = claims.CLAIMS[id], claims.read_record(id)
    if options.record or options.append:
        result = claims.run_record(claim)
        verdict = claim.decide(result.measurements)
        print(f"claim {id}: {result.verdict}\n{result.because}\n{result.seconds:.0f} s", flush=True)
    else:
        verdict = claims.settle(id, seed=options.seed)
    if committed:
        print(
            "\n".join(compared(verdict, committed.verdict, claim.decide(committed.measurements).intervals)), flush=True
        )
    if options.record:
        write_record(result)
    elif options.append and committed:
        append_record(committed, Repeated.now(verdict, result.seeds))


def _notebooks(options: argparse.Namespace) -> int:
    from workbook.book.notebooks import BuildError, build

    try:
        build(options.chapters)
    except BuildError as error:
        print(f"workbook: {error}", file=sys.stderr)
        return 1
    return 0


def _site(options: argparse.Namespace) -> int:
    from workbook.book.site import build_site

    try:
        pages = build_site(options.folder, options.chapters, options.plotly)
    except (OSError, ValueError) as error:
        print(f"workbook: {error}", file=sys.stderr)
        return 1
    print(f"{len(pages)} pages; open {options.folder / 'index.html'} in a browser")
    return 0


def _base(options: argparse.Namespace) -> int:
    from workbook.base.ship import ship, ship_head

    try:
        if options.head:
            from workbook.base.texts import pairs
            from workbook.data import load as load_data
            from workbook.encoder import load

            alone = options.head == "cross_encoder"  # it reads no dictionary
            sources = {"pydocs": load_data("pydocs").pairs("train")} if alone else pairs(options.dictionary)
            ship_head(options.head, load("base"), sources, options.work)
        else:
            ship(options.work, options.dictionary, public=options.public)
    except (FileNotFoundError, ValueError) as error:
        print(f"workbook: {error}", file=sys.stderr)
        return 1
    return 0


def _bench(options: argparse.Namespace) -> int:
    return subprocess.call([sys.executable, "-m", "benchmarks", *options.names], cwd=ROOT, env=_one_thread())


LINT = ("ruff check .", "ruff format --check .", "mypy")
CHECK = (
    *LINT,
    "pytest tests -n 2 -m 'not slow and not parity and not browser' --ignore=tests/notebooks/test_learner_edition.py",
    "tests.helpers.house",
)
TEST = (
    *LINT,
    "pytest tests -m 'not browser' -n 2 --dist loadfile --junitxml=build/ledger/tests.xml",
    "pytest notebooks --nbval --nbval-current-env --nbval-cell-timeout=1200 -n 2 --dist loadfile "
    "--junitxml=build/ledger/notebooks.xml",
    "pytest tests/browser -m browser --junitxml=build/ledger/browser.xml",
    "benchmarks.ledger build/ledger",
)


def _check(options: argparse.Namespace) -> int:
    return _run_all(CHECK)


def _test(options: argparse.Namespace) -> int:
    return _run_all(TEST)


def _run_all(steps: tuple[str, ...]) -> int:
    """Run every step, also after a failure, and say at the end which ones failed."""
    failed = []
    for step in steps:
        print(f"→ {step}", flush=True)
        if subprocess.call([sys.executable, "-m", *shlex.split(step)], cwd=ROOT, env=_one_thread()):
            failed.append(step)
    for name in failed:
        print(f"workbook: failed: {name}", file=sys.stderr)
    return int(bool(failed))


def _one_thread() -> dict[str, str]:
    """The environment with single-threaded arithmetic: the same sums in the same order everywhere."""
    return {**os.environ, **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "RAYON")}}


def _learn() -> Path:
    return Path(os.environ.get("WORKBOOK_LEARN", ROOT / "learn"))


if __name__ == "__main__":
    sys.exit(main())
