"""A server of S3 on this machine, which can be told to fail."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import pytest

from pipeline.scoring import storage

BUCKET = "scans"


@dataclass
class S3:
    """The server: its address, the requests that it got, and what it does in place of answering some of them.

    ``busy``: so many requests for objects are answered 503; ``slow``: so many more after a pause of that many ``seconds``.
    """

    address: str = ""
    busy: int = 0
    slow: int = 0
    seconds: float = 0.0
    requests: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What a process must find in its environment to use it."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def empty(self) -> None:
        """Make the bucket empty, and answer everything."""
        import boto3

        bucket = boto3.resource("s3", **self._credentials).Bucket(BUCKET)
        bucket.create()
        bucket.objects.all().delete()
        self.busy = self.slow = 0
        self.requests.clear()

    def put(self, folder: Path, prefix: str) -> None:
        """Put the files of a folder into the bucket, in place of what is there."""
        import boto3

        client = boto3.client("s3", **self._credentials)
        for path in filter(Path.is_file, folder.rglob("*")):
            key = f"{prefix}/{path.relative_to(folder).as_posix()}"
            client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
        self.requests.clear()

    @property
    def _credentials(self) -> dict[str, Any]:
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
        return {"endpoint_url": self.address, **keys}


@contextmanager
def serving() -> Iterator[S3]:
    """Serve a bucket, and lead this process and those that it starts there."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    s3 = S3()
    server = make_server("127.0.0.1", 0, _failing(s3, DomainDispatcherApplication(create_backend_app)), threaded=True)
    s3.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in s3.environment.items():
                patch.setenv(name, value)
            forget()
            yield s3
    finally:
        forget()
        server.shutdown()
        thread.join()
        server.server_close()


def forget() -> None:
    """Forget what this process knows of any server."""
    from s3fs import S3FileSystem

    storage._system.cache_clear()
    S3FileSystem.clear_instance_cache()


def _failing(s3: S3, application: WSGIApplication) -> WSGIApplication:
    def answer(environment: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        s3.requests.append(f"{environment['REQUEST_METHOD']} {environment['PATH_INFO']}?{environment['QUERY_STRING']}")
        is_object = environment["REQUEST_METHOD"] == "GET" and environment["PATH_INFO"].count("/") > 1
        if is_object and s3.busy > 0:
            s3.busy -= 1
            start_response("503 Slow Down", [("Content-Type", "application/xml")])
            return [b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"]
        if is_object and s3.slow > 0:
            s3.slow -= 1
            time.sleep(s3.seconds)
        return application(environment, start_response)

    return answer
