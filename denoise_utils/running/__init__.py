"""What a training or a search runs on: its folder, what happens between epochs, optimizers, several processes."""
