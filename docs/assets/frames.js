// Live pages in the colour scheme that the reader chose for this site, which a sandboxed frame cannot see.
function show() {
  const scheme = document.body.dataset.mdColorScheme === "slate" ? "dark" : "light";
  for (const frame of document.querySelectorAll("iframe[data-live]")) {
    const wanted = frame.getAttribute("src").replace(/live\/\w+\//, `live/${scheme}/`);
    if (frame.getAttribute("src") !== wanted) frame.setAttribute("src", wanted);
  }
}
new MutationObserver(show).observe(document.body, { attributes: true, attributeFilter: ["data-md-color-scheme"] });
show();
