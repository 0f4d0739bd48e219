"""What the report and the grader share: the page that both are laid out on."""
