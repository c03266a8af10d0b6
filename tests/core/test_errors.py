from __future__ import annotations

import pickle

import pytest

from medft_bm.core.errors import ConfigError, DataError, DependencyError, GeometryError, MedftError


@pytest.mark.parametrize(
    ("kind", "code"), [(MedftError, 1), (ConfigError, 2), (DependencyError, 3), (DataError, 4), (GeometryError, 4)]
)
def test_each_kind_has_its_exit_code_and_survives_the_way_back_from_a_worker(kind, code):
    back = pickle.loads(pickle.dumps(kind("lost", where="a.nii", fix="find it")))
    assert type(back) is kind
    assert back.exit_code == code
    assert str(back) == "lost\n  where: a.nii\n  fix: find it"


def test_an_error_without_place_and_remedy_is_one_line():
    assert str(DataError("lost")) == "lost"
