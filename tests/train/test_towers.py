"""Every tower is trained as asked, at its own rate, and the rest is left alone."""

from __future__ import annotations

import pytest
import torch

from medft_bm.core.errors import ConfigError
from medft_bm.train.optimizer import OwnRates
from medft_bm.train.towers import freeze, modules_of, plan_towers, tower_of

FULL = {"train": "full"}
LORA = {"train": "lora"}
FROZEN = {"train": "frozen"}


@pytest.fixture
def plan(helpers, family, tmp_path):
    def plan(method, **towers):
        return plan_towers(helpers.config(tmp_path, tmp_path, method=method, towers=towers, lr=1e-3), family)

    return plan


@pytest.fixture
def base(checkpoint, family):
    return family.load(str(checkpoint), revision=None, dtype="float32", attention="sdpa").model


def modes(plans):
    return {part: tower.mode for part, tower in plans.items()}


def test_without_a_word_about_towers_the_method_decides(plan):
    assert modes(plan("lora")) == modes(plan("qlora"))
    assert modes(plan("lora")) == {"language": "lora", "projector": "frozen", "vision": "frozen"}
    assert modes(plan("full")) == {"language": "full", "projector": "full", "vision": "full"}


def test_a_tower_may_differ_in_mode_and_rate(plan):
    plans = plan("lora", vision={**LORA, "lr": 1e-5}, projector=FULL)
    assert modes(plans) == {"language": "lora", "projector": "full", "vision": "lora"}
    assert {part: tower.lr for part, tower in plans.items()} == {"language": 1e-3, "projector": 1e-3, "vision": 1e-5}


@pytest.mark.parametrize(
    ("method", "towers", "message"),
    [
        ("full", {"vision": LORA}, "train.method is full, but the vision tower asks for adapters"),
        ("full", {"vision": FROZEN, "projector": FROZEN, "language": FROZEN}, "every tower is frozen"),
        ("lora", {"language": FULL}, "cannot be trained whole beside adapters"),
        ("qlora", {"language": FULL}, "cannot be trained whole beside adapters"),
        ("lora", {"language": FROZEN}, "no tower gets any"),
        ("lora", {"language": FROZEN, "projector": FULL}, "no tower gets any"),
        ("lora", {"vision": {"lr": 1e-5}}, "the vision tower has a learning rate, 1e-05, but is frozen"),
    ],
)
def test_what_contradicts_itself_is_refused_with_what_to_do(plan, method, towers, message):
    with pytest.raises(ConfigError, match=message) as caught:
        plan(method, **towers)
    assert caught.value.where.startswith("towers")
    assert caught.value.fix


def test_adapters_for_a_projector_without_layers_are_refused(plan, family):
    if family.name != "gemma3":
        assert plan("lora", projector=LORA)["projector"].mode == "lora"
        return
    with pytest.raises(ConfigError, match="no layer that LoRA can adapt in projector") as caught:
        plan("lora", projector=LORA)
    assert caught.value.where == "towers.projector.train"
    assert "full" in caught.value.fix


def test_every_weight_has_one_tower_whatever_wraps_the_model(base, family):
    plain = {name: tower_of(name, family) for name, _ in base.named_parameters()}
    assert set(plain.values()) == {"vision", "projector", "language"}
    assert all(tower == "language" for name, tower in plain.items() if "language_model" in name or "lm_head" in name)
    for name, tower in plain.items():
        assert tower_of(f"base_model.model.{name}", family) == tower
        first, _, last = name.rpartition(".")
        assert tower_of(f"module.{first}.modules_to_save.default.{last}", family) == tower


def test_the_modules_of_a_tower_hold_all_its_weights_and_no_other(base, family):
    for part in ("vision", "projector"):
        modules = [base.get_submodule(name) for name in modules_of(base, part, family)]
        held = sum(weight.numel() for module in modules for weight in module.parameters())
        own = sum(weight.numel() for name, weight in base.named_parameters() if tower_of(name, family) == part)
        assert held == own > 0
        assert not any(isinstance(module, torch.nn.ModuleList) for module in modules)


def test_a_model_of_other_names_is_refused(base, family):
    with pytest.raises(ConfigError, match="no module named"):
        modules_of(base.model.language_model, "vision", family)


def test_freezing_leaves_gradients_to_whole_towers_alone(base, family, plan):
    freeze(base, plan("full", vision=FROZEN), family)
    for name, weight in base.named_parameters():
        assert weight.requires_grad == (tower_of(name, family) != "vision"), name


def test_every_tower_of_an_optimizer_gets_its_rate_and_keeps_its_decay(base, family, plan):
    weights = dict(base.named_parameters())
    decayed = [weight for weight in weights.values() if weight.ndim > 1]
    plain = [weight for weight in weights.values() if weight.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3)
    plans = plan("full", vision={"lr": 1e-5}, projector={"lr": 1e-2})

    OwnRates(plans, family).set_on(optimizer, base)

    found = {id(weight): group for group in optimizer.param_groups for weight in group["params"]}
    assert len(found) == len(weights) == sum(len(group["params"]) for group in optimizer.param_groups)
    for name, weight in weights.items():
        group = found[id(weight)]
        assert group["lr"] == plans[tower_of(name, family)].lr, name
        assert group["weight_decay"] == (0.1 if weight.ndim > 1 else 0.0), name


def test_an_optimizer_that_deepspeed_will_make_is_refused(base, family, plan):
    from accelerate.utils import DummyOptim

    with pytest.raises(ConfigError, match="DeepSpeed's file makes the optimizer"):
        OwnRates(plan("full"), family).set_on(DummyOptim(base.parameters()), base)
