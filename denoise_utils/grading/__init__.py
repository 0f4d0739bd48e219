"""Grade a class: find the submissions, a process for each, watched, then the ranking and its page."""
