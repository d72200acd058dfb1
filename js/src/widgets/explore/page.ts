/** The page of a workbench: all its views, which its bar arranges as it does in a notebook. */

import { boot } from "../../page/boot";
import attribution from "../attribution";
import beside from "../beside";
import browser from "../browser";
import comparison from "../comparison";
import dashboard from "../dashboard";
import heatmap from "../heatmap";
import layers from "../layers";
import map from "../map";
import steering from "../steering";
import subspace from "../subspace";
import bar from ".";

document.getElementById("saew-root")?.classList.add("saew-explore");
boot({
  explore: bar,
  browser,
  map,
  heatmap,
  comparison,
  layers,
  dashboard,
  steering,
  attribution,
  subspace,
  beside,
});
