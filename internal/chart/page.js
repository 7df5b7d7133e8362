"use strict";
(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const tip = document.getElementById("tip");
  const marks = new Map(); // by key: the marks in all plots, and the row
  const find = () => {
    marks.clear();
    for (const e of all("[data-t]")) {
      const t = e.dataset.t;
      if (!marks.has(t)) marks.set(t, []);
      marks.get(t).push(e);
    }
  };

  // What has one key is shown in all plots at once. A click keeps it shown.
  let shown = null, kept = null;
  const show = (t) => {
    if (t === shown) return;
    for (const e of marks.get(shown) || []) e.classList.remove("on");
    shown = t;
    for (const e of marks.get(t) || []) e.classList.add("on");
    const row = (marks.get(t) || []).find((e) => e.tagName === "TR");
    tip.hidden = !row;
    if (row) tip.textContent = row.dataset.tip;
  };
  const keyOf = (e) => e.target.closest ? (e.target.closest("[data-t]") || { dataset: { t: null } }).dataset.t : null;
  document.addEventListener("pointerover", (e) => show(keyOf(e) ?? kept));
  document.addEventListener("click", (e) => {
    if (e.target.closest("button, input, a, summary")) return;
    kept = keyOf(e);
    show(kept);
  });
  document.addEventListener("keydown", (e) => {
    if (e.key === "Escape") { kept = null; show(null); }
  });

  const dress = () => {
    find();

    // A table is sorted by a click on a heading.
    for (const table of all("table")) {
      if (!table.tHead || table.tHead.querySelector("a, button")) continue;
      const body = table.tBodies[0], headings = [...table.tHead.rows[0].cells];
      headings.forEach((th, column) => {
        const button = document.createElement("button");
        button.type = "button";
        button.append(...th.childNodes);
        th.append(button);
        button.addEventListener("click", () => {
          const down = th.getAttribute("aria-sort") === "ascending";
          for (const o of headings) o.removeAttribute("aria-sort");
          th.setAttribute("aria-sort", down ? "descending" : "ascending");
          const value = (row) => {
            const cell = row.cells[column];
            return th.dataset.kind === "number" ? (cell.dataset.v === undefined ? null : Number(cell.dataset.v)) : cell.textContent || null;
          };
          const order = (a, b) => {
            const x = value(a), y = value(b);
            if (x === null || y === null) return (x === null) - (y === null);
            const by = typeof x === "number" ? x - y : x.localeCompare(y, undefined, { numeric: true });
            return down ? -by : by;
          };
          body.append(...[...body.rows].sort(order));
        });
      });
    }

    // A filter hides rows of its table, and fades their marks.
    for (const filter of all(".filter input")) {
      const line = filter.closest("p");
      if (!line.hidden) continue;
      const count = line.querySelector("[role=status]");
      const body = filter.closest("section").querySelector("tbody");
      line.hidden = false;
      filter.addEventListener("input", () => {
        const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
        let n = 0;
        for (const row of body.rows) {
          const text = ((row.dataset.tip || "") + " " + row.textContent).toLowerCase();
          const fits = words.every((w) => text.includes(w));
          row.hidden = !fits;
          n += fits;
          for (const e of marks.get(row.dataset.t) || []) if (e !== row) e.classList.toggle("off", !fits);
        }
        count.textContent = words.length ? n + " of " + body.rows.length : "";
      });
    }

    for (const button of all(".copy[hidden]")) {
      if (!navigator.clipboard) break; // pages from the disk may not have it
      button.hidden = false;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(button.parentNode.querySelector("code").textContent);
        button.textContent = "Copied";
      });
    }
  };
  dress();
  document.addEventListener("contents", dress); // a page has loaded a part of it again
})();
