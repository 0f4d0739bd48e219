# %% exercise 1
answer_1 = 2


# %% exercise 2
def answer_2(model):
    """Return how many numbers the model stores."""
    return sum(int(np.prod(weight.shape)) for weight in model.weights)


# %% exercise 3
scored = [row for row in found.models if row.get("excess") is not None]
answer_3 = next(
    (a, b)
    for a in scored
    for b in scored
    if (a["task"], a["noise"]) == (b["task"], b["noise"])
    and a["multiplications"] < b["multiplications"]
    and a["excess"] < b["excess"]
)
