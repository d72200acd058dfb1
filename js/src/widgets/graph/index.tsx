/** AttributionGraphView's front-end (kernel side: src/saewidgets/widgets/graph/widget.py). */

import { widget } from "../../page/mount";
import { App } from "./app";

export default widget("graph", App);
