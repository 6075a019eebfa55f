"""The table that times ONNX files in turns, by its command."""

import pytest

from parity import onnx_speed


@pytest.mark.long
def test_a_row_for_each_batch(tmp_path, capsys):
    onnx_speed.main(["lenet5@32", "--rounds", "3", "--out", str(tmp_path / "speed.md")])
    lines = (tmp_path / "speed.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| lenet5@32")]
    assert [len(row) for row in rows] == [len(onnx_speed.HEAD)] * 2
    assert all(float(cell.split()[0]) > 0 for cell in rows[0][2:])
    assert rows[1][-3:] == ["", "", ""]  # the frameworks' own passes are of one image
