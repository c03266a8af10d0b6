"""Weights of published models, what fits where, and the verb."""

import json

import pytest
import torch
from tests.train.conftest import make_config

from medft_bm.cli.main import main
from medft_bm.core.errors import ConfigError
from medft_bm.core.geometry import Size
from medft_bm.models.cells import Cells
from medft_bm.models.gemma3 import Gemma3
from medft_bm.models.qwen2_5_vl import Qwen25VL
from medft_bm.models.tiny import build_tiny
from medft_bm.plan.activations import Growth, activations, growth
from medft_bm.plan.machines import Estimator, Machine, extent, machines
from medft_bm.plan.memory import GIB, Weights, four_bit_bytes, memory
from medft_bm.plan.skeleton import Precision, skeleton
from medft_bm.plan.trace import Activations, Largest

STRATEGIES = ("ddp", "zero2", "fsdp", "zero3", "zero2_offload", "zero3_offload")


def medgemma_4b():
    """The published shape of MedGemma 4B."""
    from transformers import Gemma3Config

    text = {"hidden_size": 2560, "num_hidden_layers": 34, "intermediate_size": 10240, "num_attention_heads": 8}
    text |= {"num_key_value_heads": 4, "head_dim": 256, "vocab_size": 262208, "sliding_window": 1024}
    vision = {"hidden_size": 1152, "num_hidden_layers": 27, "intermediate_size": 4304, "num_attention_heads": 16}
    vision |= {"image_size": 896, "patch_size": 14, "vision_use_head": False}
    pixels = {"pixel_values": torch.empty(1, 3, 896, 896, device="meta")}
    family = Gemma3(Size(896, 896), 256)
    return Gemma3Config(text_config=text, vision_config=vision), family, Largest(200, 256, 12, pixels)


def qwen_7b():
    """The published shape of Qwen2.5-VL 7B."""
    from transformers import Qwen2_5_VLConfig

    text = {"hidden_size": 3584, "num_hidden_layers": 28, "intermediate_size": 18944, "num_attention_heads": 28}
    text |= {"num_key_value_heads": 4, "vocab_size": 152064}
    text |= {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]}}
    vision = {"hidden_size": 1280, "depth": 32, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 3584}
    vision |= {"patch_size": 14, "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31]}
    pixels = {"pixel_values": torch.empty(1600, 1176, device="meta"), "image_grid_thw": torch.tensor([[1, 40, 40]])}
    family = Qwen25VL(Cells(28, 3136, 1003520))
    config = Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=False)
    return config, family, Largest(200, 400, 12, pixels)


SHAPES = {
    "gemma3": (medgemma_4b, 4_300_079_472, 34 * 2560, 2.0e9),
    "qwen2_5_vl": (qwen_7b, 8_292_166_656, 28 * 3584, 5.0e9),
}


@pytest.fixture(scope="module", params=SHAPES)
def published(request, tmp_path_factory):
    make, total, *_ = SHAPES[request.param]
    settings, family, largest = make()
    folder = tmp_path_factory.mktemp(request.param)
    settings.save_pretrained(folder)
    return folder, family, largest, total


def planned(published, method, **train):
    folder, family, *_ = published
    config = make_config(folder, folder / "run", method=method, lora={"rank": 16}, **train)
    precision = Precision.on_gpu(config)
    return config, precision, skeleton(config, family, precision)


def test_weights_of_published_models_are_counted_without_them(published):
    _, _, model = planned(published, "lora")

    layers = [module for name, module in model.base.named_modules() if hasattr(module, "lora_A")]

    assert sum(model.total.values()) == published[3]
    assert (
        sum(model.trainable.values())
        == model.trainable["language"]
        == sum(16 * (layer.in_features + layer.out_features) for layer in layers)
    )
    assert all(weight.device.type == "meta" for weight in model.model.parameters())


def test_what_fits_follows_what_is_known_of_these_models(published):
    usable = {machine.name: machine.usable for machine in machines(["L4", "H100", "8xH100"])}
    needs = {}
    for method in ("lora", "qlora", "full"):
        config, precision, model = planned(published, method, device_batch=1, gradient_checkpointing=True)
        one = activations(model, published[2], 1, precision, checkpointing=True)
        grown = {True: Growth(one, one, one)}
        estimator = Estimator(Weights.of(model), grown, config.train)
        needs[method] = {name: estimator.choice(1, True, name, 8).memory.total for name in STRATEGIES}

    assert needs["qlora"]["ddp"] < usable["L4"]
    assert needs["qlora"]["ddp"] < needs["lora"]["ddp"] < usable["H100"]
    assert needs["full"]["ddp"] > needs["full"]["zero2"] > needs["full"]["zero3"]
    assert needs["full"]["zero3"] < usable["8xH100"]
    assert needs["full"]["ddp"] > 16 * published[3]  # weights, gradients and two moments in float32


