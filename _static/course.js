// What scrolls sideways can be reached with the keyboard: formulas and outputs become stops of the
// Tab key when, and only when, they are wider than the page. (The theme does this for code.)
(() => {
  const boxes =
    "div.math, mjx-container[display], .cell_output .output, .bd-article pre, .pst-scrollable-table-container";

  const markWideInlineFormulas = () => {
    const inline = ".bd-article p mjx-container:not([display]), .bd-article li mjx-container:not([display])";
    for (const formula of document.querySelectorAll(inline)) {
      formula.classList.remove("wide");
      const column = formula.closest("p, li, dd");
      if (!formula.closest("table") && column.clientWidth > 0) {
        const wide = formula.getBoundingClientRect().width > column.clientWidth + 1;
        formula.classList.toggle("wide", wide);
        wide ? (formula.tabIndex = 0) : formula.removeAttribute("tabindex");
      }
    }
  };

  const makeScrollableFocusable = () => {
    for (const box of document.querySelectorAll(boxes)) {
      const scrolls = box.scrollWidth > box.clientWidth;
      if (scrolls && getComputedStyle(box).overflowX !== "visible") {
        box.tabIndex = 0;
      } else if (box.matches("div.math, mjx-container")) {
        box.removeAttribute("tabindex");
      }
    }
  };

  const update = () => {
    markWideInlineFormulas();
    makeScrollableFocusable();
  };
  // The article changes its size when formulas are typeset, a box opens or the window changes.
  window.addEventListener("load", () => {
    const article = document.querySelector(".bd-article");
    if (article) new ResizeObserver(() => requestAnimationFrame(update)).observe(article);
  });
})();
