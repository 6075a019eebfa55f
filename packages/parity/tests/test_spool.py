"""Arrays that wait on disk come back as they went, whatever their size, layout and dtype."""

import numpy as np

from parity.spool import IN_MEMORY, Spool


def test_what_went_in_comes_out():
    arrays = {
        "scalar": np.float64(3.5).reshape(()),
        "empty": np.empty((0, 3), np.float32),
        "transposed": np.arange(24, dtype=np.float64).reshape(2, 3, 4).transpose(2, 0, 1),
        "whole numbers": np.arange(5),
        "large": np.arange(IN_MEMORY // 4, dtype=np.float64),
    }
    spool = Spool(arrays.items())
    assert list(spool) == list(arrays)
    assert len(spool) == len(arrays)
    for name, array in arrays.items():
        assert spool[name].dtype == array.dtype
        np.testing.assert_array_equal(spool[name], array, strict=True)
    spool["large"][:] = 0  # a copy: what waits is not changed
    np.testing.assert_array_equal(spool["large"], arrays["large"])
