"""The older projects' models, the table of trained models, and the variants that it was chosen from."""
