"use strict";
// Filters, order, layers and enlargement of the cases, and copying of tables. The page is complete without it.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  const cells = (row) => all("th, td", row).map((cell) => cell.innerText.replace(/\s+/g, " ").trim());
  for (const region of all(".scroll:has(caption)")) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "copy", textContent: "copy" });
    button.setAttribute("aria-label", `Copy table: ${region.getAttribute("aria-label")}`);
    button.addEventListener("click", () => {
      const text = all("tr", region).map((row) => cells(row).join("\t")).join("\n");
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      document.execCommand("copy"); // navigator.clipboard is not there for files in every browser
      area.remove();
      button.focus();
      button.textContent = "copied";
      setTimeout(() => { button.textContent = "copy"; }, 1500);
    });
    region.querySelector("caption").append(" ", button);
  }

  const section = document.querySelector("#cases");
  if (!section) return;
  const form = section.querySelector(".filters");
  const gallery = section.querySelector(".gallery");
  const grid = gallery.querySelector(".cases");
  const cards = all(".case", grid);
  const dialog = section.querySelector("dialog");
  const large = dialog.querySelector(".large");
  let shown = cards;
  let current = -1;

  const orders = {
    listed: () => 0,
    best: (a, b) => a.dataset.share - b.dataset.share,
    worst: (a, b) => b.dataset.share - a.dataset.share,
  };

  function update() {
    const { sort, ...filters } = Object.fromEntries(new FormData(form));
    const ordered = [...cards].sort(orders[sort]);
    for (const card of cards) {
      card.hidden = Object.entries(filters).some(([name, value]) => value && card.dataset[name] !== value);
    }
    grid.append(...ordered);
    shown = ordered.filter((card) => !card.hidden);
    form.querySelector("output").textContent = `${shown.length} of ${cards.length} cases shown`;
  }

  function open(index) {
    current = (index + shown.length) % shown.length;
    const copy = shown[current].cloneNode(true);
    copy.querySelector(".zoom").replaceWith(copy.querySelector(".slice"));
    copy.querySelector("details").open = true;
    large.replaceChildren(copy);
    dialog.querySelector(".place").textContent = `${current + 1} of ${shown.length}`;
    if (!dialog.open) dialog.showModal();
  }

  for (const card of cards) {
    const slice = card.querySelector(".slice");
    const button = Object.assign(document.createElement("button"), { type: "button", className: "zoom" });
    button.setAttribute("aria-label", `Enlarge: ${card.getAttribute("aria-label")}; ${slice.querySelector("img").alt}`);
    slice.replaceWith(button);
    button.append(slice);
    button.addEventListener("click", () => open(shown.indexOf(card)));
  }

  for (const box of all(".legend input", gallery)) {
    box.hidden = false;
    box.addEventListener("change", () => {
      for (const place of [gallery, large]) place.classList.toggle(`hide-${box.name}`, !box.checked);
    });
    large.classList.toggle(`hide-${box.name}`, !box.checked);
  }

  dialog.addEventListener("click", (event) => {
    const { step, close } = event.target.dataset;
    if (step) open(current + Number(step));
    if (close !== undefined || event.target === dialog) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      event.preventDefault();
      open(current + step);
    }
  });
  dialog.addEventListener("close", () => shown[current]?.querySelector(".zoom").focus());
  form.addEventListener("change", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  update();
})();
