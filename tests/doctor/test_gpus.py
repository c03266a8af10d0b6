"""Driver, torch, GPUs and kernels: every way in which they fail to fit, told apart."""

from __future__ import annotations

import pytest

from medft_bm.doctor.gpus import Driver, gpu_findings, read_driver
from medft_bm.doctor.kernels import kernel_findings
from medft_bm.doctor.probe import Answer, ask

SMI = """\
#!/bin/sh
case "$*" in
  --query-gpu=*) echo "580.95.05, NVIDIA H100 80GB HBM3"; echo "580.95.05, NVIDIA H100 80GB HBM3" ;;
  "") echo "| NVIDIA-SMI 580.95.05    Driver Version: 580.95.05      CUDA Version: 13.0     |" ;;
esac
"""
H100 = {"name": "NVIDIA H100", "error": "", "capability": [9, 0], "free": 79e9, "memory": 80e9, "bf16": True}
DRIVER = Driver("535.216", (12, 2), ("NVIDIA L4",))
GPU_BUILD = {"version": "2.15.0", "cuda": "13.2", "hip": None, "nccl": True, "devices": []}


def found(driver, facts, visible=None, trains=False):
    return {one.check: one for one in gpu_findings(driver, Answer(facts), visible, trains)}


@pytest.mark.parametrize(
    ("script", "driver"),
    [
        (SMI, Driver("580.95.05", (13, 0), ("NVIDIA H100 80GB HBM3",) * 2)),
        (SMI.replace("CUDA Version", "CUDA UMD Version"), Driver("580.95.05", (13, 0), ("NVIDIA H100 80GB HBM3",) * 2)),
        ("#!/bin/sh\nexit 9\n", Driver(failed="nvidia-smi fails: the driver is not loaded, or another version than "
         "its tools")),
        ("#!/bin/sh\necho 'No devices were found'\n", Driver()),
    ],
)  # fmt: skip
def test_the_driver_is_what_its_tool_says(tmp_path, monkeypatch, script, driver):
    (tmp_path / "nvidia-smi").write_text(script)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    assert read_driver() == driver


def test_a_machine_without_a_driver_is_no_problem_until_a_training_is_asked_about(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert read_driver() is None
    assert found(None, GPU_BUILD)["driver"].state == "absent"
    assert found(None, GPU_BUILD, trains=True)["driver"].state == "warning"


@pytest.mark.parametrize(
    ("facts", "visible", "said", "fix"),
    [
        ({"cuda": None}, None, "this build of torch knows no CUDA", "install one that does"),
        ({}, "", "CUDA_VISIBLE_DEVICES='' hides them", "unset CUDA_VISIBLE_DEVICES"),
        ({}, "-1", "CUDA_VISIBLE_DEVICES='-1' hides them", "unset"),
        ({}, None, "serves CUDA 12.2 at most, and torch was built for CUDA 13.2", "for CUDA 12.2 or older"),
        ({"cuda": "12.8"}, "0", "CUDA does not start", "torch.cuda.init()"),
    ],
)
def test_gpus_that_torch_does_not_use_have_a_reason(facts, visible, said, fix):
    finding = found(DRIVER, {**GPU_BUILD, **facts}, visible)["gpus"]

    assert finding.state == "problem"
    assert said in finding.found
    assert fix in finding.fix


@pytest.mark.parametrize(
    ("changed", "state", "said"),
    [
        ({}, "ok", "73.6 of 74.5 GiB free, bfloat16"),
        ({"free": 10e9}, "warning", "others use it"),
        ({"bf16": False}, "warning", "no bfloat16"),
        ({"error": "CUDA error: no kernel image is available"}, "problem", "no kernel image"),
    ],
)
def test_every_gpu_is_judged(changed, state, said):
    finding = found(Driver("580", (13, 0), ("NVIDIA H100",)), {**GPU_BUILD, "devices": [{**H100, **changed}]})["gpu 0"]

    assert finding.state == state
    assert said in finding.found


def test_several_gpus_need_nccl():
    two = {**GPU_BUILD, "devices": [H100, H100]}

    assert "nccl" not in found(DRIVER, two)
    assert found(DRIVER, {**two, "nccl": False})["nccl"].state == "problem"


def test_torch_that_cannot_be_imported_is_a_problem():
    (torch, _) = gpu_findings(None, Answer(failed="ImportError: libc10.so"), None, False)

    assert torch.state == "problem"
    assert "libc10.so" in torch.found


def kernels(answers, devices=(), **wanted):
    wanted = {name.replace("_", "-"): setting for name, setting in wanted.items()}
    return {one.check: one for one in kernel_findings(answers, list(devices), wanted)}


def test_a_kernel_that_is_missing_or_broken_is_a_problem_where_it_is_wanted():
    broken = {"flash-attn": Answer(failed="the process died of SIGSEGV")}

    assert {one.state for one in kernels({}).values()} == {"absent"}
    assert kernels({}, bitsandbytes="train.method=qlora")["bitsandbytes"].state == "problem"
    assert kernels(broken)["flash-attn"].state == "warning"
    asked = kernels(broken, flash_attn="model.attention=flash_attention_2")["flash-attn"]
    assert asked.state == "problem"
    assert "SIGSEGV" in asked.found
    assert "--no-build-isolation" in asked.fix


@pytest.mark.parametrize(
    ("devices", "state"), [([], "problem"), ([{**H100, "capability": [7, 5]}], "problem"), ([H100], "ok")]
)
def test_flash_attention_needs_a_gpu_that_is_new_enough(devices, state):
    there = {"flash-attn": Answer({"version": "2.8.3", "tried": bool(devices)})}

    asked = kernels(there, devices, flash_attn="model.attention=flash_attention_2")["flash-attn"]

    assert asked.state == state
    assert asked.fix == ("model.attention=sdpa" if state == "problem" else "")


def test_offloading_says_what_it_would_compile_with():
    there = {"deepspeed": Answer({"version": "1", "missing": ["ninja"]})}

    assert "compile with ninja, not found" in kernels(there)["deepspeed"].found


def test_a_probe_that_hangs_is_given_up():
    assert ask("torch", seconds=0).failed == "no answer within 0 s"
