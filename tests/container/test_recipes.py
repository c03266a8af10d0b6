"""Jobs for Kubernetes and Cloud Run: valid where a schema exists, and true to what runs inside."""

from __future__ import annotations

import re

import kubernetes_validate
import pytest
import yaml

from medft_bm.cli.main import EXIT_CODES
from medft_bm.config.load import check_config

RECIPES = ["container/kubernetes/job.yaml", "container/cloud-run/job.yaml"]


@pytest.fixture
def recipe(repository):
    return lambda name: yaml.safe_load((repository / name).read_text())


def task(job):
    """The part that describes one try."""
    spec = job["spec"]["template"]["spec"]
    return spec["template"]["spec"] if "template" in spec else spec


def test_kubernetes_takes_the_job_for_one(recipe):
    kubernetes_validate.validate(recipe(RECIPES[0]), "1.31", strict=True)


def test_exit_codes_mean_in_kubernetes_what_they_mean_here(recipe):
    job = recipe(RECIPES[0])["spec"]
    rules = {
        code: rule["action"] for rule in job["podFailurePolicy"]["rules"]
        for code in rule.get("onExitCodes", {"values": ()})["values"]
    }  # fmt: skip
    assert rules == {2: "FailJob", 3: "FailJob", 4: "FailJob", 75: "Ignore"}
    assert {f"{code} " for code in rules} <= set(re.findall(r"\d+ ", EXIT_CODES))
    pod = task(recipe(RECIPES[0]))
    named = {rule["onExitCodes"]["containerName"] for rule in job["podFailurePolicy"]["rules"] if "onExitCodes" in rule}
    assert named == {container["name"] for container in pod["containers"]}
    assert pod["restartPolicy"] == "Never"  # without it a policy is refused
    assert job["podReplacementPolicy"] == "Failed"
    assert pod["terminationGracePeriodSeconds"] >= 300


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_started_exists_and_takes_those_words(repository, recipe, name):
    (container,) = task(recipe(name))["containers"]
    config, *words = container["args"]

    assert container["command"][0] == "bash"
    assert (repository / container["command"][1]).is_file()
    assert check_config(repository / config, words, environ={}).problems == []


@pytest.mark.parametrize("name", RECIPES)
def test_what_must_outlive_a_try_is_on_a_volume_and_secrets_are_files(recipe, name):
    spec = task(recipe(name))
    (container,) = spec["containers"]
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    variables = {entry["name"]: entry["value"] for entry in container["env"]}

    assert set(mounts) == {volume["name"] for volume in spec["volumes"]}
    for variable in ("RUN_FOLDER", "CACHE", "HF_HOME"):
        assert variables[variable].startswith(mounts["volume"]["mountPath"] + "/"), variable
    assert variables["HF_TOKEN_PATH"].startswith(mounts["secrets"]["mountPath"] + "/")
    assert variables["DATA_ROOT"] == mounts["data"]["mountPath"]
    assert not {"HF_TOKEN", "WANDB_API_KEY"} & set(variables)
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_a_gpu_task_of_cloud_run_stays_within_its_hour_and_saves_often(recipe):
    spec = task(recipe(RECIPES[1]))

    assert spec["timeoutSeconds"] <= 3600
    assert 1 <= spec["maxRetries"] <= 10
    words = dict(word.split("=") for word in spec["containers"][0]["args"][1:])
    assert int(words["train.save_steps"]) < 200
