"""What the tests see: faults are put into the pipeline one at a time, and the tests that ought to turn red run on each.

``python -m bench.faults [COMMIT...]``: of every commit, of HEAD by default, a copy without a fault must be green, and each with
one red. What is found is printed as a table, a column for each commit.
"""

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

ROOT = Path(__file__).parents[1]
GATE = "pipeline/registry/gate.py"
STORE = "pipeline/scoring/store.py"
PROCESSES = "pipeline/scoring/processes.py"
REGISTRY = "pipeline/registry/contents.py"
TRUST = "pipeline/digits/pictures/trust.py"
OF_RUNS = "tests/integration/test_scoring_runs.py"
OF_REGISTRY = "tests/integration/test_registry.py"
OF_SHARDS = "tests/unit/test_shard.py"
OF_GATE = "tests/unit/test_gate.py"
FAILED = 1  # as pytest exits when a test failed, and not when it could not begin


@dataclass(frozen=True)
class Fault:
    """A text that stands once in a file, what takes its place, and the tests that are to see it: a file, and words of names."""

    name: str
    file: str
    old: str
    new: str
    tests: str
    words: str = ""


FAULTS = [
    Fault("drop McNemar's test", GATE, "is_sure = pairs.p < significance", "is_sure = True", OF_GATE),
    Fault(
        "turn a bound round",
        GATE,
        "bounds.maximum_calibration_error, is_maximum=True)",
        "bounds.maximum_calibration_error)",
        OF_GATE,
    ),
    Fault("compare other test sets", GATE, 'if metrics["test_set"] != champion.metrics["test_set"]:', "if False:", OF_GATE),
    Fault("promote without predictions", GATE, '"by bounds", bool(missed)', '"by bounds", True', OF_GATE),
    Fault(
        "promote when asked to ask", GATE, "replace(comparison, promotes=False,", "replace(comparison, promotes=True,", OF_GATE
    ),
    Fault(
        "accept a wrong hash of a download",
        "pipeline/stages/ingest.py",
        "if digest == sha256:",
        "if True:",
        "tests/unit/test_ingest.py",
    ),
    Fault("skip the checksum of a version", REGISTRY, "if found != expected:", "if False:", OF_REGISTRY, "damaged_model"),
    Fault(
        "keep a champion when tags change",
        REGISTRY,
        'kept["state"] != state or ',
        "",
        OF_REGISTRY,
        "what_dvc_found",
    ),
    Fault(
        "trust DVC's cache",
        REGISTRY,
        'if md5(content) != hashed.removesuffix(".dir"):',
        "if False:",
        OF_REGISTRY,
        "damaged_model",
    ),
    Fault(
        "date two tags alike",
        "pipeline/git.py",
        "youngest + 1",
        "youngest",
        OF_REGISTRY,
        "dozen_promotions",
    ),
    Fault(
        "read an IDX file that is cut short",
        "pipeline/datasets/idx.py",
        "if fault := misfit(content, shape):",
        "if fault := '':",
        "tests/unit",
    ),
    Fault(
        "split without strata",
        "pipeline/stages/reshape.py",
        "stratify=data.train_labels",
        "stratify=None",
        "tests/unit/test_reshape.py",
    ),
    Fault(
        "forget the temperature",
        "pipeline/digits/network/model.py",
        "scaled = logits / temperature",
        "scaled = logits",
        OF_REGISTRY,
        "temperature",
    ),
    Fault("call a blank page a digit", TRUST, "if glyph.is_blank or", "if False or", "tests/unit/test_trust.py"),
    Fault("doubt nothing", TRUST, "confidence < minimum_confidence", "confidence < 0", "tests/unit/test_trust.py"),
    Fault(
        "swap two columns",
        "pipeline/scoring/row.py",
        "    status: str\n    reason: str\n",
        "    reason: str\n    status: str\n",
        OF_RUNS,
    ),
    Fault("let a name run as a formula", "pipeline/scoring/row.py", "name.startswith(FORMULA_STARTS)", "False", OF_SHARDS),
    Fault(
        "quote nothing in the CSV",
        "pipeline/scoring/row.py",
        'lineterminator="\\r\\n")',
        'lineterminator="\\r\\n", quoting=csv.QUOTE_NONE, escapechar="|")',
        OF_SHARDS,
    ),
    Fault(
        "leave a temporary file behind", "pipeline/atomic.py", "        _remove(temporary)\n", "", "tests/unit/test_atomic.py"
    ),
    Fault("score a file twice", STORE, "if old != file:", "if True:", OF_RUNS),
    Fault(
        "keep rows of files that are gone",
        STORE,
        '"delete from file where path in',
        '"select 1 from file where path in',
        OF_RUNS,
    ),
    Fault("take rows that were made in another way", STORE, "last[2] != method or is_fresh", "is_fresh", OF_RUNS),
    Fault("forget an interrupted run", STORE, "last[2:] == (method, is_fresh, False)", "not last", OF_RUNS),
    Fault(
        "blame a file for a process that was stopped", PROCESSES, "page and process not in stopped", "page", OF_RUNS, "stops"
    ),
    Fault(
        "wait for ever",
        PROCESSES,
        "if running.seconds <= maximum_seconds",
        "if True or running.seconds <= 2",
        OF_RUNS,
        "sleeps",
    ),
    Fault(
        "leave errors uncounted",
        "pipeline/console.py",
        "if manifest.error_share <= settings.maximum_error_share:",
        "if True:",
        "tests/integration/test_scoring.py",
        "share_of_errors",
    ),
    Fault(
        "put the surest first",
        "pipeline/scoring/export.py",
        "order by confidence, path, page",
        "order by confidence desc, path, page",
        OF_RUNS,
    ),
    Fault(
        "let two runs into one folder",
        "pipeline/exclusive.py",
        "fcntl.LOCK_EX | fcntl.LOCK_NB",
        "fcntl.LOCK_SH | fcntl.LOCK_NB",
        "tests/integration/test_scoring.py",
        "second_run",
    ),
    Fault(
        "find no batch suspicious",
        "pipeline/quality/suspicion.py",
        "if count > maximum_share * rows:",
        "if False:",
        "tests/integration/test_suspicion.py",
    ),
    Fault(
        "read a page too many",
        "pipeline/digits/pictures/files/decoding.py",
        "if number > limits.maximum_pages:",
        "if number > limits.maximum_pages + 1:",
        "tests/integration/test_documents.py",
    ),
    Fault(
        "ask a mirror again in vain",
        "pipeline/datasets/download.py",
        "in (408, 425, 429)",
        "in (403, 408, 425, 429)",
        "tests/integration/test_mirrors.py",
        "tried_again",
    ),
    Fault("exit 0 on an error", "pipeline/errors.py", "sys.exit(1)", "sys.exit(0)", "tests/unit/test_cli.py"),
]


