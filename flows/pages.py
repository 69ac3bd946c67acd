"""Reports, Data Docs and CSV files over HTTP, behind the password: the links in Prefect's UI lead to them."""

import os
import secrets
import sys
from base64 import b64encode
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.staticfiles import StaticFiles

from flows import password
from flows.server import HOST, NAMES
from pipeline import layout
from pipeline.errors import exit_on_error

OURS = (layout.SCORES, layout.REPORTS, layout.VALIDATION)


class Scans(StaticFiles):
    """The files of the inbox, to which a report links: a browser shows them, and runs nothing in them."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        """Send a file, so that a browser treats it as from an origin of its own, whatever kind it is."""
        response = super().file_response(*args, **options)
        response.headers["Content-Security-Policy"] = "sandbox"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def application() -> FastAPI:
    """Make the server: each folder at its path from the project's root, and nothing else. Raises PipelineError."""
    app = FastAPI(openapi_url=None)
    expected = b"Basic " + b64encode(password.kept().encode())

    @app.middleware("http")
    async def ask(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        if not secrets.compare_digest(request.headers.get("Authorization", "").encode(), expected):
            return Response(status_code=HTTPStatus.UNAUTHORIZED, headers={"WWW-Authenticate": f'Basic realm="{password.FILE}"'})
        response = await answer(request)
        # A browser sends the password for a page from elsewhere too; this header keeps such a page from showing these.
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response

    app.add_middleware(TrustedHostMiddleware, allowed_hosts=NAMES)
    for folder in OURS:
        app.mount(f"/{folder}", StaticFiles(directory=folder, check_dir=False))
    app.mount(f"/{layout.INBOX}", Scans(directory=layout.INBOX, check_dir=False))
    return app


def main() -> None:
    """Serve the pages of the working folder at the port that is the only argument, until stopped."""
    with exit_on_error():
        layout.require_root()
        os.umask(password.UMASK)
        app = application()
    uvicorn.run(app, host=HOST, port=int(sys.argv[1]), log_level="warning")


if __name__ == "__main__":
    main()
