"""What several processes note of their samples, and who is named."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from medft_bm.train.ledger import Ledger, not_finite


class TwoProcesses:
    """What accelerate answers when another process has the same number of rows, or fewer."""

    def __init__(self, table, ill=False):
        self.table, self.ill = table, ill

    def pad_across_processes(self, table, dim, pad_index):
        assert dim == 0
        self.table = torch.cat([self.table, self.table.new_full((len(table) - len(self.table), 4), pad_index)])
        return table

    def gather(self, table):
        return torch.cat([table, self.table])

    def reduce(self, numbers, reduction):
        assert reduction == "sum"
        return numbers + float(self.ill)


def noted(ledger, rows, losses):
    count = len(rows)
    out = SimpleNamespace(log_probs=-torch.tensor(losses)[:, None], label_mask=torch.ones(count, 1, dtype=torch.bool))
    ledger.note(out, torch.tensor(rows), torch.zeros(count, dtype=torch.long))


def test_a_row_that_two_processes_evaluate_counts_once():
    elsewhere = torch.tensor([[2, 0, 6.0, 1], [0, 0, 1.0, 1]], dtype=torch.float64)  # 0 again, to fill its batch
    ledger = Ledger(TwoProcesses(elsewhere), "token", ["a"])
    noted(ledger, [0, 1], [1.0, 2.0])
    noted(ledger, [3], [3.0])
    found, table = ledger.evaluation()
    assert table[:, 0].tolist() == [0, 1, 2, 3]
    assert found == pytest.approx({"loss": 3.0, "loss/a": 3.0})


@pytest.mark.parametrize("norm", [None, 1.0, torch.tensor(1.0)])
def test_a_process_stops_when_another_has_to(norm):
    elsewhere = torch.tensor([[7, 0, float("inf"), 1]], dtype=torch.float64)
    for ill in (False, True):
        ledger = Ledger(TwoProcesses(elsewhere, ill), "token", ["a"])
        noted(ledger, [4, 5], [1.0, 2.0])
        table = ledger.close_step(norm)
        assert (table is not None) == ill
    error = not_finite("loss", table, norm, 3, [{"uid": f"u{row}"} for row in range(9)])
    assert error.what == "loss is inf at step 3, with 1 of 3 samples"
    assert error.where == "sample u7"


def test_an_error_names_a_few_of_many():
    table = torch.zeros(20, 4, dtype=torch.float64)
    table[:, 0] = torch.arange(20)
    error = not_finite("loss", table, float("inf"), 3, [{"uid": f"u{row}"} for row in range(20)])
    assert error.where == "sample u0, u1, u2, u3, u4, u5, u6, u7 and 12 more"
