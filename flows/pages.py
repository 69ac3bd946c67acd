"""Reports, Data Docs and CSV files over HTTP, to this machine alone: what the links in Prefect's UI lead to."""

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI, Response
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.staticfiles import StaticFiles

from flows.server import HOST
from pipeline import layout
from pipeline.errors import exit_on_error

OURS = (layout.SCORES, layout.REPORTS, layout.VALIDATION)


class Scans(StaticFiles):
    """What people put into the inbox, and a report links to: shown, but none of it runs."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        """Send a file as from a place of its own, whatever it says it is."""
        response = super().file_response(*args, **options)
        response.headers["Content-Security-Policy"] = "sandbox"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def application() -> FastAPI:
    """Make what answers: each folder at its path from the project's root, and nothing else."""
    app = FastAPI(openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    for folder in OURS:
        app.mount(f"/{folder}", StaticFiles(directory=folder, check_dir=False))
    app.mount(f"/{layout.INBOX}", Scans(directory=layout.INBOX, check_dir=False))
    return app


def main() -> None:
    """Serve the pages of the working folder at the port that is the only argument, until stopped."""
    with exit_on_error():
        layout.require_root()
    uvicorn.run(application(), host=HOST, port=int(sys.argv[1]), log_level="warning")


if __name__ == "__main__":
    main()
