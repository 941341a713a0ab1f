"use strict";
// Sortable tables: a button in every head, aria-sort says the state, sums in tfoot stay.
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const heads = [...table.tHead.rows[0].cells];
  const bodies = [...table.tBodies].filter((body) => !body.classList.contains("title"));
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const isNumber = head.classList.contains("number");
      const first = isNumber ? "descending" : "ascending";
      const second = isNumber ? "ascending" : "descending";
      const order = head.getAttribute("aria-sort") === first ? second : first;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const key = (row) => row.cells[column].dataset.sort;
      for (const body of bodies) {
        const rows = [...body.rows].sort((a, b) => {
          const x = key(a), y = key(b);
          if (x !== undefined && y !== undefined) return sign * (Number(x) - Number(y));
          const words = [a, b].map((row) => row.cells[column].textContent.trim());
          return sign * words[0].localeCompare(words[1], "en", { numeric: true });
        });
        body.append(...rows);
      }
    });
  });
}
// A link into a folded run opens it.
const unfold = () => {
  const target = document.getElementById(location.hash.slice(1));
  const inside = target && (target.closest("details") || target.querySelector("details.run"));
  if (inside) {
    inside.open = true;
    target.scrollIntoView();
  }
};
addEventListener("hashchange", unfold);
unfold();
// Paper shows what is open, and every fold in it.
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not(.run)")) part.open = true;
});
