/** The dashboard in a static page. */

import widget from "../dashboard";
import { boot } from "./host";

boot((context) => widget.render(context)).catch((error: unknown) => {
  // The static picture stays; only say why the live one did not come.
  const said = document.createElement("p");
  said.textContent = `The interactive view could not start: ${String(error)}`;
  document.getElementById("saew-root")?.append(said);
});
