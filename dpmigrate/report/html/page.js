"use strict";
// Filters of the findings. Without this script the page shows all of them.
(() => {
  const form = document.querySelector("#filters");
  if (form === null) return;
  const findings = [...document.querySelectorAll("article[data-rule]")];
  const files = [...document.querySelectorAll("details.file")];
  const shown = form.querySelector("output");

  const chosen = (name) =>
    new Set([...form.querySelectorAll(`input[name="${name}"]:checked`)].map((box) => box.value));

  function apply() {
    const severities = chosen("severity");
    const certainties = chosen("certainty");
    const rule = form.elements.rule.value;
    const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const finding of findings) {
      const { dataset } = finding;
      const text = words.length ? `${dataset.path} ${finding.textContent}`.toLowerCase() : "";
      const fits =
        severities.has(dataset.severity) &&
        certainties.has(dataset.certainty) &&
        (rule === "" || rule === dataset.rule) &&
        words.every((word) => text.includes(word));
      finding.hidden = !fits;
      count += fits;
    }
    for (const file of files) file.hidden = file.querySelector("article:not([hidden])") === null;
    shown.value = `${count} of ${findings.length} findings shown`;
  }

  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  for (const link of document.querySelectorAll("a[data-rule]")) {
    link.addEventListener("click", () => {
      form.elements.rule.value = link.dataset.rule;
      apply();
    });
  }
  document.querySelector("#fold").addEventListener("click", () => {
    const open = files.every((file) => !file.open);
    for (const file of files) file.open = open;
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input[type=search], select, textarea") !== null;
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      form.elements.text.focus();
    }
  });
  // On paper everything that is not filtered out is open.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = files.filter((file) => !file.open);
    for (const file of folded) file.open = true;
  });
  addEventListener("afterprint", () => {
    for (const file of folded) file.open = false;
  });
  form.hidden = false;
  apply();
})();
