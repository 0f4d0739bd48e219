"use strict";
// A click on a heading sorts the table; what has no value stays last. A word in the filter leaves what has it.
for (const table of document.querySelectorAll("table")) {
  const ranked = table.querySelector("tbody.ranked");
  table.querySelectorAll("th button").forEach((button, column) => button.addEventListener("click", () => {
    const head = button.parentElement, down = head.getAttribute("aria-sort") === "ascending";
    table.querySelectorAll("th").forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = row => row.cells[column].dataset.value;
    const compare = (a, b) => isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
    const rows = [...ranked.rows].sort((a, b) => {
      if (!value(a) || !value(b)) return !value(a) - !value(b);
      return compare(value(a), value(b)) * (down ? -1 : 1);
    });
    ranked.append(...rows);
  }));
}
for (const input of document.querySelectorAll(".filter input")) {
  input.addEventListener("input", () => {
    const word = input.value.trim().toLowerCase();
    for (const one of document.querySelectorAll("tbody.ranked tr, .cards .card"))
      one.hidden = !one.textContent.toLowerCase().includes(word);
  });
}
