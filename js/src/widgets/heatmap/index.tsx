/** TokenFeatureHeatmap's front-end (kernel side: src/saewidgets/widgets/heatmap/widget.py). */

import { widget } from "../../page/mount";
import { App } from "./app";
import { offline } from "./offline";

export default widget("heatmap", App, offline);
