/** FeatureDashboard's front-end (kernel side: src/saewidgets/widgets/dashboard/widget.py). */

import { widget } from "../shared/mount";
import { App } from "./app";

export default widget("dashboard", App);
