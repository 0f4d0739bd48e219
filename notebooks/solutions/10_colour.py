# %% exercise 1
answer_1 = (1 + 0.25) / 4


# %% exercise 2
def least_mse(target, low, high):
    return np.mean((np.clip(target, low, high) - target) ** 2)


answer_2 = least_mse

# %% exercise 3
keras.utils.set_random_seed(0)
inputs = layers.Input((28, 28, 3))
x = layers.Conv2D(16, 3, padding="same", activation="relu")(inputs)
x = layers.Conv2D(16, 3, padding="same", activation="relu")(x)
answer_3 = keras.Model(inputs, layers.Conv2D(3, 3, padding="same", activation="tanh")(x))
answer_3.compile(keras.optimizers.Adam(4e-3), "mean_squared_error")
few_pictures = slice(profile.pick(4000, 400))
history = answer_3.fit(noisy[few_pictures], target[few_pictures], batch_size=16, epochs=profile.pick(2, 8), verbose=0)
