"""Optimizers: schedules, Muon, and SOAP beside a plain version of it in NumPy."""

import keras
import numpy as np
import pytest

from denoise_utils import models
from denoise_utils.running import optimizers


def test_cosine_schedule_warms_up_and_ends_at_zero():
    optimizer, values = optimizers.make_optimizer("adam", 1e-2, "cosine", 1000), []
    for step in (0, 50, 525, 1000):
        optimizer.iterations.assign(step)
        values.append(float(optimizer.learning_rate))
    assert values[0] == 0 and values[1] == pytest.approx(1e-2)
    assert values[2] == pytest.approx(5e-3, rel=0.01) and values[3] == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match='got "linear"'):
        optimizers.make_optimizer("adam", 1e-2, "linear", 10)


def test_muon_orthogonalises_the_steps_of_feature_kernels_and_no_others():
    model = models.tied_denoiser(8, 2)
    before = {weight.path: weight.numpy() for weight in model.trainable_weights}
    optimizer = optimizers.make_optimizer("muon", 1e-2, "constant", 10)
    gradients = [
        keras.random.normal(weight.shape, seed=1) * np.geomspace(0.01, 1, weight.shape[-1], dtype=np.float32)
        for weight in model.trainable_weights
    ]
    optimizer.apply(gradients, model.trainable_weights)
    for weight in model.trainable_weights:
        step = before[weight.path] - weight.numpy()
        if weight.path == "shared/kernel":
            singular = np.linalg.svd(step.reshape(-1, 8), compute_uv=False)
            assert singular.max() < 2 * singular.min()  # of the gradient it is about a hundred times
        else:
            assert np.abs(step) == pytest.approx(1e-2, rel=0.1)  # the first step of Adam


def soap_in_numpy(weights, gradients, rate):
    """Return a matrix after SOAP's steps along `gradients`, by the paper's algorithm 3 in float64."""
    left, right = (np.eye(side) for side in weights.shape)
    of_left, of_right = (np.zeros((side, side)) for side in weights.shape)
    moment, square = np.zeros_like(weights), np.zeros_like(weights)
    for step, gradient in enumerate(gradients, 1):
        moment = 0.9 * moment + 0.1 * gradient
        square = 0.95 * square + 0.05 * (left.T @ gradient @ right) ** 2
        ahead = left.T @ moment @ right / (1 - 0.9**step)
        weights = weights - rate * left @ (ahead / (np.sqrt(square / (1 - 0.95**step)) + 1e-8)) @ right.T
        of_left = 0.95 * of_left + 0.05 * gradient @ gradient.T
        of_right = 0.95 * of_right + 0.05 * gradient.T @ gradient
        if step == 10:
            left, right = (np.linalg.eigh(average)[1][:, ::-1] for average in (of_left, of_right))
        elif step % 10 == 0:
            left, right = np.linalg.qr(of_left @ left)[0], np.linalg.qr(of_right @ right)[0]
    return weights


def take_steps(optimizer, variable, gradients):
    for gradient in gradients:
        optimizer.apply([gradient], [variable])


@pytest.mark.parametrize("shape", [(3, 1, 2, 4), (6, 4)], ids=["kernel", "matrix"])
def test_soap_takes_the_steps_of_a_plain_version_in_numpy(rng, shape):
    start = rng.normal(size=shape)
    scales = np.geomspace(0.1, 3, 6)[:, None] * np.geomspace(1, 4, 4)  # unlike directions, or all bases are as good
    mixed = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    gradients = [mixed @ (scales * rng.normal(size=(6, 4))) for _ in range(35)]
    variable = keras.Variable(start.astype(np.float32))
    optimizer = optimizers.make_optimizer("soap", 1e-2, "constant", 35)
    take_steps(optimizer, variable, [gradient.reshape(shape).astype(np.float32) for gradient in gradients])
    expected = soap_in_numpy(start.reshape(6, 4), gradients, 1e-2)
    moved = np.abs(expected - start.reshape(6, 4)).max()
    assert variable.numpy().reshape(6, 4) == pytest.approx(expected, abs=2e-3 * moved)
    adam = keras.Variable(start.astype(np.float32))
    take_steps(
        keras.optimizers.Adam(1e-2, 0.9, 0.95, 1e-8), adam, [g.reshape(shape).astype(np.float32) for g in gradients]
    )
    assert np.abs(adam.numpy().reshape(6, 4) - expected).max() > 0.05 * moved, "the bases must matter"


@pytest.mark.parametrize("shape", [(5,), (3, 3, 4, 1), (1, 7), (600, 2), (2, 3, 4)])
def test_soap_leaves_to_adam_what_has_one_column_or_many_rows_or_is_no_kernel(rng, shape):
    start, gradients = (
        rng.normal(size=shape).astype(np.float32),
        [rng.normal(size=shape).astype(np.float32) for _ in range(25)],
    )
    ours, adam = keras.Variable(start), keras.Variable(start)
    take_steps(optimizers.make_optimizer("soap", 1e-2, "constant", 25), ours, gradients)
    take_steps(keras.optimizers.Adam(1e-2, 0.9, 0.95, 1e-8), adam, gradients)
    assert ours.numpy() == pytest.approx(adam.numpy(), abs=1e-5)
    assert np.abs(ours.numpy() - start).max() > 0.01


def test_soap_is_built_again_from_its_configuration():
    optimizer = optimizers.SOAP(1e-3, every=7, most=64)
    again = optimizers.SOAP.from_config(optimizer.get_config())
    assert again.get_config() == optimizer.get_config() and (again.every, again.most) == (7, 64)
