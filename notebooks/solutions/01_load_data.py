# %% exercise 1
pictures = len(digits.train.images)
answer_1 = pictures * 28 * 28 * 1 * 4

# %% exercise 2
raw = np.uint8(np.round(sample[..., 0] * 255))


def prepare(raw):
    return np.float32(raw / 255)[..., None]


# %% exercise 3
def find_copies(suspects, library):
    moves = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    moved = [np.roll(suspects, move, axis=(1, 2)) for move in moves]
    errors = [((one[:, None] - library) ** 2).mean(axis=(2, 3, 4)) for one in moved]
    return np.min(errors, axis=(0, 2)) < 0.01
