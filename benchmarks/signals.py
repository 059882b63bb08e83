"""What a signal costs on a million rows: ``python -m benchmarks.signals``.

The inputs are those of the laws that every signal keeps (tests/stages/signal_cases), made from real data.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc

from tests.stages.signal_cases import Case, every_case


def timed(case: Case, rows: int) -> tuple[float, float, str]:
    """Return the seconds of one measurement, the memory it took at most beside its input, MB, and its verdict."""
    inputs = case.make(case.severities[-1], rows, 0)
    case.measure(**case.make(case.severities[-1], case.rows, 0))  # imports are paid once
    started = time.perf_counter()
    signal = case.measure(**inputs)
    seconds = time.perf_counter() - started
    tracemalloc.start()
    case.measure(**inputs)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return seconds, peak, {True: "fires", False: "does not", None: "cannot tell"}[signal.fires]


def main() -> None:
    """Time every signal, or those named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.signals", description=__doc__)
    parser.add_argument("signal", nargs="*", help="only these")
    parser.add_argument("--rows", type=int, help="instead of each case's own large number")
    options = parser.parse_args()
    print("| signal | rows | s | peak MB | verdict |\n|---|---|---|---|---|")
    for case in every_case():
        if not options.signal or case.signal in options.signal:
            rows = options.rows or case.large
            seconds, peak, verdict = timed(case, rows)
            print(f"| {case.signal} | {rows:,} | {seconds:.2f} | {peak:.0f} | {verdict} |", flush=True)


if __name__ == "__main__":
    main()
