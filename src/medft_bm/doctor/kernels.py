"""Compiled packages that some settings need: installed, and do they run?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from medft_bm.doctor.finding import Finding, State
from medft_bm.doctor.packages import installed
from medft_bm.doctor.probe import Answer

FIX = {
    "flash-attn": "pip install packaging ninja setuptools wheel && pip install flash-attn --no-build-isolation "
    "(compiles for the torch that is there, with nvcc of its CUDA); or model.attention=sdpa",
    "bitsandbytes": "pip install --upgrade bitsandbytes; or train.method=lora",
    "deepspeed": "pip install --upgrade deepspeed; or train.strategy=fsdp",
    "liger-kernel": "pip install --upgrade liger-kernel; or train.liger=false",
}
SETTING = {
    "flash-attn": "model.attention=flash_attention_2",
    "bitsandbytes": "train.method=qlora",
    "deepspeed": "train.strategy=zero2, zero3 …",
    "liger-kernel": "train.liger=true",
}
AMPERE = [8, 0]


def kernel_findings(
    answers: Mapping[str, Answer], devices: list[Mapping[str, Any]], wanted: Mapping[str, str]
) -> Iterator[Finding]:
    """Every package of :data:`FIX`.

    Args:
        answers: of the probes of those that are installed.
        devices: GPUs that torch sees.
        wanted: packages to the setting that asks for them.
    """
    for package, fix in FIX.items():
        setting = wanted.get(package, "")
        if package not in answers:
            what = f"not installed; {setting or SETTING[package]} needs it"
            yield Finding(package, "problem" if setting else "absent", what, fix)
            continue
        version, answer = installed(package), answers[package]
        trouble: State = "problem" if setting else "warning"
        if answer.failed:
            yield Finding(package, trouble, f"{version} does not work: {answer.failed}", fix)
        elif setting and (why := LACKS[package](devices, answer.values)):
            yield Finding(package, "problem", f"{version}, but {why}", fix.rpartition("; or ")[2])
        else:
            yield Finding(package, "ok", f"{version}{NOTE[package](devices, answer.values)}")


def _flash_lacks(devices: list[Mapping[str, Any]], facts: Mapping[str, Any]) -> str:
    if not devices:
        return "it runs on a GPU, and torch sees none"
    old = [device["name"] for device in devices if list(device["capability"]) < AMPERE]
    return f"it needs compute capability 8.0, and {old[0]} has less" if old else ""


def _gpu_lacks(devices: list[Mapping[str, Any]], facts: Mapping[str, Any]) -> str:
    return "" if devices else "its kernels run on a GPU, and torch sees none"


def _nothing(devices: list[Mapping[str, Any]], facts: Mapping[str, Any]) -> str:
    return ""


def _flash_note(devices: list[Mapping[str, Any]], facts: Mapping[str, Any]) -> str:
    return f"{', computes' if facts['tried'] else ', imported only'}; for every family but gemma3"


def _four_bits_note(devices: list[Mapping[str, Any]], facts: Mapping[str, Any]) -> str:
    return f", 4 bits on {'the GPU' if facts['device'] == 'cuda' else 'the CPU'}"


def _deepspeed_note(devices: list[Mapping[str, Any]], facts: Mapping[str, Any]) -> str:
    lost = " and ".join(facts["missing"])
    return f"; zero2_offload and zero3_offload compile with {lost}, not found here" if lost else ""


Say = Callable[[list[Mapping[str, Any]], Mapping[str, Any]], str]
LACKS: Mapping[str, Say] = {
    "flash-attn": _flash_lacks,
    "bitsandbytes": _nothing,
    "deepspeed": _nothing,
    "liger-kernel": _gpu_lacks,
}
NOTE: Mapping[str, Say] = {
    "flash-attn": _flash_note,
    "bitsandbytes": _four_bits_note,
    "deepspeed": _deepspeed_note,
    "liger-kernel": _nothing,
}
