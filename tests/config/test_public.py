"""What the world may see of a config."""

from __future__ import annotations

import json

from medft_bm.config.public import public_config
from medft_bm.config.schema import Config


def test_secrets_and_paths_stay_at_home_and_the_rest_is_there():
    config = Config.model_validate(
        {
            "data": {
                "root": "/home/someone/scans",
                "salt": "do not tell",
                "cache": "../shared/cache",
                "mix": [
                    {
                        "task": "detection",
                        "source": "nifti_masks",
                        "root": "~/hospital",
                        "source_options": {"masks": "/home/someone/masks", "api_key": "do not tell", "label": "liver"},
                    }
                ],
            },
            "model": {"name": "google/medgemma-4b-it"},
            "train": {"sft": {"hub_token": "do not tell", "adam_beta2": 0.98}},
            "evaluate": {"max_new_tokens": 32},
            "run": {"folder": "/home/someone/runs/liver"},
        }
    )
    shown = public_config(config)
    text = json.dumps(shown)
    assert "do not tell" not in text
    assert "someone" not in text
    assert "shared" not in text
    assert shown["data"]["root"] == "scans"
    assert shown["run"]["folder"] == "liver"
    assert shown["data"]["mix"][0]["source_options"] == {"masks": "masks", "label": "liver"}
    assert shown["model"]["name"] == "google/medgemma-4b-it"
    assert shown["evaluate"]["max_new_tokens"] == 32
    assert shown["train"]["sft"] == {"adam_beta2": 0.98}


def test_a_local_checkpoint_is_named_without_its_place():
    config = Config.model_validate(
        {"data": {"mix": [{"task": "detection", "source": "phantom"}]}, "model": {"name": "/models/secret lab/base"}}
    )
    assert public_config(config)["model"]["name"] == "base"
