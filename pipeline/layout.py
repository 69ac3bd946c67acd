"""Where everything lies, relative to the project's root."""

from pathlib import Path

PARAMS = Path("params.yaml")
LOCK = Path("dvc.lock")

MIRROR = Path("data/mirror")
RAW = Path("data/raw")
VALIDATION = Path("data/validation")
ARRAYS = Path("data/arrays.npz")
MODEL = Path("models/digit-cnn")
CURVES = Path("metrics/learning_curves.csv")
METRICS = Path("metrics/evaluation.json")
PREDICTIONS = Path("metrics/predictions.csv")
PLOTS = Path("plots")

INBOX = Path("data/inbox")
SCORES = Path("data/scores")

KERAS_MODEL = "model.keras"
SCORING_MODEL = "model.tflite"
MODEL_CARD = "model.json"
REPORT = "report.json"
DATA_DOCS = "data-docs"
CONFUSION = "confusion.csv"
CLASSES = "classes.csv"
RELIABILITY = "reliability.csv"
