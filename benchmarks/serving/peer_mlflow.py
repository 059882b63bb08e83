"""The same model as an MLflow model: ``peer_mlflow.py MODEL.skops SAMPLE.parquet FOLDER`` saves it."""

import sys
from pathlib import Path

import mlflow.sklearn
import pandas as pd
import skops.io
from mlflow.models import infer_signature

model_path, sample_path, folder = sys.argv[1:]
content = Path(model_path).read_bytes()
model = skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))
sample = pd.read_parquet(sample_path)
mlflow.sklearn.save_model(
    model,
    folder,
    pyfunc_predict_fn="predict_proba",
    signature=infer_signature(sample, model.predict_proba(sample)),
    serialization_format="skops",
    skops_trusted_types=skops.io.get_untrusted_types(data=content),
    pip_requirements=["scikit-learn"],
)
