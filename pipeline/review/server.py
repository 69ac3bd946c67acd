"""The server of the review page: for one batch, on this machine alone, to those who know its address.

A page from elsewhere can neither read nor post: it does not know the token in the address, its browser says where it is from,
no cookie goes with it, and a name that it made for this machine is refused.
"""

import os
import secrets
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import HTMLResponse, JSONResponse

from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.reports import html
from pipeline.review import answers, api
from pipeline.review.session import GoneError, Session

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
# More than any request of the page.
MOST_BYTES = 10_000
STOP_SECONDS = 1
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def application(session: Session, token: str, port: int) -> FastAPI:
    """Make the server of a batch: its page is at ``/TOKEN/``, and nothing is elsewhere."""
    root = f"/{token}"
    app = FastAPI(title="Review", openapi_url=f"{root}/openapi.json", docs_url=None, redoc_url=None)
    origins = {f"http://{name}:{port}" for name in NAMES}

    @app.middleware("http")
    async def guard(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        known = secrets.compare_digest(request.url.path[: len(root) + 1].encode(), f"{root}/".encode())
        response = _refusal(request, origins) if known else Response("no such page", HTTPStatus.NOT_FOUND)
        response = response or await answer(request)
        response.headers.update(HEADERS)
        return response

    @app.exception_handler(PipelineError)
    def explain(_: Request, error: PipelineError) -> Response:
        status = HTTPStatus.INSUFFICIENT_STORAGE
        if isinstance(error, answers.TakenError):
            status = HTTPStatus.CONFLICT
        if isinstance(error, GoneError):
            status = HTTPStatus.NOT_FOUND
        return JSONResponse({"detail": str(error)}, status)

    app.add_middleware(TrustedHostMiddleware, allowed_hosts=NAMES)

    @app.get(f"{root}/", include_in_schema=False)
    def page() -> HTMLResponse:
        session.look_again()
        response = HTMLResponse(_page(session))
        response.set_cookie(api.COOKIE, token, path=f"{root}/", httponly=True, samesite="strict")
        return response

    app.include_router(api.router(session, token), prefix=f"{root}/api")
    return app


def _refusal(request: Request, origins: set[str]) -> Response | None:
    """Refuse what is from another page than ours, and what is too large."""
    headers = request.headers
    is_post = request.method == "POST"
    if (is_post or "Origin" in headers) and headers.get("Origin") not in origins:
        return Response("from another page", HTTPStatus.FORBIDDEN)
    if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return Response("from another site", HTTPStatus.FORBIDDEN)
    length = headers.get("Content-Length", "")
    if is_post and not (length.isdecimal() and int(length) <= MOST_BYTES):
        return Response("too large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return None


def serve(session: Session, port: int, tell: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C or SIGTERM, at a free port where it is 0. Raises PipelineError."""
    try:
        listening = socket.create_server((HOST, port))
    except OSError as error:
        raise PipelineError(
            f"port {port}: {os.strerror(error.errno or 0)}. Name another with --port, or none for a free one."
        ) from None
    with listening:
        token, port = secrets.token_urlsafe(24), listening.getsockname()[1]
        app = application(session, token, port)
        config = uvicorn.Config(app, log_level="warning", server_header=False, timeout_graceful_shutdown=STOP_SECONDS)
        tell(f"http://{HOST}:{port}/{token}/")
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt):  # uvicorn has ended, and says how it was asked to
            uvicorn.Server(config).run(sockets=[listening])


def _page(session: Session) -> str:
    return html.render(
        "review.html.jinja",
        "review.js",
        connects=True,
        title=f"Review of {shown(session.out.name)}",
        mode=session.mode,
        reader=session.reader,
    )