def test_recomputing_keeps_little_and_every_sample_adds_the_same(published):
    _, precision, model = planned(published, "lora")
    kept = {on: growth(model, published[2], precision, checkpointing=on) for on in (True, False)}
    again = activations(model, published[2], 1, precision, checkpointing=True)

    assert again == kept[True].one, "a trace leaves the model as it was"
    assert not any(module._forward_hooks for module in model.model.modules())
    assert kept[True].of(4).peak < 0.25 * kept[False].of(4).peak
    steps = [kept[False].of(n + 1).peak - kept[False].of(n).peak for n in (2, 5)]
    assert steps[0] == steps[1] > 0


def test_four_bits_are_as_large_as_bitsandbytes_makes_them():
    from bitsandbytes.functional import quantize_4bit

    weight = torch.randn(96, 640)
    packed, state = quantize_4bit(weight, compress_statistics=True, quant_type="nf4")
    tables = (state.absmax, state.code, state.state2.absmax, state.state2.code, state.offset)

    assert four_bit_bytes(weight.numel()) == packed.nbytes + sum(table.nbytes for table in tables)


def test_several_gpus_share_what_the_strategy_says():
    weights = Weights(
        frozen=8e9, trained=1_000_000_000, trained_bytes=4, largest_layer=10**8, outside=10**8, dequantized=0
    )
    nothing = Activations(0, 0, 0, 0, 0)
    of = {name: memory(weights, nothing, name, 4, optimizer_bytes=8) for name in STRATEGIES}

    assert of["ddp"].weights == 12e9
    assert of["fsdp"].weights == 3e9
    assert of["fsdp"].optimizer == of["ddp"].optimizer / 4
    assert of["zero2"].weights == 10e9  # trained weights in two bytes
    assert of["zero2"].optimizer == 3e9  # two moments, and a copy in float32
    assert of["zero3"].weights == of["zero2"].weights / 4
    assert of["zero2_offload"].optimizer == 0
    assert of["zero2_offload"].host > 3e9


def test_steps_are_those_of_the_trainer():
    train = make_config("x", "y", max_steps=-1, epochs=3, device_batch=2, accumulation=4).train

    assert extent(train, rows=100, count=1) == (39, 300)  # 50 micro-batches are 13 steps
    assert extent(train, rows=100, count=4) == (12, 300)
    assert extent(train.model_copy(update={"max_steps": 5}), rows=100, count=1) == (5, 39)


def test_gpus_are_found_by_name_and_number():
    assert [machine.name for machine in machines(["l4", "8xA100-80GB"])] == ["L4", "8xA100-80GB"]
    assert machines(["2xH100"]) == [Machine(machines(["H100"])[0].gpu, 2)]
    for word, said in {"H1000": "unknown GPU", "0xL4": "unknown GPU", "": "unknown GPU", "T4": "no bfloat16"}.items():
        with pytest.raises(ConfigError, match=said):
            machines([word])


def test_the_verb_plans_without_weights(tmp_path, capsys):
    build_tiny("qwen2_5_vl", tmp_path / "model", ["How wide is it, in mm?"], seed=0, hidden=64)
    (tmp_path / "model" / "model.safetensors").unlink()
    (tmp_path / "mix.yaml").write_text(
        "data:\n  root: phantoms\n  mix:\n"
        "    - {task: detection, source: phantom, source_options: {kind: volumes, subjects: 12}}\n"
        "  split: {validation: 0.1, test: 0.2}\nmodel: {name: model}\n"
    )
    places = [f"data.root={tmp_path / 'raw'}", f"data.cache={tmp_path / 'cache'}", f"model.name={tmp_path / 'model'}"]
    words = ["plan", str(tmp_path / "mix.yaml"), *places]

    assert main([*words, "--gpu", "L4", "2xH100", "--price-per-hour", "2"]) == 0
    said = capsys.readouterr().out
    assert main([*words, "--gpu", "L4", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)

    assert max(map(len, said.splitlines())) <= 100
    assert all(name in said for name in ("vision", "optimizer", "2xH100", "cost"))
    assert facts["machines"][0]["fits"] is True
    assert facts["machines"][0]["configured"]["memory"]["weights"] > 0
    assert facts["parameters"]["trainable"]["vision"] == 0
    assert sum(one["share"] for one in facts["image_token_histogram"]) == pytest.approx(1)
    assert facts["machines"][0]["usable"] < 24 * GIB
