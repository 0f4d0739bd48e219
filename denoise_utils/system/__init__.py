"""What the operating system asks for: Ctrl-C, output streams, a stranger's text, errors in one line."""
