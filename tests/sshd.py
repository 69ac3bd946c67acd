"""A real OpenSSH server on the loopback interface, with a key for each machine that is let in."""

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Project
from tests.integration.test_deployments import free_port

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
HOST = "127.0.0.1"


@dataclass
class Server:
    """The server: its folder, which holds its keys and settings, and its port."""

    place: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def address(self, path: Path) -> str:
        return f"ssh://{HOST}:{self.port}{path}"

    def start(self, *, most_bytes: int = resource.RLIM_INFINITY) -> None:
        """Start the server; ``most_bytes``: the size of the largest file that may be written, as on a full disk."""
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # it wants this folder

        def limited() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

        command = [str(SSHD), "-D", "-e", "-f", str(self.place / "sshd_config")]
        with (self.place / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=limited)  # noqa: PLW1509 - nothing of Python runs in it but this
        for _ in range(100):
            if subprocess.run(["ssh-keyscan", "-p", str(self.port), HOST], capture_output=True, check=False).stdout:
                return
            time.sleep(0.1)
        raise TimeoutError((self.place / "log").read_text())

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait()

    def change_key(self) -> None:
        """Give the host another key, as if it were another host."""
        for name in ("host", "host.pub"):
            (self.place / name).unlink(missing_ok=True)
        make_key(self.place / "host")

    def let_in(self, home: Path) -> None:
        """Make a key for whoever has a home, let it in, and let it know the host."""
        folder = home / ".ssh"
        folder.mkdir(parents=True, exist_ok=True)
        make_key(folder / "id_ed25519")
        with (self.place / "authorized").open("a") as file:
            file.write((folder / "id_ed25519.pub").read_text())
        kind, key, *_ = (self.place / "host.pub").read_text().split()
        (folder / "known_hosts").write_text(f"[{HOST}]:{self.port} {kind} {key}\n")


def make_key(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)], check=True)


def use(machine: Project) -> None:
    """Let Git's SSH find keys in the machine's home: it looks into that of the user, whatever HOME says."""
    machine.git("config", "core.sshCommand", ssh_of(machine.home))


def ssh_of(home: Path) -> str:
    folder = home / ".ssh"
    return f"ssh -F none -i {folder}/id_ed25519 -o IdentityAgent=none -o UserKnownHostsFile={folder}/known_hosts"


@contextmanager
def serving(place: Path) -> Iterator[Server]:
    """Run a server; skip the test where OpenSSH's is not installed."""
    if not SSHD:
        pytest.skip("needs OpenSSH's server: apt-get install openssh-server")
    place.mkdir()
    server = Server(place, free_port())
    server.change_key()
    (place / "authorized").touch()
    settings = {
        "Port": server.port,
        "ListenAddress": HOST,
        "HostKey": place / "host",
        "AuthorizedKeysFile": place / "authorized",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "UsePAM": "no",
        "StrictModes": "no",
        "PermitRootLogin": "yes",
        "PidFile": "none",
        "Subsystem": "sftp internal-sftp",
    }
    (place / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    server.start()
    try:
        yield server
    finally:
        server.stop()
