"""The model to score with: a team's champion of today, or where its remotes are out of reach the last good one."""

import time
from contextlib import suppress
from dataclasses import replace

from pipeline import git
from pipeline.errors import PipelineError
from pipeline.registry import contents, versions
from pipeline.registry.contents import ScoringModel
from pipeline.registry.remotes import tags, team
from pipeline.registry.versions import CHAMPION


def model(selector: str, seconds: float, say: git.Say) -> ScoringModel:
    """Give the model of ``champion``, or of a version such as ``v1.2.0``, as the team's registry has it. Raises PipelineError.

    In a team's clone the tags of others are taken over first, and bytes that are not here are fetched. If that fails, or takes
    longer than some ``seconds``, the last champion that was here is given; what a person should know of it is its ``remark``,
    and is said. Without a team this asks nobody.
    """
    clone = team.here()
    if not clone or _is_here(selector):
        return contents.load(selector)
    end, remarks = time.monotonic() + seconds, list[str]()
    try:
        remarks += tags.follow(clone, say, seconds)
    except PipelineError as error:  # of a remote, or of a clone that cannot be written
        remarks.append(f"the team's registry is out of reach: {error}")
    last = contents.last_champion() if selector == CHAMPION else None
    try:
        found = contents.load(selector, max(0, end - time.monotonic()))
    except PipelineError as error:
        if not last:
            raise PipelineError(" ".join([f"{error}", *(f"{one.rstrip('.')}." for one in remarks)])) from error
        found = last
        remarks.append(str(error))
    if not remarks:
        return found
    remark = "; ".join(one.rstrip(".") for one in remarks) + f". Scored with {found.version}"
    say(f"warning: {remark}.")
    return replace(found, remark=remark)


def _is_here(selector: str) -> bool:
    """Tell whether a version is registered here, so that nobody need be asked for it."""
    if selector == CHAMPION:
        return False
    with suppress(PipelineError):
        versions.find(selector)
        return True
    return False
