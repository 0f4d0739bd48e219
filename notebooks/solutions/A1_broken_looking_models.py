# %% exercise 1
answer_1 = (459, 44)


# %% exercise 2
from math import comb


def differ(rate, seeds):
    chances = [comb(seeds, k) * rate**k * (1 - rate) ** (seeds - k) for k in range(seeds + 1)]
    return 1 - sum(chance**2 for chance in chances)


# %% exercise 3
answer_3 = [
    {"penalty": penalty, "crosses": crosses, "seed": number, "epochs": 100, "pictures": 54_000}
    for penalty, crosses in ((256, 5), (256, 10), (1, 10))
    for number in range(8)
]
