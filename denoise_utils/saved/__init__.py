"""What is saved with the weights: the card, and a configuration that older versions of Keras read."""
