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
  const box = document.getElementById("filter");
  if (box) {
    const cards = [...document.querySelectorAll(".finding")].map((card) => [card, card.textContent.toLowerCase()]);
    const count = document.getElementById("filtered");
    box.parentElement.hidden = false;
    box.addEventListener("input", () => {
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      for (const [card, text] of cards) {
        card.hidden = !words.every((word) => text.includes(word));
        left += card.hidden ? 0 : 1;
      }
      count.textContent = words.length ? `${left} of ${cards.length} findings` : "";
    });
  }
  addEventListener("beforeprint", () => { for (const fold of document.querySelectorAll("details")) fold.open = true; });
})();
