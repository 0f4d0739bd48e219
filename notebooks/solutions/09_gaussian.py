# %% exercise 1
answer_1 = 0.2**2 / 2  # half of the random numbers are below 0, and become 0


# %% exercise 2
def estimate_sigma(noisy):
    return np.sqrt(2 * np.mean(noisy[:, :, :2] ** 2, axis=(1, 2, 3)))


# %% exercise 3
def denoise(noisy):
    """Give back what is clean; else ask the network that is best at the nearest strength."""
    strengths = np.array(list(at))
    nearest = strengths[np.abs(estimate_sigma(noisy)[:, None] - strengths).argmin(axis=1)]
    answer = noisy.copy()
    for s in set(nearest) - {0}:
        best_name = max(networks, key=lambda name, s=s: psnr[name, s][0])
        answer[nearest == s] = evaluation.predict(networks[best_name][0], noisy[nearest == s])
    return answer
