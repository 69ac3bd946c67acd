"""What a person's environment and settings must be like before Prefect can be imported: it reads them meanwhile."""

import logging
import os

import httpx
from pydantic import ValidationError

from pipeline import git
from pipeline.errors import PipelineError
from pipeline.names import shown


def require() -> None:
    """Raise PipelineError where no client can be made, or Prefect cannot read its settings."""
    git.have_user_name()
    _require_network()
    logging.disable()  # what Prefect has against them is said here, in a line
    try:
        from prefect.settings import get_current_settings

        get_current_settings()
    except Exception as error:
        raise PipelineError(
            f"Prefect cannot read its settings: {_reason(error)}. They stand in the environment, in .env and prefect.toml "
            f"here, and in {shown(os.environ.get('PREFECT_HOME', '~/.prefect'))}/profiles.toml."
        ) from error
    finally:
        logging.disable(logging.NOTSET)


def _require_network() -> None:
    try:
        httpx.Client().close()
    except OSError as error:
        place = shown(os.environ.get("SSL_CERT_FILE", ""))
        reason = error.strerror or error
        raise PipelineError(f"SSL_CERT_FILE={place}: {reason}. Name a file of certificates, or unset it.") from error
    except (ValueError, httpx.InvalidURL) as error:
        raise PipelineError(
            f"HTTP_PROXY, HTTPS_PROXY or ALL_PROXY: {error}. Name a proxy by http:// or socks5://, or unset it."
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
