"""Where images come from: files, Keras, scikit-learn's small ones, and pickles that run nothing."""
