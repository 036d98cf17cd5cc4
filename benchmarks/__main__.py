"""The command: `make bench`, or `make bench ARGS="--only rest --quick"`."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.against import compare
from benchmarks.archive import measure_archive
from benchmarks.byte_measures import serving_bytes
from benchmarks.data import databases, fill
from benchmarks.figures import Figure, table
from benchmarks.machine import describe_machine
from benchmarks.measures import MEASURES, Bench
from benchmarks.servers import MEASURED_CORE, OTHER_CORE, find_program

BENCHMARKS = {**MEASURES, "bytes": serving_bytes}
ROWS, QUICK_ROWS = 100_000, 3_000
SECONDS, QUICK_SECONDS = 4, 1
RUNS, QUICK_RUNS = 3, 1
_RESULTS = Path(__file__).with_name("results")
_DOCUMENT = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_BEGIN, _END = "<!-- figures -->", "<!-- end of figures -->"
_KINDS = ("sqlite", "mysql")
_NAMES = [*BENCHMARKS, "archive"]


def main() -> int:
    """Measure, print the figures, and put them into the document where that is asked for."""
    options = _options()
    if faults := list(_faults(options.kinds, options.names)):
        print("\n".join(f"error: {fault}" for fault in faults), file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    os.sched_setaffinity(0, {OTHER_CORE})
    try:
        if options.against:
            return _compare(options)
        figures = _measure(options)
    except KeyboardInterrupt:
        print("interrupted: everything is stopped", file=sys.stderr)
        return 130
    order = list(dict.fromkeys(figure.what for figure in figures))
    figures.sort(key=lambda figure: order.index(figure.what))
    print(f"\n{table(figures)}\n\n{describe_machine()}")
    if options.write:
        _write(figures)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=main.__doc__)
    parser.add_argument("--only", choices=_NAMES, action="append", metavar="NAME",
                        help=f"one of {', '.join(_NAMES)}; may be given again")  # fmt: skip
    parser.add_argument("--images", type=int, metavar="N", help="how many the archive has, which "
                        f"is made once and kept in {_RESULTS.name}/; default {ROWS:,}")  # fmt: skip
    parser.add_argument("--database", choices=[*_KINDS, "both"], default="both")
    parser.add_argument("--quick", action="store_true", help="less of everything, for trying")
    parser.add_argument("--runs", type=int, help=f"alternating runs; default {RUNS}")
    parser.add_argument("--against", metavar="REVISION", help="measure only CPU time per request, "
                        "beside an older version's")  # fmt: skip
    parser.add_argument("--pairs", type=int, default=15, help="alternating runs with --against")
    parser.add_argument("--write", action="store_true", help=f"put them into {_DOCUMENT.name}")
    options = parser.parse_args()
    options.names = options.only or _NAMES
    options.images = options.images or (QUICK_ROWS if options.quick else ROWS)
    options.kinds = _KINDS if options.database == "both" else (options.database,)
    options.runs = options.runs or (QUICK_RUNS if options.quick else RUNS)
    whole = options.kinds == _KINDS and not options.only and not options.quick
    if options.write and (not whole or options.runs < RUNS):
        parser.error(f"--write is for all benchmarks, on both databases, with {RUNS} runs or more")
    return options


def _faults(kinds: Sequence[str], names: Sequence[str]) -> Iterable[str]:
    if not {MEASURED_CORE, OTHER_CORE} <= os.sched_getaffinity(0):
        yield f"the cores {MEASURED_CORE} and {OTHER_CORE} are needed"
    programs = {"wrk": "wrk"} if set(names) - {"archive"} else {}
    if {"bytes", "content"} & {*names}:
        programs["nginx"] = "nginx"
    if "mysql" in kinds:
        programs["mariadbd"] = programs["mariadb-install-db"] = "mariadb-server"
    for program, package in programs.items():
        if find_program(program) is None:
            yield f"the program {program} is missing (on Debian: apt-get install {package})"


def _compare(options: argparse.Namespace) -> int:
    rows = QUICK_ROWS if options.quick else 10 * QUICK_ROWS
    for kind in options.kinds:
        for line in compare(options.against, kind, rows=rows, pairs=options.pairs, seconds=1):
            print(line, flush=True)
    print(f"\n{describe_machine()}")
    return 0


def _measure(options: argparse.Namespace) -> list[Figure]:
    _RESULTS.mkdir(exist_ok=True)
    figures = _measure_services(options) if set(options.names) - {"archive"} else []
    if "archive" in options.names:
        for kind in options.kinds:
            print(f"{kind}: archive of {options.images:,} images", flush=True)
            figures += measure_archive(kind, options.images, options.runs)
    return figures


def _measure_services(options: argparse.Namespace) -> list[Figure]:
    figures = []
    folder = Path(tempfile.mkdtemp(dir=_RESULTS))
    try:
        for kind in options.kinds:
            place = folder / kind
            place.mkdir()
            with databases(kind, place) as make_database:
                print(f"{kind}: filling the database", flush=True)
                rows = QUICK_ROWS if options.quick else ROWS
                bench = Bench(
                    kind,
                    make_database,
                    fill(make_database("filled"), place / "images", rows),
                    place,
                    options.runs,
                    QUICK_SECONDS if options.quick else SECONDS,
                )
                for name in filter(BENCHMARKS.__contains__, options.names):
                    print(f"{kind}: {name}, ours and beside", flush=True)
                    figures += BENCHMARKS[name](bench)
    finally:
        shutil.rmtree(folder)
    return figures


def _write(figures: Sequence[Figure]) -> None:
    before, _, rest = _DOCUMENT.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    _DOCUMENT.write_text(
        f"{before}{_BEGIN}\n{table(figures)}\n\n{describe_machine()}\n{_END}{after}"
    )


if __name__ == "__main__":
    sys.exit(main())
