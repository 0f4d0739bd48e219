"""Put the solutions of exercises in their cells, and tell which of them the checks do not call right."""

import jupytext

WRONG = ("not yet", "not answered yet")  # how a line of lessons.check begins that is not "right"


def tagged(notebook, tag):
    """Return the cells with a tag, such as "exercise" or "check", each with its place in the notebook."""
    return [(place, cell) for place, cell in enumerate(notebook.cells) if tag in cell.metadata.get("tags", [])]


def read_solutions(path):
    """Return the code of the cells `# %% exercise 1`, `# %% exercise 2`, ... of the file at `path`, in order.

    Raises ValueError if they are not numbered so.
    """
    cells = [cell for cell in jupytext.read(path).cells if cell.cell_type == "code"]
    titles = [cell.metadata.get("title", "") for cell in cells]
    if titles != [f"exercise {number}" for number in range(1, len(cells) + 1)]:
        raise ValueError(
            f"Expected the cells of {path} to be called exercise 1, exercise 2, ..., got {', '.join(titles)}."
        )
    return [cell.source for cell in cells]


def put_in(notebook, solutions, name):
    """Replace the cells tagged "exercise" of the notebook called `name` by `solutions`, one each.

    Raises ValueError if there are not as many, or if one has no cell tagged "check" before the next.
    """
    cells = tagged(notebook, "exercise")
    if len(cells) != len(solutions):
        raise ValueError(f"Expected a solution for each of the {len(cells)} exercises of {name}, got {len(solutions)}.")
    for number, ((_, cell), solution) in enumerate(zip(cells, solutions, strict=True), 1):
        if find_check(notebook, number) is None:
            raise ValueError(f'Expected a cell tagged "check" after exercise {number} of {name}, found none.')
        cell.source = solution


def find_check(notebook, number):
    """Return the first cell tagged "check" between exercise `number` and the next one, or None."""
    places = [place for place, _ in tagged(notebook, "exercise")] + [len(notebook.cells)]
    first, last = places[number - 1], places[number]
    return next((cell for place, cell in tagged(notebook, "check") if first < place < last), None)


def find_wrong(notebook):
    """Return (number of the exercise, what was printed) for each whose check cell does not print "right" alone."""
    found = []
    for number in range(1, len(tagged(notebook, "exercise")) + 1):
        check = find_check(notebook, number)
        printed = "".join(output.text for output in check.outputs if output.output_type == "stream")
        lines = printed.splitlines()
        if "right" not in lines or any(line.startswith(WRONG) for line in lines):
            found.append((number, printed.strip() or "nothing"))
    return found
