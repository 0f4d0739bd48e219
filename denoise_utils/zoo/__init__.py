"""The older projects' models; the table of trained models, how they are trained, how far they are, and once more."""
