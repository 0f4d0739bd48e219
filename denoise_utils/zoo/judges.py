"""Train a judge of legibility: the course's, under a seed of one's own, so that nobody can train against it."""

from pathlib import Path

import numpy as np

from denoise_utils import data, evaluation, saving
from denoise_utils.profiles import Profile

DATASET = "mnist"


def check_data(profile: Profile) -> None:
    """Raise FileNotFoundError unless the digits are here, or the profile has stand-ins."""
    data.load_splits(DATASET, num_train=1, num_val=1, num_test=1, profile=profile)


def train(profile: Profile, seed: int, name: str | None = None, folder: Path | None = None) -> tuple:
    """Train the classifier of notebook 03 under `seed`, as a run; return (its .h5, the share of val that it reads).

    It is saved as `name`.h5, by default judge_SEED, in `folder`, by default build/judges/.
    """
    from denoise_utils import models, training

    sizes = {"num_train": profile.num_train, "num_val": profile.num_val, "num_test": 1, "profile": profile}
    digits = data.load_splits(DATASET, **sizes)
    parts = [(part.images, part.labels) for part in (digits.train, digits.val)]
    record = {"task": "digits", "datasets": {digits.name: digits.sha256}, "seed": seed}
    run = training.train(
        models.digit_judge,
        *parts,
        name=name or f"judge_{seed}",
        runs=profile.runs,
        record=record | {"images": len(digits.train.images)},
        epochs=profile.judge_epochs,
        augment=data.shift_randomly,
        loss="sparse_categorical_crossentropy",
        schedule="cosine",
        batch_size=64,
        learning_rate=3e-3,
        seed=seed,
        score=lambda model: {"accuracy": _read(model, digits.val)},
    )
    folder = folder or profile.root / "build" / "judges"
    about = {"limits": "Reads clean digits only; a measure, not a denoiser.", "scores": {}}
    saving.save_run(run, folder, task="digits", role="judge", noisy_scores=None, **about)
    return folder / f"{run.name}.h5", run.scores["accuracy"]


def _read(model, part):
    return float(np.mean(evaluation.read_digits(model, part.images) == part.labels))
