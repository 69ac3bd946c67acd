"""What mends a remote, by the words in which Git, SSH, DVC and S3 say what is wrong."""

import pytest

from pipeline.registry.remotes import checking


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("origin: Host key verification failed. fatal: Could not read from remote repository", "`ssh-keygen -R HOST`"),
        ("origin: git@hub.example: Permission denied (publickey). fatal: Could not read from remote", "`ssh-add FILE`"),
        ("origin: fatal: could not read Username for 'https://hub.example': terminal prompts disabled", "credential.helper"),
        ("origin: remote: no tags today ! [remote rejected] v1 -> v1 (pre-receive hook declined)", "ask for the right"),
        (
            "origin: ssh: Could not resolve hostname hub.example: Name or service not known",
            "`git remote set-url origin ADDRESS`",
        ),
        ("origin: no answer within 30 s", "`git ls-remote origin` tells more"),
    ],
)
def test_what_git_says_leads_to_what_mends_it(fault: str, words: str) -> None:
    assert words in checking.mending(checking.OF_GIT, fault, "origin")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("team: ImportError: ssh is supported, but requires 'dvc-ssh' to be installed", "`pip install '.[ssh]'`"),
        ("team: RemoteMissingDepsError: filesystem for 'ssh': missing dependencies", "`pip install '.[ssh]'`"),
        ("HostKeyNotVerifiable: Host key is not trusted for host hub.example", "`ssh-keygen -R HOST`"),
        ("PermissionDenied: Permission denied for user ada on host hub.example", "keyfile FILE"),
        ("PermissionError: [Errno 13] Permission denied: '/srv/objects'", "ask for the right to write there"),
        ("NoCredentialsError: Unable to locate credentials", "set AWS_ACCESS_KEY_ID"),
        ("ConnectionRefusedError: [Errno 111] Connect call failed", "`dvc remote modify team url ADDRESS`"),
    ],
)
def test_what_dvc_says_leads_to_what_mends_it(fault: str, words: str) -> None:
    assert words in checking.mending(checking.OF_DVC, fault, "team")
