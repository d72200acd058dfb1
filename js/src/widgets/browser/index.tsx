/** FeatureBrowser's front-end (kernel side: src/saewidgets/widgets/browser/widget.py). */

import { widget } from "../../page/mount";
import { App } from "./app";

export default widget("browser", App);