def main() -> None:
    """Print the table. Exits 1 where a copy without a fault is red, or one with a fault green."""
    commits = sys.argv[1:] or ["HEAD"]
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = {commit: _found(commit, Path(folder) / str(number)) for number, commit in enumerate(commits)}
        finally:
            _git("worktree", "prune")
    print(f"| fault | {' | '.join(commits)} |\n|---|{'---|' * len(commits)}")
    for number, fault in enumerate(FAULTS):
        print(f"| {fault.name} | {' | '.join(('missed', 'found')[found[commit][number]] for commit in commits)} |")
    print(f"| found of {len(FAULTS)} | {' | '.join(str(sum(found[commit])) for commit in commits)} |")
    sys.exit(not all(map(all, found.values())))


def _found(commit: str, folder: Path) -> list[bool]:
    """Tell of every fault whether the tests of a commit see it, with as many copies at work as there are cores."""
    copies: Queue[Path] = Queue()
    for number in range(os.cpu_count() or 1):
        copy = folder / str(number)
        _git("worktree", "add", "--quiet", "--detach", str(copy), commit)
        copies.put(copy)
    first = copies.queue[0]
    tests = sorted({fault.tests for fault in FAULTS})
    if code := _test(first, *tests, "-m", "not slow", "-n", "auto", "--dist", "loadfile"):
        sys.exit(f"error: without a fault, the tests of {commit} exit {code}. Mend them first.")

    def is_found(fault: Fault) -> bool:
        copy = copies.get()
        try:
            return _is_found(fault, copy)
        finally:
            copies.put(copy)

    with ThreadPoolExecutor(copies.qsize()) as pool:
        return list(pool.map(is_found, FAULTS))


def _is_found(fault: Fault, copy: Path) -> bool:
    place = copy / fault.file
    text = place.read_text(encoding="utf-8")
    if text.count(fault.old) != 1:
        sys.exit(f"error: {fault.file}: {fault.old!r} stands {text.count(fault.old)} times. Name it anew in {__file__}.")
    place.write_text(text.replace(fault.old, fault.new), encoding="utf-8")
    try:
        is_red = _test(copy, fault.tests, "-k", fault.words, "-m", "not slow") == FAILED
    finally:
        place.write_text(text, encoding="utf-8")
    print(f"{copy.parent.name}: {fault.name}: {'found' if is_red else 'MISSED'}", file=sys.stderr, flush=True)
    return is_red


def _test(copy: Path, *arguments: str) -> int:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=copy, capture_output=True, check=False).returncode


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
