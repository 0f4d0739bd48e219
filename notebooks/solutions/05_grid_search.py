# %% exercise 1
answer_1 = 5 * 3 * 2  # 24 filters at depth 2 are over the cap


# %% exercise 2
class ProjectC(keras_tuner.HyperModel):
    def build(self, hp):
        keras.utils.set_random_seed(seed)
        model = models.capped_autoencoder(12, 1)
        rate = hp.Choice("learning_rate", [1e-3, 4e-3])
        model.compile(keras.optimizers.Adam(rate), "binary_crossentropy")
        return model


answer_2 = keras_tuner.GridSearch(
    ProjectC(), keras_tuner.Objective("val_loss", "min"), directory=tempfile.mkdtemp(), overwrite=True
)
arrays = train.noisy[:200], train.clean[:200]
answer_2.search(*arrays, validation_data=(val.noisy, val.clean), epochs=2, verbose=0)

# %% exercise 3
answer_3 = (26, 1, 8e-3, 8)
