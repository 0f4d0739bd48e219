# %% exercise 1
answer_1 = {"clutter_square"}


# %% exercise 2
def answer_2(points):
    """Return the names of the points that no other dominates."""
    return [name for name, point in points.items() if not any(dominates(other, point) for other in points.values())]


# %% exercise 3
first, second = SEEDS[::2] if SEEDS[2] in errors else list(errors)[:2]
step = profile.pick(25, 5)
mixed = np.random.default_rng(2).permutation(len(val.clean))


def excludes_0(number):
    """Tell whether the interval of the difference on the first `number` pictures excludes 0."""
    some = (errors[first] - errors[second])[mixed[:number]]
    draws = np.random.default_rng(seed).integers(0, number, (1000, number))
    low, high = np.percentile(some[draws].mean(axis=1), (2.5, 97.5))
    return low > 0 or high < 0


numbers = range(step, len(val.clean) + 1, step)
answer_3 = next((number for number in numbers if excludes_0(number)), 0)
