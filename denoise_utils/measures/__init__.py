"""What evaluation, report and grader share: the table of measures, the verdicts, the frame of a page."""
