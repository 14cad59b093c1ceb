"use strict";
// Sorts and filters the tables of this page. It reads what stands in them, and knows nothing else.
(function () {
  function figure(cell) {
    const text = cell.dataset.value === undefined ? cell.textContent.replace(/,/g, "") : cell.dataset.value;
    return text.trim() === "" ? -1 : Number(text);
  }

  function sort(table, column, heading) {
    const body = table.tBodies[0];
    const isFigure = heading.classList.contains("value");
    const up = heading.getAttribute("aria-sort") ? heading.getAttribute("aria-sort") !== "ascending" : !isFigure;
    const rows = Array.from(body.rows, function (row) {
      const cell = row.cells[column];
      return [isFigure ? figure(cell) : cell.textContent, row];
    });
    const words = new Intl.Collator(document.documentElement.lang, { numeric: true });
    rows.sort(function (one, other) {
      const order = isFigure ? one[0] - other[0] : words.compare(one[0], other[0]);
      return up ? order : -order;
    });
    for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    body.append(...rows.map(function (pair) { return pair[1]; }));
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    Array.from(table.tHead.rows[0].cells).forEach(function (heading, column) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      button.addEventListener("click", function () { sort(table, column, heading); });
      heading.replaceChildren(button);
    });
  }

  const table = document.querySelector("table.filtered");
  if (table === null) return;
  const input = document.getElementById("filter");
  const shown = document.getElementById("shown");
  let rows = null;
  let waiting = 0;

  function filter() {
    if (rows === null) {
      rows = Array.from(table.tBodies[0].rows, function (row) {
        const cells = Array.from(row.cells, function (cell) { return cell.textContent; });
        return [cells.join(" ").toLowerCase(), row];
      });
    }
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const [text, row] of rows) {
      const fits = words.every(function (word) { return text.includes(word); });
      row.hidden = !fits;
      count += fits;
    }
    const told = shown.dataset.told.replace("{shown}", count).replace("{all}", rows.length);
    shown.textContent = words.length === 0 ? "" : told;
  }

  input.addEventListener("input", function () {
    window.clearTimeout(waiting);
    waiting = window.setTimeout(filter, 120);
  });
  document.querySelector(".filter").hidden = false;
  if (input.value !== "") filter();
})();
