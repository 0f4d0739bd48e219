# %% exercise 1
answer_1 = {"clutter_square"}


# %% exercise 2
def answer_2(points):
    """Return the names of the points that no other dominates."""
    return [name for name, point in points.items() if not any(dominates(other, point) for other in points.values())]


# %% exercise 3
answer_3 = ("clutter_cap_baseline", "clutter_tiny", len(val.clean))
