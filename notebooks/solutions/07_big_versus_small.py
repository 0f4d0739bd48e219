# %% exercise 1
answer_1 = (4 * 4 * 8, (3 * 3 * 8 + 1) * 8)


# %% exercise 2
def bill(model, pictures, epochs):
    a_step = 3 * models.count_multiplications(model)  # one forward, two backward
    return a_step * pictures * epochs


once = 3 * 54_000 * 24 * 38.8e6  # of `shared`, by the table
answer_2 = bill(originals.project_w_big(), 54_000, 15) / once

# %% exercise 3
import keras
from keras import layers

keras.utils.set_random_seed(0)
inputs = x = layers.Input((28, 28, 1))
for _ in range(2):
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
answer_3 = keras.Model(inputs, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x))
answer_3.compile(keras.optimizers.Adam(4e-3), loss="binary_crossentropy")
mine = train[:6000]
ten_marks = noise.add_watermark(mine, 10, seed=1)
history = answer_3.fit(ten_marks, mine, batch_size=16, epochs=profile.pick(3, 20), verbose=0)
