"""What the parameter-budget report asks for: what it found, the scores of all models of a task, the page."""
