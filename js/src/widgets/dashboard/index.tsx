/** FeatureDashboard's front-end (kernel side: src/saewidgets/widgets/dashboard/widget.py). */

import { widget } from "../../page/mount";
import { App } from "./app";
import { offline } from "./offline";

export default widget("dashboard", App, offline);
