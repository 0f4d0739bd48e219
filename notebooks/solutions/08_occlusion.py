# %% exercise 1
answer_1 = 7


# %% exercise 2
def find_line(noisy):
    white = noisy == 1
    return (white.all(axis=2, keepdims=True) | white.all(axis=1, keepdims=True)) & white


# %% exercise 3
def mend(noisy):
    """Put the mean of the two neighbours across the line in its place."""
    in_row = np.all(noisy == 1, axis=2, keepdims=True)
    in_column = np.all(noisy == 1, axis=1, keepdims=True)
    across = (np.roll(noisy, 1, axis=1) + np.roll(noisy, -1, axis=1)) / 2
    beside = (np.roll(noisy, 1, axis=2) + np.roll(noisy, -1, axis=2)) / 2
    return np.where(in_row, across, np.where(in_column, beside, noisy))
