/* A box that scrolls sideways must be reachable by keyboard: wide equations, tables and outputs. */
addEventListener("DOMContentLoaded", () => {
  const boxes = document.querySelectorAll(
    ".katex-display, .pst-scrollable-table-container, article pre",
  );
  const mark = (box) => {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  };
  const watch = new ResizeObserver((changes) => changes.forEach((change) => mark(change.target)));
  boxes.forEach((box) => watch.observe(box));
  document.fonts.ready.then(() => boxes.forEach(mark)); // formulas grow with their letters
});
