/** FeatureMap's front-end (kernel side: src/saewidgets/widgets/map/widget.py). */

import { widget } from "../../page/mount";
import { App } from "./app";

export default widget("map", App);
