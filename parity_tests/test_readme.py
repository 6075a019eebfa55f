"""The README shows code as it stands in the files that it names."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n# (\S+)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_the_same_op_is_shown_four_times():
    assert len(BLOCKS) == 4
    for path, code in BLOCKS:
        assert code.strip() in (ROOT / path).read_text(), f"the README's excerpt of {path} is not what stands there"
