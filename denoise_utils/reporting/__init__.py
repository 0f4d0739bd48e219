"""What the parameter-budget report asks for: the scores of all models of a task."""
