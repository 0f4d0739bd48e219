"""Exported models: the same pictures without Keras, and a word where an exporter is missing."""

import sys

import numpy as np
import pytest

from denoise_utils import models, saving
from denoise_utils.pictures import export
from tests.conftest import ROOT


@pytest.mark.parametrize("ending", [".onnx", pytest.param(".tflite", marks=pytest.mark.stress)])
def test_exported_model_gives_the_same_pictures(tmp_path, digits, ending):
    if export.missing(ending):
        pytest.skip(f"{', '.join(export.missing(ending))} not installed")
    model = saving.load_model(ROOT / "models" / "gaussian_small.h5")
    path = tmp_path / f"small{ending}"
    export.export_model(model, path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name] and path.stat().st_size < 100_000
    for num_images in (1, 7):
        found = export.run_exported(path, digits[:num_images])
        assert np.abs(found - model.predict_on_batch(digits[:num_images])).max() < 1e-5
        assert np.abs(found - digits[:num_images]).max() > 1e-2


@pytest.mark.parametrize("ending", [".onnx", ".tflite"])
def test_step_of_both_signs_is_exported_too(tmp_path, digits, ending):
    if export.missing(ending):
        pytest.skip(f"{', '.join(export.missing(ending))} not installed")
    model = models.tied_denoiser(6, 3, separable=True, signs=True)
    export.export_model(model, tmp_path / f"signs{ending}")
    found = export.run_exported(tmp_path / f"signs{ending}", digits[:3])
    assert np.abs(found - model.predict_on_batch(digits[:3])).max() < 1e-5


def test_missing_exporter_is_named_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    assert "tf2onnx" in export.missing(".onnx")
    with pytest.raises(ModuleNotFoundError, match=r"tf2onnx.* for \.onnx: pip install -e .\.\[export\]"):
        export.export_model(None, tmp_path / "x.onnx")
    with pytest.raises(ValueError, match=r"\.onnx or \.tflite, got \.txt"):
        export.missing(".txt")
