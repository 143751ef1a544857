(() => {
  "use strict";
  const told = document.getElementById("told");
  const say = (words) => { told.textContent = ""; setTimeout(() => { told.textContent = words; }, 50); };
  const select = (node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };
  const copied = async (node) => {
    try { await navigator.clipboard.writeText(node.textContent); return true; } catch { select(node); return document.execCommand("copy"); }
  };
  for (const button of document.querySelectorAll("button.copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const done = await copied(button.previousElementSibling);
      say(done ? "The filter was copied." : "The filter is selected; copy it with the keyboard.");
    });
  }
  for (const box of document.querySelectorAll(".filter input")) {
    const rows = document.querySelectorAll(box.dataset.of === "finding" ? ".finding" : `.${box.dataset.of} tbody tr`);
    const items = [...rows].map((row) => [row, row.textContent.toLowerCase()]);
    const count = box.parentElement.querySelector("[role=status]");
    const more = Number(box.dataset.left);
    box.parentElement.hidden = false;
    box.addEventListener("input", () => {
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      for (const [row, text] of items) {
        row.hidden = !words.every((word) => text.includes(word));
        left += row.hidden ? 0 : 1;
      }
      for (const fold of document.querySelectorAll(".others")) if (box.dataset.of === "finding" && words.length) fold.open = true;
      const rest = more ? `; ${more} more are not on this page and were not searched` : "; all of them were searched";
      count.textContent = words.length ? `${left} of ${items.length} ${box.dataset.what}${rest}` : "";
    });
  }
  const value = (row, place) => row.cells[place].textContent.trim();
  for (const table of document.querySelectorAll("table.sorted")) {
    const body = table.tBodies[0];
    if (body.rows.length < 2) continue;
    [...table.tHead.rows[0].cells].forEach((head, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const order = new Intl.Collator("en", { numeric: true });
        const rows = [...body.rows].sort((one, two) => order.compare(value(one, place), value(two, place)));
        body.append(...(down ? rows.reverse() : rows));
        say(`Sorted by ${button.textContent}, ${down ? "descending" : "ascending"}.`);
      });
    });
  }
  const shown = () => { for (let at = document.getElementById(location.hash.slice(1)); at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true; };
  addEventListener("hashchange", shown);
  shown();
  addEventListener("beforeprint", () => { for (const fold of document.querySelectorAll(".finding details")) fold.open = true; });
})();
