/** SteeringPanel's front-end (kernel side: src/saewidgets/widgets/steering/widget.py). */

import { widget } from "../../page/mount";
import { App } from "./app";

export default widget("steering", App);
