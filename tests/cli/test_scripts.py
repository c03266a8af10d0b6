"""The shell scripts: what the launchers would run, on stand-ins for the commands that they start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.cli.launch import Launch

LAUNCHERS = {
    "train__SFT__MedGemma.sh": ("script/demo/base/gemma3", "google/medgemma-4b-it"),
    "train__SFT__Qwen2.5-VL.sh": ("script/demo/base/qwen2_5_vl", "Qwen/Qwen2.5-VL-7B-Instruct"),
}


@pytest.fixture
def launch(tmp_path: Path, repository: Path) -> Launch:
    return Launch(tmp_path, repository)


@pytest.mark.parametrize("name", LAUNCHERS)
def test_with_nothing_set_the_whole_demo_runs_in_order(launch, name, tmp_path):
    folder = str(tmp_path / "run")

    lines = launch(name, RUN_FOLDER=folder)

    words = f"model.name={LAUNCHERS[name][0]} run.folder={folder}"
    assert lines == [
        f"prepare tasks/demo.yaml {words}",
        f"evaluate tasks/demo.yaml --model base {words}",
        f"train tasks/demo.yaml {words}",
        f"merge tasks/demo.yaml {words}",
        f"evaluate tasks/demo.yaml --model merged {words}",
    ]
    assert launch.done.stdout.startswith("DEMO: ")
    assert launch.done.stdout.endswith(f"{folder}/report.html\n")


@pytest.mark.parametrize("name", LAUNCHERS)
def test_with_data_the_real_model_and_mix_are_the_default(launch, name):
    lines = launch(name, DATA_ROOT="/data with space")

    assert len(lines) == 5
    assert all("tasks/real_samples.yaml" in line for line in lines)
    assert all(f"model.name={LAUNCHERS[name][1]} data.root=/data with space run.folder=runs/" in line for line in lines)
    assert "DEMO" not in launch.done.stdout


def test_every_variable_becomes_one_valid_key(launch, repository, medft):
    script = (repository / "script" / "sft" / "train__SFT__MedGemma.sh").read_text()
    values = {
        "MODEL": "a/b", "REVISION": "main", "FAMILY": "gemma3", "DATA_ROOT": "/d", "MIX": "tasks/demo.yaml",
        "RUN_FOLDER": "/r", "LIMIT_TRAIN": "1", "LIMIT_VALIDATION": "2", "LIMIT_TEST": "3",
        "LIMIT_PER_TASK_TRAIN": "4", "LIMIT_PER_TASK_VALIDATION": "5", "LIMIT_PER_TASK_TEST": "6", "WORKERS": "7",
        "LIMIT_PER_SOURCE_TRAIN": "16", "LIMIT_PER_SOURCE_VALIDATION": "17", "LIMIT_PER_SOURCE_TEST": "18",
        "PREPARE_ENGINE": "ray", "SPLIT_FILE": "/s.json", "FOLDS": "20", "FOLD": "19", "ON_ERROR": "skip",
        "METHOD": "full", "EPOCHS": "8", "MAX_STEPS": "9", "LEARNING_RATE": "1e-5", "DEVICE_BATCH": "10",
        "ACCUMULATION": "11", "ATTENTION": "eager", "GRADIENT_CHECKPOINTING": "true", "LOGGING_STEPS": "12",
        "EVAL_STEPS": "13", "SAVE_STEPS": "14", "SAVE_LIMIT": "15", "REPORT_TO": "wandb", "STRATEGY": "zero2",
        "LORA_RANK": "21", "LORA_ALPHA": "22", "MIN_PIXELS": "23", "MAX_PIXELS": "24", "RESUME": "/c",
        "EVAL_LIMIT": "25", "EVAL_BATCH": "26", "MAX_NEW_TOKENS": "27", "PROBES": "28", "GENERAL_MIX": "/g.yaml",
        "WANDB_PROJECT": "p", "WANDB_NAME": "n", "WANDB_RUN_ID": "i", "WANDB_RESUME": "must", "WANDB_DIR": "/w",
        "PUSH_LORA": "false", "PUSH_MERGED": "no", "PUSH_DATA": "off", "HUB_PRIVATE": "true", "HUB_LORA_REPO": "a/lora",
        "HUB_MERGED_REPO": "a/merged", "HUB_DATA_REPO": "a/data", "HUB_TOKEN_FILE": "/t",
    }  # fmt: skip
    launching = {"NUM_PROCESSES", "NUM_NODES", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT"}
    launching |= {"PREPARE_ONLY", "MERGE_ONLY", "PUSH_ONLY"}
    launching |= {"USE_FLASH_ATTENTION_2"}  # another name for a value of ATTENTION
    offered = {piece.split(":=")[0] for piece in script.split('"${')[1:] if ":=" in piece.split("}")[0]}
    assert offered == set(values) | launching

    (line,) = launch("train__SFT__MedGemma.sh", "lora.rank=3", PREPARE_ONLY="1", **values)

    verb, config, *words = line.split()
    assert (verb, config) == ("prepare", "tasks/demo.yaml")
    del values["MIX"]
    assert sorted(word.split("=")[1] for word in words) == sorted([*values.values(), "3"])
    assert medft("config", "check", config, *words).code == 0


def test_epochs_win_over_a_mix_that_counts_in_steps(launch, tmp_path):
    (line,) = launch("train__SFT__MedGemma.sh", PREPARE_ONLY="1", EPOCHS="2", RUN_FOLDER=str(tmp_path))

    assert "train.epochs=2 train.max_steps=-1" in line


def test_several_gpus_are_all_used_through_accelerate(launch, tmp_path):
    lines = launch("train__SFT__MedGemma.sh", MODEL="m", FAKE_GPUS="4", RUN_FOLDER=str(tmp_path))

    assert lines[2].startswith(
        "accelerate launch --num_processes 4 --mixed_precision no --dynamo_backend no --gpu_ids all --multi_gpu "
        "--num_machines 1 --machine_rank 0 --main_process_port 0 -m medft_bm.cli.main train tasks/real_samples.yaml "
    )
    for line, which in ((lines[1], "base"), (lines[4], "merged")):
        assert line.startswith("accelerate launch --num_processes 4 ")
        assert f" -m medft_bm.cli.main evaluate tasks/real_samples.yaml --model {which} " in line


def test_one_gpu_is_one_process_without_a_launcher(launch, tmp_path):
    lines = launch("train__SFT__MedGemma.sh", MODEL="m", FAKE_GPUS="1", RUN_FOLDER=str(tmp_path))

    assert lines[2].startswith("train tasks/real_samples.yaml ")


@pytest.mark.parametrize(("gpus", "strategy"), [("1", "zero3_offload"), ("", "zero2"), ("4", "fsdp")])
def test_what_shards_has_a_launcher_also_around_a_single_process(launch, tmp_path, gpus, strategy):
    lines = launch(
        "train__SFT__MedGemma.sh", MODEL="m", FAKE_GPUS=gpus, RUN_FOLDER=str(tmp_path), NUM_PROCESSES="1",
        STRATEGY=strategy,
    )  # fmt: skip

    start = "python -m torch.distributed.run --standalone --nproc_per_node 1 -m medft_bm.cli.main train "
    assert lines[2].startswith(start)


def test_several_processes_without_a_gpu_are_started_by_torchrun(launch, tmp_path):
    """Accelerate would start one of them and say nothing."""
    lines = launch("train__SFT__MedGemma.sh", MODEL="m", RUN_FOLDER=str(tmp_path), NUM_PROCESSES="3")
    assert "run --standalone --nproc_per_node 3 -m medft_bm.cli.main train " in lines[2]

    lines = launch(
        "train__SFT__MedGemma.sh", MODEL="m", RUN_FOLDER=str(tmp_path), NUM_PROCESSES="4", NUM_NODES="2",
        NODE_RANK="1", MASTER_ADDR="10.0.0.1",
    )  # fmt: skip
    assert "--nnodes 2 --node_rank 1 --master_addr 10.0.0.1 --master_port 29500 --nproc_per_node 2 " in lines[2]


def test_flash_attention_has_a_name_of_its_own(launch, tmp_path):
    (line,) = launch(
        "train__SFT__Qwen2.5-VL.sh", PREPARE_ONLY="1", RUN_FOLDER=str(tmp_path), USE_FLASH_ATTENTION_2="true"
    )

    assert "model.attention=flash_attention_2" in line


def test_the_first_of_two_nodes_does_everything_but_keeps_the_other_from_waiting(launch, tmp_path):
    lines = launch(
        "train__SFT__MedGemma.sh", MODEL="m", FAKE_GPUS="8", RUN_FOLDER=str(tmp_path), NUM_NODES="2",
        MASTER_ADDR="10.0.0.1",
    )  # fmt: skip

    verbs = ["prepare", "evaluate", "accelerate", "accelerate", "merge", "accelerate"]
    assert [line.split()[0] for line in lines] == verbs
    assert lines[1].startswith("evaluate tasks/real_samples.yaml --check ")
    assert "--num_processes 16 " in lines[2]
    for line in (lines[3], lines[5]):  # the other node has left
        assert "--num_processes 8 " in line
        assert "--num_machines 1 --machine_rank 0 --main_process_port 0 -m medft_bm.cli.main evaluate " in line
    assert "--num_machines 2 --machine_rank 0 --main_process_ip 10.0.0.1 --main_process_port 29500 " in lines[2]


def test_two_nodes_are_not_trained_on_when_there_would_be_nothing_to_ask(launch, tmp_path):
    for rank in ("0", "1"):
        lines = launch(
            "train__SFT__Qwen2.5-VL.sh", MODEL="m", FAKE_GPUS="8", RUN_FOLDER=str(tmp_path), NUM_NODES="2",
            NODE_RANK=rank, MASTER_ADDR="10.0.0.1", FAIL_ON="--check", code=4,
        )  # fmt: skip
        assert [line.split()[0] for line in lines] == ["prepare", "evaluate"]


def test_the_second_of_two_nodes_only_prepares_checks_and_trains(launch, tmp_path):
    lines = launch(
        "train__SFT__MedGemma.sh", MODEL="m", FAKE_GPUS="8", RUN_FOLDER=str(tmp_path), NUM_NODES="2", NODE_RANK="1",
        MASTER_ADDR="10.0.0.1", MASTER_PORT="1234",
    )  # fmt: skip

    assert [line.split()[0] for line in lines] == ["prepare", "evaluate", "accelerate"]
    assert "--machine_rank 1 --main_process_ip 10.0.0.1 --main_process_port 1234 " in lines[2]


def test_srun_says_which_node_this_is(launch, tmp_path):
    scontrol = tmp_path / "scontrol"
    scontrol.write_text('#!/usr/bin/env bash\n[[ $* == "show hostnames n[7-8]" ]] && printf "n7\\nn8\\n"\n')
    scontrol.chmod(0o755)
    step = {"SLURM_STEP_NUM_NODES": "2", "SLURM_NODEID": "1", "SLURM_STEP_NODELIST": "n[7-8]", "SLURM_LOCALID": "0"}

    lines = launch("train__SFT__MedGemma.sh", MODEL="m", FAKE_GPUS="4", RUN_FOLDER=str(tmp_path), **step)

    assert [line.split()[0] for line in lines] == ["prepare", "evaluate", "accelerate"]
    assert "--num_processes 8 " in lines[2]
    assert "--num_machines 2 --machine_rank 1 --main_process_ip n7 " in lines[2]


def test_variables_of_torchrun_say_which_node_this_is_unless_others_do(launch, tmp_path):
    said = {"PET_NNODES": "2", "PET_NODE_RANK": "1", "PET_MASTER_ADDR": "a", "PET_MASTER_PORT": "5"}
    common = {"MODEL": "m", "FAKE_GPUS": "4", "RUN_FOLDER": str(tmp_path)}

    lines = launch("train__SFT__MedGemma.sh", **common, **said)
    assert "--num_machines 2 --machine_rank 1 --main_process_ip a --main_process_port 5 " in lines[2]

    lines = launch("train__SFT__MedGemma.sh", **common, **said, NUM_NODES="3", NODE_RANK="2", MASTER_PORT="6")
    assert "--num_machines 3 --machine_rank 2 --main_process_ip a --main_process_port 6 " in lines[2]


def test_several_tasks_on_one_node_are_refused(launch, tmp_path):
    assert launch("train__SFT__MedGemma.sh", code=2, MODEL="m", RUN_FOLDER=str(tmp_path), SLURM_LOCALID="1") == []
    assert "--ntasks-per-node=1" in launch.done.stderr


def test_several_nodes_need_one_folder_that_all_of_them_know(launch):
    assert launch("train__SFT__MedGemma.sh", code=2, MODEL="m", NUM_NODES="2", MASTER_ADDR="10.0.0.1") == []
    assert "several nodes need the same RUN_FOLDER" in launch.done.stderr


def test_a_failing_step_stops_everything_with_its_exit_code(launch, tmp_path):
    lines = launch("train__SFT__MedGemma.sh", code=4, FAIL_ON="train tasks", RUN_FOLDER=str(tmp_path))

    assert [line.split()[0] for line in lines] == ["prepare", "evaluate", "train"]


def test_merging_alone_needs_a_run_folder_and_runs_nothing_else(launch, tmp_path):
    launch("train__SFT__MedGemma.sh", code=2, MODEL="m", MERGE_ONLY="1")
    assert "MERGE_ONLY and PUSH_ONLY need RUN_FOLDER" in launch.done.stderr

    lines = launch("train__SFT__MedGemma.sh", MODEL="m", MERGE_ONLY="1", RUN_FOLDER=str(tmp_path))
    assert [line.split()[0] for line in lines] == ["merge"]


def test_pushing_is_asked_about_first_and_done_last(launch, tmp_path):
    where = {"MODEL": "m", "RUN_FOLDER": str(tmp_path)}
    lines = launch("train__SFT__MedGemma.sh", PUSH_LORA="true", HUB_PRIVATE="false", **where)
    assert [line.split()[0] for line in lines] == ["push", "prepare", "evaluate", "train", "merge", "evaluate", "push"]
    assert lines[0].startswith("push tasks/real_samples.yaml --check ")
    assert all(" hub.push_lora=true hub.private=false " in line and "--check" not in line for line in lines[3::3])
    refused = launch("train__SFT__MedGemma.sh", code=4, FAIL_ON="--check", PUSH_MERGED="true", **where)
    assert [line.split()[0] for line in refused] == ["push"]
    lines = launch("train__SFT__MedGemma.sh", MERGE_ONLY="1", PUSH_MERGED="true", **where)
    assert [line.split()[0] for line in lines] == ["merge", "push"]


def test_pushing_alone_runs_nothing_else_and_needs_to_be_told_what(launch, tmp_path):
    where = {"MODEL": "m", "RUN_FOLDER": str(tmp_path), "PUSH_ONLY": "1"}
    launch("train__SFT__Qwen2.5-VL.sh", code=2, **where)
    assert "PUSH_ONLY needs PUSH_LORA, PUSH_MERGED or PUSH_DATA" in launch.done.stderr

    (line,) = launch("train__SFT__Qwen2.5-VL.sh", PUSH_DATA="true", **where)
    assert line.startswith("push tasks/real_samples.yaml model.name=m hub.push_data=true ")


def test_a_folder_that_was_asked_for_is_never_removed(launch, tmp_path):
    kept = tmp_path / "mine" / "kept"
    kept.parent.mkdir()
    kept.write_text("x")

    launch("train__SFT__MedGemma.sh", RUN_FOLDER=str(kept.parent))

    assert kept.exists()


def test_both_launchers_are_one_recipe(repository):
    texts = []
    for name, (demo, real) in LAUNCHERS.items():
        text = (repository / "script" / "sft" / name).read_text()
        short = "medgemma" if "MedGemma" in name else "qwen2.5-vl"
        replaced = (
            (demo, "DEMO"),
            (real, "REAL"),
            (name, "NAME"),
            ("MedGemma", "X"),
            ("Qwen2.5-VL", "X"),
            (short, "x"),
        )
        for old, new in replaced:
            text = text.replace(old, new)
        texts.append(text)
    assert texts[0] == texts[1]


def test_the_continuous_integration_runs_the_test_script_and_nothing_else(repository):
    lines = (repository / ".ci" / "run").read_text().splitlines()

    assert lines[-1] == "bash script/test.sh"
    assert os.access(repository / ".ci" / "run", os.X_OK)
