/** FeatureComparison's front-end (kernel side: src/saewidgets/widgets/beside/widget.py). */

import { widget } from "../../page/mount";
import { App } from "./app";

export default widget("beside", App);
