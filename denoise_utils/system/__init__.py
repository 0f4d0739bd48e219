"""What the operating system asks for: whole files, Ctrl-C, output streams, a stranger's text, errors in one line."""
