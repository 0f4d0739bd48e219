"""What the report, the grader and the commands say of a file."""

from enum import StrEnum


class Verdict(StrEnum):
    """The verdicts, the best first: the order in which grades are listed."""

    PASS = "PASS"
    OVER = "OVER"
    TIMEOUT = "TIMEOUT"
    MEMORY = "MEMORY"
    REFUSED = "REFUSED"
    BROKEN = "BROKEN"
    UNREADABLE = "UNREADABLE"  # of the report, which says no more than the reason
    MISSING = "missing"  # of somebody on the list of the class who handed in nothing
    LEFT_OUT = "left out"  # of what is no hand-in at all


def judge_size(parameters: int, cap: int) -> Verdict:
    """Return PASS for at most `cap` parameters, else OVER."""
    return Verdict.PASS if parameters <= cap else Verdict.OVER
