"""Checking and preparing the environment, which Prefect reads when it is imported."""

import logging
import os

import httpx
from pydantic import ValidationError

from flows.server import NAMES
from pipeline import git
from pipeline.errors import PipelineError
from pipeline.names import shown


def prepare() -> None:
    """Use no proxy for servers of this machine, here and in child processes, and give every user a name.

    Raises PipelineError where no client can be made, or Prefect cannot read its settings.
    """
    git.have_user_name()
    direct = ",".join(filter(None, (os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), *NAMES)))
    os.environ |= {"NO_PROXY": direct, "no_proxy": direct}
    _require_network()
    _require_settings()


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


def _require_settings() -> None:
    logging.disable()  # the error below says in one line what Prefect would log
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


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
