"""The playground page: saved models that clean a visitor's drawing in the browser, in one file."""
