/** AttributionPanel's front-end (kernel side: src/saewidgets/widgets/attribution/widget.py). */

import { widget } from "../../page/mount";
import { App } from "./app";

export default widget("attribution", App);
