"""The stages of ``dvc.yaml``: a module each, with one ``run()`` that takes files, then its section of ``params.yaml``."""

from importlib import import_module
from pathlib import Path

from pipeline import layout, params

FILES: dict[str, tuple[Path, ...]] = {
    "ingest": (layout.RAW,),
    "validate": (layout.RAW, layout.VALIDATION),
    "reshape": (layout.RAW, layout.ARRAYS),
    "train": (layout.ARRAYS, layout.MODEL, layout.CURVES),
    "evaluate": (layout.ARRAYS, layout.MODEL, layout.METRICS, layout.PREDICTIONS, layout.PLOTS),
}


def run(stage: str) -> None:
    """Run one stage in the working folder. Raises PipelineError."""
    settings = params.load(layout.PARAMS).section(stage)
    import_module(f"pipeline.stages.{stage}").run(*FILES[stage], **settings)
