"""Who is logged in where, and may the model be read? Tokens and keys are looked for, never shown."""

from __future__ import annotations

import netrc
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from medft_bm.doctor.finding import Finding, shown
from medft_bm.doctor.probe import Answer

WANDB = "https://api.wandb.ai"
OFFLINE = "to work without a network: `hf download` the model elsewhere, copy it here, and give model.name its folder"


def hub_findings(answer: Answer, model: str | None) -> Iterator[Finding]:
    """The Hub, the login, and the model.

    Args:
        answer: of the probe.
        model: ``model.name``; ``None`` without a config.
    """
    if answer.failed:
        # The client's own words may quote a token; the kind of its error does not.
        what = f"huggingface_hub fails: {answer.failed.partition(':')[0]}"
        yield Finding("hub", "problem", what, "pip install --upgrade huggingface_hub; `hf auth login` anew")
        return
    yield _login(answer.values["login"], answer.values["who"], answer.values["host"])
    if model is not None and not is_folder(model):
        yield _access(answer, model)


def is_folder(model: str) -> bool:
    """Whether ``model.name`` is a folder here and no id of the Hub."""
    return model.startswith((".", "/", "~")) or model.count("/") != 1 or Path(model).is_dir()


def folder_finding(model: str) -> Finding:
    """A model that lies in a folder.

    Args:
        model: the folder.
    """
    path = Path(model).expanduser()
    if (path / "config.json").is_file():
        return Finding("model", "ok", shown(path))
    what = f"{shown(path)} holds no config.json" if path.is_dir() else f"there is no folder {shown(path)}"
    return Finding("model", "problem", what, "set model.name to a checkpoint's folder")


def _login(login: str, who: str, host: str) -> Finding:
    match login:
        case "ok":
            return Finding("hub", "ok", f"logged in as {who} at {host}")
        case "offline":
            return Finding("hub", "ok", "HF_HUB_OFFLINE is set: not asked")
        case "no token":
            return Finding("hub", "absent", f"not logged in at {host}; gated models need it", "hf auth login")
        case "slow" | "unreachable":
            fix = f"connect, or set HF_ENDPOINT to a mirror; {OFFLINE}"
            return Finding("hub", "warning", f"{host} {_silence(login)}", fix)
        case "401" | "403":
            what = f"{host} refuses the token ({login}), and with it what is open to everybody"
            return Finding("hub", "problem", what, "hf auth login, or unset HF_TOKEN, which wins over a login")
    return Finding("hub", "warning", f"{host} {_silence(login)}", "try again later")


def _silence(outcome: str) -> str:
    return {"slow": "gives no answer", "unreachable": "cannot be reached"}.get(outcome, f"answers {outcome}")


def _access(answer: Answer, model: str) -> Finding:
    outcome, host, here = answer.values["model"], answer.values["host"], answer.values["here"]
    page = f"https://{host}/{model}"
    match outcome:
        case "ok":
            return Finding("model", "ok", f"{model} may be read{', and is here' if here else '; not downloaded yet'}")
        case "gated" | "403":
            fix = f"accept its conditions on {page} with the account you log in with; then `hf auth login`"
            return Finding("model", "problem", f"{model} is gated, and this account has no access", fix)
        case "not found" | "401" | "404":
            fix = "check the spelling; a private one needs `hf auth login` with an account that may read it"
            return Finding("model", "problem", f"{model} is not on {host}, or is not for this account", fix)
        case "no id":
            return Finding(
                "model", "problem", f"{model!r} is neither a folder nor an id like owner/name", "model.name="
            )
    if here:
        return Finding("model", "ok", f"{model} is here; {host} was not asked, or did not say")
    why = "HF_HUB_OFFLINE is set" if outcome == "offline" else f"{host} {_silence(outcome)}"
    what = f"{model} is not here, and {why}"
    if outcome == "offline":
        return Finding("model", "problem", what, f"unset HF_HUB_OFFLINE and connect; or {OFFLINE}")
    return Finding("model", "warning", what, f"connect; or {OFFLINE}")


def wandb_finding(environ: Mapping[str, str], setting: str) -> Finding:
    """Whether the client of Weights & Biases would find a key; it is not asked over the network.

    Args:
        environ: variables of this process.
        setting: that asks for it; empty when none does.
    """
    if environ.get("WANDB_MODE") in ("offline", "disabled"):
        return Finding("wandb", "ok", f"WANDB_MODE={environ['WANDB_MODE']}: nothing is sent")
    for variable in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"):
        if environ.get(variable):
            return Finding("wandb", "ok", f"key from {variable}")
    host = urlsplit(environ.get("WANDB_BASE_URL") or WANDB).hostname or ""
    if _in_netrc(environ, host):
        return Finding("wandb", "ok", f"logged in at {host}")
    fix = "wandb login, or WANDB_API_KEY; WANDB_MODE=offline keeps everything here"
    return Finding("wandb", "problem" if setting else "absent", f"not logged in at {host}", fix)


def _in_netrc(environ: Mapping[str, str], host: str) -> bool:
    """Whether the file in which the client keeps its key knows the host."""
    for path in (environ.get("NETRC"), "~/.netrc", "~/_netrc"):
        try:
            known = netrc.netrc(Path(path).expanduser()) if path else None
        except (OSError, netrc.NetrcParseError, RuntimeError):
            continue
        if known and known.authenticators(host):
            return True
    return False
