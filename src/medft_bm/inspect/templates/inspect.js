"use strict";
const form = document.getElementById("filters");
const articles = [...document.querySelectorAll("article.example")];
function apply() {
  const part = form.elements.part.value, label = form.elements.label.value;
  let shown = 0;
  for (const one of articles) {
    const fits = (!part || one.dataset.part === part) && (!label || one.dataset.label === label);
    one.hidden = !fits;
    shown += fits;
  }
  document.getElementById("shown").textContent = `${shown} of ${articles.length} examples`;
}
if (form) {
  form.hidden = false;
  form.addEventListener("change", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();
}
