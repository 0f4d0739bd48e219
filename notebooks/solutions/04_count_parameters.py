# %% exercise 1
answer_1 = (5 * 5 * 8 + 1) * 12


# %% exercise 2
def parameters_of(filters):
    """Return the parameters of the family's member of depth 1."""
    half = filters // 2
    return 10 * filters + (9 * filters + 1) * half + 9 * half + 1


answer_2 = 26

# %% exercise 3
inputs = x = layers.Input((28, 28, 1))
for number in (18, 18):  # no pooling: every weight works 784 times
    x = layers.Conv2D(number, 3, padding="same", activation="relu")(x)
answer_3 = keras.Model(inputs, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x))
