"""What a machine cannot load is said before anything is loaded; what is loaded in 4 bits is the language tower."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from medft_bm.core.errors import ConfigError, DependencyError, MedftError
from medft_bm.models import load_model_family
from medft_bm.models.base import ModelFamily
from medft_bm.models.loading import load_image_text_model, require_flash_attention
from medft_bm.models.quantization import four_bit
from medft_bm.models.tiny import BUILDERS, build_tiny

torch.set_num_threads(1)


@pytest.fixture(scope="module", params=sorted(BUILDERS))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("loading") / request.param
    build_tiny(request.param, path, ["How wide is it?"], seed=0, hidden=64, layers=(1, 1))
    return path


@pytest.fixture(scope="module")
def family(folder: Path) -> ModelFamily:
    return load_model_family(str(folder))


@pytest.fixture
def quantized(folder: Path, family: ModelFamily):
    return family.load(str(folder), revision=None, dtype="float32", attention="sdpa", quantized=True).model


def test_float16_is_refused_with_the_reason(folder, family):
    with pytest.raises(ConfigError, match="become NaN without an error"):
        family.load(str(folder), revision=None, dtype="float16", attention="sdpa")


def test_float16_really_overflows_where_bfloat16_does_not(folder, family):
    """Large norm gains stand in for the large activations of the real checkpoint, which tiny ones do not have."""
    loaded = family.load(str(folder), revision=None, dtype="float32", attention="sdpa")
    for name, weight in loaded.model.named_parameters():
        if name.endswith(("post_feedforward_layernorm.weight", "mlp.down_proj.weight")):
            weight.data.mul_(1e6).add_(1e5)
    ids = torch.tensor([[3, 4, 5, 6]])
    with torch.inference_mode():
        assert loaded.model.to(torch.bfloat16)(input_ids=ids).logits.isfinite().all()
        assert not loaded.model.to(torch.float16)(input_ids=ids).logits.isfinite().all()


def test_only_the_language_tower_is_held_in_four_bits(quantized, family):
    for name, module in quantized.named_modules():
        if isinstance(module, torch.nn.Linear):
            four_bits = type(module).__name__ == "Linear4bit"
            assert four_bits == ("language_model" in name), name
    assert quantized.lm_head.weight is quantized.get_input_embeddings().weight


def test_four_bits_are_nf4_scaled_twice_and_stored_as_the_other_weights_are(folder, family):
    model = family.load(str(folder), revision=None, dtype="bfloat16", attention="sdpa", quantized=True).model
    packed = [weight for weight in model.parameters() if type(weight).__name__ == "Params4bit"]
    assert packed
    assert all(weight.dtype == torch.bfloat16 for weight in packed)
    assert all(weight.quant_state.quant_type == "nf4" and weight.quant_state.nested for weight in packed)
    assert all(weight.quant_state.dtype == torch.bfloat16 for weight in packed)


def first_gradient(model) -> torch.Tensor:
    layer = next(module for module in model.modules() if type(module).__name__ == "Linear4bit")
    seen = torch.linspace(-1, 1, 4 * layer.in_features).reshape(4, -1).requires_grad_()
    layer.train()(seen).square().sum().backward()
    return seen.grad


def evaluate(model) -> None:
    with torch.no_grad():
        model.eval()(input_ids=torch.tensor([[3, 4, 5, 6]]))


def test_an_evaluation_on_a_cpu_leaves_gradients_through_four_bits_as_they_were(quantized):
    before = first_gradient(quantized)
    evaluate(quantized)
    assert torch.equal(first_gradient(quantized), before)


def test_without_the_guard_an_evaluation_would_break_them(quantized):
    before = first_gradient(quantized)
    for module in quantized.modules():
        if type(module).__name__ == "Linear4bit":
            module.support_avx512bf16_for_cpu = True  # as bitsandbytes sets it where the processor can
    evaluate(quantized)
    try:
        after = first_gradient(quantized)
    except (RuntimeError, NotImplementedError):
        return
    assert after is None or not torch.equal(after, before)


def test_a_tower_of_another_name_would_be_quantised_and_is_refused(folder, family):
    towers = {**family.towers, "vision": ("eyes",)}
    with pytest.raises(ConfigError, match="vision tower is not named eyes"):
        load_image_text_model(str(folder), revision=None, dtype="float32", attention="sdpa", quantized_beside=towers)


def test_four_bits_without_bitsandbytes_say_what_to_install(monkeypatch):
    from medft_bm.models import quantization

    monkeypatch.setattr(quantization, "find_spec", lambda name: None)
    with pytest.raises(DependencyError, match="bitsandbytes") as caught:
        four_bit("bfloat16", {})
    assert caught.value.fix == "pip install bitsandbytes"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine may have what is needed")
def test_flash_attention_without_a_gpu_says_so_before_anything_is_read():
    with pytest.raises(ConfigError, match="none is visible"):
        load_image_text_model("never read", revision=None, dtype="float32", attention="flash_attention_2")


@pytest.mark.parametrize(
    ("capability", "installed", "message"),
    [((7, 5), True, r"8\.0 or newer, and this is a card, compute capability 7\.5"), ((8, 0), False, "not installed")],
)
def test_flash_attention_on_an_old_gpu_or_without_its_package_is_refused(monkeypatch, capability, installed, message):
    from medft_bm.models import loading

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    monkeypatch.setattr(loading, "find_spec", lambda name: object() if installed else None)
    with pytest.raises(MedftError, match=message) as caught:
        require_flash_attention()
    assert "sdpa" in caught.value.fix
