"""What the parameter-budget report found, and the columns that its tables show of it."""

from dataclasses import dataclass, field

from denoise_utils import profiles
from denoise_utils.measures import table
from denoise_utils.measures.verdicts import Verdict

EXEMPT = ("reference", "judge")  # roles that may be over the cap; any other word counts as capped

COLUMNS = {  # of budget.csv
    "file": ("file", "{}"),
    "task": ("task", "{}"),
    "noise": ("noise", "{}"),
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

# Of a table for readers; each row is a model's, or a yardstick's.
LISTED = {"rank": ("rank", "{}"), "file": COLUMNS["file"], "size": ("parameters", "{}")}
LISTED |= {"multiplications": table.MULTIPLICATIONS} | table.values(table.BRIEF)
STRENGTHS = {key: COLUMNS[key] for key in ("file", "task", "noise", "parameters")} | table.values(table.BRIEF)


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
    def groups(self) -> dict[tuple[str, str], list[dict]]:
        """The rows by the task and the noise that they were scored on, each group the best model first."""
        found = {}
        for row in self.rows:
            if row["verdict"] != Verdict.UNREADABLE:
                found.setdefault((row["task"], row["noise"]), []).append(row)
        return {key: sorted(rows, key=_place) for key, rows in found.items()}

    @property
    def noisy(self) -> dict[tuple[str, str], dict]:
        """The row of the noisy input of each group."""
        return {(row["task"], row["noise"]): row for row in self.rows if row["file"] == table.NOISY}

    @property
    def label(self) -> str:
        """The names of the data that the scores were made on; empty if nothing was scored."""
        return "; ".join(dict.fromkeys(row["data"] for row in self.rows if "data" in row))

    @property
    def over(self) -> list[dict]:
        """The rows of capped models that are over the cap."""
        return [row for row in self.models if row["verdict"] == Verdict.OVER and not is_exempt(row)]

    @property
    def failed(self) -> list[dict]:
        """The rows of files that could not be read, or whose model could not be scored."""
        return [row for row in self.models if "reason" in row]

    @property
    def exit_code(self) -> int:
        """2 if a file could not be read, else 1 if a capped model is over its cap, else 0."""
        return 2 if self.failed else int(bool(self.over))


def is_exempt(row: dict) -> bool:
    """Say whether a model is over the cap and may be."""
    return row["verdict"] == Verdict.OVER and row["role"] in EXEMPT


def title_of(task: str, noise: str) -> str:
    """Return the heading of a group, such as "clutter, mix sum"."""
    return ", ".join(filter(None, (task, noise)))


def _place(row):
    """Return what sorts a group: yardsticks as they come, then the models, the best first."""
    if row["role"] == "yardstick":
        return (0, 0)
    return (1, table.MEASURES[profiles.RANKED_BY].order(row.get(profiles.RANKED_BY)))


def list_rows(rows: list[dict]) -> list[dict]:
    """Return the rows of a group as LISTED shows them: with a rank, and the verdict beside the parameters."""
    listed, rank = [], 0
    for row in rows:
        is_ranked = "parameters" in row and "images" in row  # neither a yardstick nor one that could not be scored
        rank += is_ranked
        size = {"size": _tell_size(row)} if "parameters" in row else {}
        listed.append(row | size | ({"rank": rank} if is_ranked else {}))
    return listed


def _tell_size(row):
    return f"{row['parameters']:,} {row['verdict']}" + (f", {row['role']}" if is_exempt(row) else "")
