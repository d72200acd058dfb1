/** BlindTest's front-end (kernel side: src/saewidgets/widgets/blindtest/widget.py). */

import { widget } from "../../page/mount";
import { App } from "./app";

export default widget("blindtest", App);
