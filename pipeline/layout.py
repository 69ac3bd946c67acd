"""Where everything lies, relative to the project's root."""

from pathlib import Path

PARAMS = Path("params.yaml")

MIRROR = Path("data/mirror")
RAW = Path("data/raw")
VALIDATION = Path("data/validation")
ARRAYS = Path("data/arrays.npz")
MODEL = Path("models/digit-cnn")
METRICS = Path("metrics/evaluation.json")
PLOTS = Path("plots")

INBOX = Path("data/inbox")
SCORES = Path("data/scores")

KERAS_MODEL = "model.keras"
SCORING_MODEL = "model.tflite"
MODEL_CARD = "model.json"
REPORT = "report.json"
DATA_DOCS = "data-docs"
