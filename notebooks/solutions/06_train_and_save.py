# %% exercise 1
val_losses = [0.20, 0.15, 0.13, 0.14, 0.135, 0.132, 0.131, 0.125, 0.12]
answer_1 = (6, 3)

# %% exercise 2
keras.utils.set_random_seed(1)
inputs = layers.Input((28, 28, 1))
x = layers.Conv2D(16, 3, padding="same", activation="relu")(inputs)
x = layers.MaxPooling2D(2)(x)
x = layers.Conv2D(16, 3, padding="same", activation="relu")(x)
x = layers.UpSampling2D(2)(x)
x = layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x)
mine = keras.Model(inputs, x)
mine.compile(keras.optimizers.Adam(4e-3), loss="binary_crossentropy")
path_of_mine = f"{folder.name}/mine.h5"
watching = [
    keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True),
    keras.callbacks.ModelCheckpoint(path_of_mine, monitor="val_loss", save_best_only=True),
]
with saving.without_legacy_warning():
    history = mine.fit(
        noisy,
        clean,
        batch_size=8,
        epochs=profile.pick(2, 20),
        validation_data=(val.noisy, val.clean),
        callbacks=watching,
        verbose=0,
    )
answer_2 = (path_of_mine, history)

# %% exercise 3
keras.utils.set_random_seed(2)
inputs = layers.Input((28, 28, 1))
x = layers.Conv2D(12, 3, padding="same", activation="relu")(inputs)
x = layers.MaxPooling2D(2)(x)
x = layers.Conv2D(6, 3, padding="same", activation="relu")(x)
x = layers.UpSampling2D(2)(x)
answer_3 = keras.Model(inputs, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x))
answer_3.compile(keras.optimizers.Adam(4e-3), loss="binary_crossentropy")
history = answer_3.fit(noisy, clean, batch_size=8, epochs=profile.pick(12, 20), verbose=0)
