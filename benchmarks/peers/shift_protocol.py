"""How `benchmarks/shift/run.py` asks a tool: over files, as every tool has an environment of its own.

``python shift_TOOL.py FOLDER windows`` scores every case of ``cases.json`` and writes ``TOOL.json``; ``... speed``
times one report on ``before.parquet`` and ``after.parquet``, loaded beforehand, and writes ``TOOL-speed.json``.
"""

import json
import resource
import sys
import time
import warnings
from pathlib import Path

import pandas as pd


def serve(name, score, report=None):
    """Answer one question.

    ``score(before, after, kinds)`` returns ``({name of a score: value, larger for more shift}, whether it alarms by
    default)``; ``report`` is what is timed, the same by default. ``kinds`` says which columns are numbers.
    """
    warnings.filterwarnings("ignore")
    folder, what = Path(sys.argv[1]), sys.argv[2]
    if what == "speed":
        kinds = json.loads((folder / "kinds.json").read_text())
        before, after = (pd.read_parquet(folder / f"{side}.parquet") for side in ("before", "after"))
        warm = before.head(2000), after.head(2000)
        (report or score)(*warm, kinds)  # imports and caches
        base, started = peak_mb(), time.perf_counter()
        (report or score)(before, after, kinds)
        answer = {"seconds": time.perf_counter() - started, "more_mb": peak_mb() - base, "peak_mb": peak_mb()}
        (folder / f"{name}-speed.json").write_text(json.dumps(answer))
        return
    found, started = {}, time.perf_counter()
    for case in json.loads((folder / "cases.json").read_text()):
        before, after = (pd.read_parquet(folder / f"{case['id']}-{side}.parquet") for side in ("before", "after"))
        scores, alarms = score(before, after, case["kinds"])
        found[case["id"]] = {"scores": {key: float(value) for key, value in scores.items()}, "alarms": bool(alarms)}
    answer = {"seconds": time.perf_counter() - started, "windows": found}
    (folder / f"{name}.json").write_text(json.dumps(answer))


def peak_mb():
    """Return the largest resident size of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
