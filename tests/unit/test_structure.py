"""What DESIGN promises of the code's shape, read from the code itself."""

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
WORDS = ["ingest", "validate", "reshape", "collect", "train", "evaluate"]

# What moves and names things and computes nothing: no stage depends on it.
GROUND = {
    f"pipeline/{module}.py"
    for module in (
        "atomic",
        "errors",
        "faults",
        "imports",
        "layout",
        "names",
        "params/__init__",
        "params/recipes",
        "params/section",
        "stages/__init__",
        "digits/arrays",
    )
}
# From the ground up: a module may import from its own floor and from those before it.
FLOORS = [
    ["pipeline/errors.py", "pipeline/faults.py", "pipeline/imports.py", "pipeline/names.py", "pipeline/layout.py"],
    ["pipeline/terminal.py"],
    ["pipeline/calling.py"],
    ["pipeline/digits/arrays.py", "pipeline/digits/field.py", "pipeline/digits/pictures/files/limits.py"],
    ["pipeline/atomic.py", "pipeline/params/", "pipeline/git.py", "pipeline/exclusive.py", "pipeline/cores.py"],
    ["pipeline/datasets/"],
    ["pipeline/digits/pictures/"],
    ["pipeline/digits/network/"],
    ["pipeline/quality/"],
    ["pipeline/reports/"],
    ["pipeline/registry/gate.py", "pipeline/registry/versions.py", "pipeline/registry/project.py"],
    ["pipeline/registry/remotes/"],
    ["pipeline/registry/contents.py"],
    ["pipeline/registry/serving.py", "pipeline/registry/champion.py"],
    ["pipeline/scoring/"],
    ["pipeline/labelled/"],
    ["pipeline/review/"],
    ["pipeline/registry/difference.py", "pipeline/registry/own_test.py"],
    ["pipeline/quality/audit.py", "pipeline/quality/folders.py"],
    ["pipeline/registry/publishing.py"],
    ["pipeline/registry/registering.py"],
    ["pipeline/registry/catalogue.py", "pipeline/console.py", "pipeline/command.py"],
    ["pipeline/registry/commands.py", "pipeline/review/commands.py", "pipeline/quality/commands.py"],
    ["pipeline/stages/"],
    ["pipeline/cli.py", "pipeline/__main__.py", "flows/"],
]


def modules(*folders: str) -> list[str]:
    return sorted(
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if path.read_text(encoding="utf-8").count("\n") > 1
    )


