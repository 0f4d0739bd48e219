"""What a training or a search runs on: settings, its folder, callbacks, optimizers, trials, several processes."""
