"""What execute.py, verify.py and handout.py share: a kernel that shows its progress, figures, exercises."""
