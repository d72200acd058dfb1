/** SAEBrowser's front-end (kernel side: src/saewidgets/widgets/catalog/widget.py). */

import { widget } from "../../page/mount";
import { App } from "./app";

export default widget("catalog", App);
