# %% exercise 1
answer_1 = (784 * 128 + 128) + (128 * 2 + 2) + (2 * 128 + 128) + (128 * 784 + 784)


# %% exercise 2
def build_decoder():
    decoder = keras.Sequential([keras.Input((8,))])
    decoder.add(layers.Dense(128, activation="relu"))
    decoder.add(layers.Dense(784, activation="sigmoid"))
    decoder.add(layers.Reshape((28, 28, 1)))
    return decoder


answer_2 = build_decoder


# %% exercise 3
def train_denoiser():
    model = build_autoencoder(8)[2]
    model.compile(optimizer="adam", loss="binary_crossentropy")
    model.fit(noisy_train, train, epochs=epochs, batch_size=32, verbose=0)
    return model