@cache
def imports(module: str) -> frozenset[str]:
    """Give the names that a module imports, at any depth, each with its package."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def imported_modules(module: str) -> set[str]:
    """Give the files of this project that a module imports."""
    found = set()
    for name in imports(module):
        parts = name.split(".")
        for end in (len(parts), len(parts) - 1):
            path = "/".join(parts[:end])
            for candidate in (f"{path}.py", f"{path}/__init__.py"):
                if path and (ROOT / candidate).is_file():
                    found.add(candidate)
    return {one for one in found if (ROOT / one).read_text(encoding="utf-8").count("\n") > 1}


def reached_from(module: str) -> set[str]:
    """Give a module and all that it imports, they in turn too, apart from the ground."""
    reached, waiting = set(), {module}
    while waiting:
        one = waiting.pop()
        reached.add(one)
        waiting |= imported_modules(one) - reached - GROUND
    return reached


def code_of(places: Iterable[str]) -> dict[str, list[str]]:
    """Give the modules below each of some modules and folders."""
    return {place: [place] if place.endswith(".py") else modules(place) for place in places}


def floor(module: str) -> int:
    """Give the number of the floor that names a module, or the closest folder around it."""
    named = ((len(place), number) for number, places in enumerate(FLOORS) for place in places if module.startswith(place))
    return max(named)[1]


def test_a_stage_is_one_word_in_four_places() -> None:
    from pipeline import cli

    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    commands = {command.name or getattr(command.callback, "__name__", "") for command in cli.app.registered_commands}

    assert list(STAGES) == WORDS
    assert sorted(path.stem for path in (ROOT / "pipeline/stages").glob("[a-z]*.py")) == sorted(WORDS)
    assert [section for section in params if section in WORDS] == WORDS
    assert set(WORDS) <= commands


@pytest.mark.parametrize("stage", WORDS)
def test_a_stage_depends_on_all_code_that_can_change_what_it_writes_and_on_nothing_else(stage: str) -> None:
    reached = reached_from(f"pipeline/stages/{stage}.py")

    declared = code_of(dep for dep in STAGES[stage]["deps"] if dep.startswith("pipeline/"))
    assert set().union(*declared.values()) >= reached
    assert not [place for place, code in declared.items() if not reached & set(code)]
    assert not [module for place, code in declared.items() if (module := place) in GROUND or GROUND & set(code)]


def test_the_ground_computes_nothing() -> None:
    def numbers(node: ast.AST) -> Iterator[object]:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Field":
            return  # what a setting may be changes no result
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and node.value not in (0, 1):
            yield node.value
        for child in ast.iter_child_nodes(node):
            yield from numbers(child)

    trees = {module: ast.parse((ROOT / module).read_text(encoding="utf-8")) for module in GROUND}
    assert not {module: found for module, tree in trees.items() if (found := list(numbers(tree)))}
    assert importing(GROUND, "numpy", "cv2", "tensorflow", "keras", "pandas") == {"pipeline/digits/arrays.py"}
    kinds = {type(node) for node in trees["pipeline/digits/arrays.py"].body[1:]}
    assert kinds == {ast.Import, ast.Assign}


@pytest.mark.parametrize("stage", WORDS)
def test_a_stage_is_run_by_its_own_word(stage: str) -> None:
    assert STAGES[stage]["cmd"] == f"python -m pipeline.stages.{stage}"


def test_the_version_of_scoring_is_of_all_code_that_turns_a_file_into_a_row() -> None:
    from pipeline.scoring import batch

    reached = reached_from("pipeline/scoring/shard.py")
    hashed = {module.relative_to(ROOT).as_posix() for module in batch.modules()}
    places = code_of(f"pipeline/{place}" for place in batch.CODE)

    assert hashed >= reached
    assert all(reached & set(code) for code in places.values())


def test_a_setting_and_a_type_of_array_are_defined_once() -> None:
    arrays: dict[str, list[str]] = {}
    fields: dict[str, set[str]] = {}
    for module in modules("pipeline"):
        for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("npt.NDArray"):
                arrays.setdefault(ast.unparse(node.targets[0]), []).append(module)
            if isinstance(node, ast.ClassDef):
                named = {ast.unparse(one.target) for one in node.body if isinstance(one, ast.AnnAssign)}
                fields[f"{module}: {node.name}"] = named

    assert not {name: places for name, places in arrays.items() if len(places) > 1}
    sections = {name: named for name, named in fields.items() if name.startswith("pipeline/params/")}
    assert not [
        (section, other)
        for section in sections
        for other in fields.keys() - {section}
        if len(fields[section] & fields[other]) > 2
    ]


def test_only_the_command_line_and_the_stages_print() -> None:
    texts = {module: (ROOT / module).read_text(encoding="utf-8") for module in modules("pipeline")}
    printing = {module for module, text in texts.items() if re.search(r"\bprint\(|sys\.std(out|err)\.write", text)}

    command_line = {
        f"pipeline/{module}.py"
        for module in (
            "cli",
            "terminal",
            "console",
            "errors",
            "registry/commands",
            "registry/catalogue",
            "review/commands",
            "quality/commands",
        )
    }
    to_who_started_them = {"pipeline/scoring/worker.py", "pipeline/registry/remotes/transfer.py"}
    assert printing <= command_line | to_who_started_them | set(modules("pipeline/stages"))


def test_stages_never_import_each_other() -> None:
    for stage in WORDS:
        others = {f"pipeline/stages/{other}.py" for other in WORDS if other != stage}
        assert not imported_modules(f"pipeline/stages/{stage}.py") & others


def test_imports_point_down() -> None:
    above = {
        module: wrong
        for module in modules("pipeline", "flows")
        if (wrong := {one for one in imported_modules(module) if floor(one) > floor(module)})
    }

    assert not above


def importing(modules: Iterable[str], *packages: str) -> set[str]:
    """Give the modules that import one of some packages."""
    return {module for module in modules if {name.split(".")[0] for name in imports(module)} & set(packages)}


def test_the_pipeline_knows_nothing_of_prefect() -> None:
    assert not importing(modules("pipeline"), "prefect", "flows")


def test_only_the_registry_knows_dvc_and_gto() -> None:
    known = importing(modules("pipeline"), "dvc", "dvc_data", "gto", "scmrepo")

    assert all(module.startswith("pipeline/registry/") for module in known)


def test_the_domain_reads_no_files_and_its_two_rooms_know_nothing_of_each_other() -> None:
    domain = modules("pipeline/digits")
    allowed = {
        f"pipeline/{one}.py"
        for one in ("params/__init__", "params/recipes", "errors", "imports", "datasets/dataset", "datasets/own")
    }
    outside = {
        module: wrong
        for module in domain
        if (wrong := {one for one in imported_modules(module) if not one.startswith("pipeline/digits/")} - allowed)
    }

    assert not outside
    assert not importing(domain, "pathlib", "requests", "httpx")
    for room, other in (("pictures", "network"), ("network", "pictures")):
        imported = set().union(*map(imported_modules, modules(f"pipeline/digits/{room}")))
        assert not {one for one in imported if one.startswith(f"pipeline/digits/{other}/")}


def test_a_module_opens_with_a_sentence_and_stays_short() -> None:
    texts = {module: (ROOT / module).read_text(encoding="utf-8") for module in modules("pipeline", "flows")}

    assert not [module for module, text in texts.items() if not (ast.get_docstring(ast.parse(text)) or "").endswith(".")]
    assert not [module for module, text in texts.items() if len(text.splitlines()) > 250]


def test_every_subcommand_is_in_the_readme_and_every_make_target_in_its_help() -> None:
    from pipeline import cli

    readme, makefile = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "Makefile"))
    (named,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    explained = re.findall(r"^([a-z-]+):.* ## ", makefile, re.MULTILINE)

    for command in cli.app.registered_commands:
        assert f"digits {getattr(command.callback, '__name__', '')}" in readme
    assert set(named.split()) - set(explained) == {"style"}
    assert "make help" in readme
    assert readme.count("\n") <= 150


def test_the_picture_of_the_architecture_shows_the_stages_and_the_folders() -> None:
    drawing = (ROOT / "docs/images/architecture.svg").read_text(encoding="utf-8")
    boxes = {
        name: " ".join(re.findall("<text[^>]*>([^<]*)", rest))
        for name, rest in re.findall(r'<g class="[\w ]+" id="(\w+)">(.*)', drawing)
    }
    arrows = set(re.findall(r'<g class="arrow" data-from="(\w+)" data-to="(\w+)">', drawing))
    named = {path.rstrip("/") for label in boxes.values() for path in re.findall(r"[\w.-]+/[\w./-]*|[\w-]+\.yaml", label)}

    outs = {stage: {out if isinstance(out, str) else next(iter(out)) for out in STAGES[stage]["outs"]} for stage in WORDS}
    assert {(one, other) for one, other in arrows if {one, other} <= set(WORDS)} == {
        (one, other) for one in WORDS for other in WORDS if any(dep in outs[one] for dep in STAGES[other]["deps"])
    }
    assert {name for arrow in arrows for name in arrow} <= boxes.keys()
    assert len(boxes.keys() - {"stages"}) <= 15
    assert all((ROOT / path).exists() for path in named if not path.startswith("data/"))
    rooms = {f"pipeline/{module.parts[1]}" for module in map(Path, modules("pipeline")) if len(module.parts) > 2}
    assert {"/".join(Path(path).parts[:2]) for path in named} >= rooms


def test_the_pictures_of_the_pages_are_there_and_small() -> None:
    pages = (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
    shown = {
        (page.parent / place).resolve()
        for page in pages
        for place in re.findall(r"!\[[^]]+\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    }

    assert shown == set((ROOT / "docs/images").iterdir())
    assert all(picture.stat().st_size < 150_000 for picture in shown)


def test_no_page_takes_away_what_dvc_would_still_give() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        assert not re.search("unassign|deregister|deprecate", page.read_text(encoding="utf-8"))


def test_the_citation_names_the_version_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cited = YAML(typ="safe").load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))

    assert [cited[name] for name in ("title", "version", "license")] == [
        project[name] for name in ("name", "version", "license")
    ]


def test_every_locked_package_has_hashes_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    packages = re.split(r"\n(?=[a-z0-9])", lock)[1:]

    assert len(packages) > 100
    assert all("--hash=sha256:" in package for package in packages)
    assert "://" not in lock
