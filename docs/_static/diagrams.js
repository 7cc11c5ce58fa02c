/* Draws the diagrams of a page, in the colours of the theme. Without it their text is shown. */
document.addEventListener("DOMContentLoaded", () => {
  const dark =
    document.body.dataset.theme === "dark" ||
    (document.body.dataset.theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  mermaid.initialize({ startOnLoad: false, securityLevel: "strict", theme: dark ? "dark" : "neutral" });
  for (const diagram of document.querySelectorAll("div.diagram")) {
    const text = document.createElement("pre");
    text.className = "mermaid";
    text.textContent = diagram.textContent;
    diagram.replaceChildren(text);
  }
  mermaid.run({ querySelector: "pre.mermaid" });
});
