"""The same model as a BentoML service, as its documentation has one: ``bentoml serve peer_bentoml:Model``."""

import os
from pathlib import Path
from typing import Any

import bentoml
import pandas as pd
import skops.io
from pydantic import create_model

KINDS = dict(pair.split("=", 1) for pair in os.environ["KINDS"].split("\n"))
FIELDS: dict[str, Any] = {
    name: ((float | None) if kind == "number" else (str | None), ...) for name, kind in KINDS.items()
}
Row = create_model("Row", **FIELDS)


@bentoml.service(workers=1)
class Model:
    """Answers one row, or the rows of several requests at once."""

    def __init__(self) -> None:
        content = Path(os.environ["MODEL"]).read_bytes()
        self.model = skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))

    @bentoml.api(batchable=True, max_batch_size=256, max_latency_ms=10000)
    def predict_batch(self, rows: list[Row]) -> list[list[float]]:
        """Answer the rows of all requests that BentoML has put together."""
        return self._ask(rows)

    @bentoml.api
    def predict(self, row: Row) -> list[float]:
        """Answer one row."""
        return self._ask([row])[0]

    def _ask(self, rows: list[Any]) -> list[list[float]]:
        frame = pd.DataFrame([row.model_dump() for row in rows])
        types = {name: "float64" if kind == "number" else object for name, kind in KINDS.items()}
        return self.model.predict_proba(frame.astype(types)).tolist()
