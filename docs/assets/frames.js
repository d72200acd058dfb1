// Live pages in the colour scheme that the reader chose for this site, which a sandboxed frame cannot see. A frame gets its
// address here, and not in the page: changed while it loads, it may stay empty.
function show() {
  const scheme = document.body.dataset.mdColorScheme === "slate" ? "dark" : "light";
  for (const frame of document.querySelectorAll("iframe[data-live]")) {
    const wanted = frame.dataset.live.replace("live/auto/", `live/${scheme}/`);
    if (frame.getAttribute("src") !== wanted) frame.setAttribute("src", wanted);
  }
}
new MutationObserver(show).observe(document.body, { attributes: true, attributeFilter: ["data-md-color-scheme"] });
show();
