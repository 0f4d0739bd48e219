# %% exercise 1
answer_1 = 61


# %% exercise 2
def best_answer(pictures, cases, loss):
    stack = np.repeat(pictures, cases, axis=0)
    return np.median(stack, axis=0) if loss == "L1" else stack.mean(axis=0)


# %% exercise 3
answer_3 = 2 * train.noisy - pairs.overlay.mean(axis=0)
