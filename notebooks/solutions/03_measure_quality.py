# %% exercise 1
answer_1 = 10 * np.log10(16)


# %% exercise 2
def mean_excess(answer, clean):
    def cross_entropy(p):
        p = np.clip(p.astype(float), 1e-7, 1 - 1e-7)
        return (-clean * np.log(p) - (1 - clean) * np.log(1 - p)).mean(axis=(1, 2, 3))

    return cross_entropy(answer) - cross_entropy(clean)


answer_2 = mean_excess


# %% exercise 3
def my_measure(images, clean):
    """Return the correlation of each picture with its clean one: neither brightness nor contrast counts."""
    a, b = (one.reshape(len(one), -1) - one.mean(axis=(1, 2, 3))[:, None] for one in (images, clean))
    return (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
