import json

from medft_bm.evaluate.backends.transformers import Transformers
from medft_bm.evaluate.forgetting import FOLDER, forgetting_rows
from medft_bm.evaluate.run import evaluate_run


def test_what_was_known_before_is_compared_with_what_is_known_after(tmp_path, prepared, config, model):
    few = config.model_copy(update={"evaluate": config.evaluate.model_copy(update={"limit": 8})})
    folder = tmp_path / "evaluation" / FOLDER
    backend = Transformers(model, 6, 4)
    assert forgetting_rows(tmp_path, prepared, few) == []

    evaluate_run(prepared, few, "base", backend, folder)
    only = forgetting_rows(tmp_path, prepared, few)
    assert {tuple(row.results) for row in only} == {("base",)}
    assert all(row.change is None for row in only)

    before = few.model_copy(update={"evaluate": few.evaluate.model_copy(update={"limit": 4})})
    evaluate_run(prepared, before, "tuned", backend, folder)
    rows = forgetting_rows(tmp_path, prepared, before)
    assert {row.part for row in rows} == {part.name for part in prepared.parts}
    assert {row.n for row in rows} == {1}
    changes = [row.change.value for row in rows if row.change]
    assert changes
    assert set(changes) == {0.0}
    assert len(json.loads((folder / "base" / "scores.json").read_text())["samples"]) == 8
