"""The commands of the page work on a fresh clone."""

from __future__ import annotations

import re

from medft_bm.config.load import load_config
from medft_bm.sources import load_source


def test_the_phantom_of_the_page_is_one_that_the_demo_draws(repository):
    page = (repository / "docs/predict.md").read_text(encoding="utf-8")
    named = re.search(r"medft predict (\S+)/(phantom-volumes-\w+)/P00001/image\.nii\.gz", page)
    data = load_config(repository / "tasks/demo.yaml", environ={}).config.data
    (part,) = (part for part in data.mix if part.name == "lesion size")

    assert named.groups() == (str(data.root), load_source(part.source, part.source_options)._folder())
