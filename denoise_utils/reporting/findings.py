"""What the parameter-budget report found, and the columns that its tables show of it."""

from dataclasses import dataclass, field

from denoise_utils.measures import table
from denoise_utils.measures.verdicts import Verdict

EXEMPT = ("reference", "judge")  # roles that may be over the cap; any other word counts as capped

COLUMNS = {
    "file": ("file", "{}"),
    "task": ("task", "{}"),
    "role": ("role", "{}"),
    "parameters": table.PARAMETERS,
    "trainable": ("trainable", "{:,}"),
    "multiplications": table.MULTIPLICATIONS,
    "cap": ("cap", "{:,}"),
    "verdict": ("verdict", "{}"),
    "kilobytes": ("kB", "{:,.0f}"),
    "images": ("test images", "{:,}"),
    "val_bce": table.column_of("val", "bce"),
    **table.columns(table.FULL),
    "bce": table.column_of("test", "bce"),
}

STRENGTHS = {key: COLUMNS[key] for key in ("file", "task")} | {"noise": ("noise", "{}")}
STRENGTHS |= {"parameters": table.PARAMETERS} | table.columns(table.BRIEF)


@dataclass
class Report:
    """What the report found: a row per yardstick and per file, a sheet of images per model."""

    cap: int
    rows: list[dict] = field(default_factory=list)
    sheets: dict[str, dict] = field(default_factory=dict)  # file to {row title: images (10, H, W, C)}
    notes: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)  # what is said of each task whose dataset is not here
    elsewhere: list[dict] = field(default_factory=list)  # the project's own small models under other strengths

    @property
    def models(self) -> list[dict]:
        """The rows that stand for a file."""
        return [row for row in self.rows if row["role"] != "yardstick"]

    @property
    def capped(self) -> list[dict]:
        """The rows of models that are asked to keep to the cap."""
        return [row for row in self.models if row["role"] == "capped"]

    @property
    def noisy(self) -> dict[str, dict]:
        """The row of the noisy input of each task."""
        return {row["task"]: row for row in self.rows if row["file"] == table.NOISY}

    @property
    def label(self) -> str:
        """The names of the data that the scores were made on; empty if nothing was scored."""
        return "; ".join(dict.fromkeys(row["data"] for row in self.rows if "data" in row))

    @property
    def over(self) -> list[dict]:
        """The rows of capped models that are over the cap."""
        return [row for row in self.models if row["verdict"] == Verdict.OVER and row["role"] not in EXEMPT]

    @property
    def failed(self) -> list[dict]:
        """The rows of files that could not be read, or whose model could not be scored."""
        return [row for row in self.models if "reason" in row]

    @property
    def exit_code(self) -> int:
        """2 if a file could not be read, else 1 if a capped model is over its cap, else 0."""
        return 2 if self.failed else int(bool(self.over))
