"""The automations of ``automations.yaml`` on a Prefect server: made once, then kept up to date.

``prefect automation create`` wants ids in place of names, and makes another automation each time.
"""

import os
import re
import sys
from pathlib import Path
from typing import Any

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from prefect.types import SecretDict
from pydantic import SecretStr, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from flows import standalone
from pipeline import layout
from pipeline.errors import PipelineError, exit_on_error

FILE = Path("automations.yaml")
WEBHOOK_URL = "DIGITS_WEBHOOK_URL"
# For these keys of an action the file has names, and Prefect wants ids.
BLOCK, DEPLOYMENT = "block_document_id", "deployment_id"


def apply() -> list[str]:
    """Bring the server to what ``automations.yaml`` says, and tell what was done, a line each.

    What a person switched on or off stays so. An automation that notifies is left out where no address is set.
    """
    with get_client(sync_client=True) as client:
        _keep_address()
        return [_apply(client, one) for one in _read()]


def _apply(client: SyncPrefectClient, named: dict[str, Any]) -> str:
    name = named["name"]
    filled = _with_ids(client, named)
    if filled is None:
        return f"{name}: off, for {WEBHOOK_URL} is not set"
    try:
        wanted = AutomationCore.model_validate(filled)
    except ValidationError as error:
        raise PipelineError(f"{FILE}: {name}: {' '.join(str(error).split())}. Mend it and run again.") from None
    found = client.read_automations_by_name(name)
    if not found:
        client.create_automation(wanted)
        return f"{name}: {_on(wanted)}"
    first, *doubles = found
    kept = wanted.model_copy(update={"enabled": first.enabled})
    client.update_automation(first.id, kept)
    for one in doubles:
        client.delete_automation(one.id)
    return f"{name}: {_on(kept)}"


def _on(automation: AutomationCore) -> str:
    return "on" if automation.enabled else "off, until it is switched on in the UI"


def _keep_address() -> None:
    """Store the address to notify, a secret, as a block of the server, if one is given."""
    if address := os.environ.get(WEBHOOK_URL):
        if not re.match("https?://.", address):
            raise PipelineError(f"{WEBHOOK_URL}: not an address. Set it to one that begins with https:// or http://.")
        headers = SecretDict({"Content-Type": "application/json"})
        Webhook(url=SecretStr(address), headers=headers).save("digits-notify", overwrite=True)


def _with_ids(client: SyncPrefectClient, named: dict[str, Any]) -> dict[str, Any] | None:
    """Put ids in place of the names of blocks and deployments; None where a block is not there."""
    actions = [dict(action) for action in named["actions"]]
    try:
        for action in actions:
            kind, is_name, name = str(action.get(BLOCK, "")).partition("/")
            if is_name:
                action[BLOCK] = str(client.read_block_document_by_name(name, kind).id)
            if "/" in str(action.get(DEPLOYMENT, "")):
                action[DEPLOYMENT] = str(client.read_deployment_by_name(action[DEPLOYMENT]).id)
    except ObjectNotFound:
        return None
    return {**named, "actions": actions}


def _read() -> list[dict[str, Any]]:
    try:
        found = YAML(typ="safe").load(FILE.read_text(encoding="utf-8"))["automations"]
        return [{**one, "name": one["name"], "actions": [dict(action) for action in one["actions"]]} for one in found]
    except OSError as error:
        raise PipelineError(f"{FILE}: {error.strerror}. Bring it back with `git checkout {FILE}`.") from error
    except (YAMLError, TypeError, KeyError, ValueError) as error:
        raise PipelineError(f"{FILE}: no list of automations: {' '.join(str(error).split())}. Mend it and run again.") from None


def main() -> None:
    """Print ``automations.yaml`` with the ids of the server at ``PREFECT_API_URL``."""
    with exit_on_error():
        layout.require_root()
        standalone.require_prefect()
        with get_client(sync_client=True) as client:
            filled = [one for one in (_with_ids(client, named) for named in _read()) if one]
    YAML(typ="safe").dump({"automations": filled}, sys.stdout)


if __name__ == "__main__":
    main()
