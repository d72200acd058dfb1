/** TokenFeatureHeatmap's front-end (kernel side: src/saewidgets/widgets/heatmap/widget.py). */

import { widget } from "../shared/mount";
import { App } from "./app";

export default widget("heatmap", App);
