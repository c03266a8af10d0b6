"use strict";
// Order of the rows by a column. The page is complete without it.
(() => {
  for (const table of document.querySelectorAll(".board")) {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (!head.dataset.sort) return;
      const button = Object.assign(document.createElement("button"), { type: "button" });
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        const key = (row) => row.cells[column].dataset.key ?? row.cells[column].textContent.trim();
        const empty = (text) => text === "";
        const rows = [...body.rows].sort((a, b) => {
          const [x, y] = [key(a), key(b)];
          if (empty(x) || empty(y)) return empty(x) - empty(y); // without a value: last, either way
          const order = head.dataset.sort === "text" ? x.localeCompare(y) : Number(x) - Number(y);
          return down ? -order : order;
        });
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        body.append(...rows);
      });
    });
  }
})();
