# %% exercise 1
answer_1 = 122


# %% exercise 2
def best_answer(pictures, cases, loss):
    stack = np.repeat(pictures, cases, axis=0)
    return np.median(stack, axis=0) if loss == "L1" else stack.mean(axis=0)


# %% exercise 3
def answer_3(noisy, overlay):
    return 2 * noisy - overlay.mean(axis=0)
